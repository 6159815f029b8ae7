"""The command line's end of a group of which only the sockets are left."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.errors import DeadlineError, ErrorCode, RefusedError
from framebus.group_here import place_here
from framebus.requests import ListServices
from framebus_launcher.client import GroupClient, find_group
from framebus_launcher.lock import Lock


@pytest.fixture
def silent_launcher() -> Iterator[Path]:
    """The run folder of a group whose launcher's socket is there, with nobody behind it."""
    with tempfile.TemporaryDirectory(prefix="fb-") as folder, socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{folder}/req.launcher")
        yield Path(folder)


def test_a_group_whose_launcher_was_killed_is_told_as_gone(silent_launcher: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        GroupClient(silent_launcher)

    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert "no group runs in" in refused.value.message
    assert "the last launcher died" in refused.value.message


def test_a_launcher_that_lives_and_is_silent_is_not_told_as_gone(silent_launcher: Path) -> None:
    with (
        Lock(silent_launcher / "lock"),
        GroupClient(silent_launcher) as client,
        pytest.raises(DeadlineError),
    ):
        client.ask("launcher", ListServices(), deadline_s=0.3)


def test_launchers_of_parts_are_named_at_once_where_there_is_none_of_the_whole_group(silent_launcher: Path) -> None:
    (silent_launcher / "req.launcher").rename(silent_launcher / "req.launcher@enrich")
    (silent_launcher / "req.dispatcher").touch()
    (silent_launcher / "sub").touch()

    with (
        Lock(silent_launcher / "lock.enrich"),
        GroupClient(silent_launcher) as client,
        pytest.raises(RefusedError) as refused,
    ):
        client.ask("launcher", ListServices(), deadline_s=0.3)

    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert "framebus call launcher@enrich service.list asks one" in refused.value.message


def test_a_folder_of_sockets_that_the_configuration_names_is_named_where_another_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "framebus.yml").write_text("data: ./data\nrun: ./run  # beside it\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(RefusedError) as refused:
        find_group(tmp_path / "elsewhere")

    assert refused.value.message.endswith(
        "the group of this folder runs in run: leave out --run, or unset FRAMEBUS_RUN"
    )


def test_a_group_of_this_folder_that_runs_with_other_sockets_is_named_where_another_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "framebus.yml").write_text("cameras: {}\n")
    for name in ("run", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)

    with (
        Lock(tmp_path / "run" / "lock"),
        Lock(tmp_path / "data" / "lock"),
        pytest.raises(RefusedError) as refused,
    ):
        find_group(tmp_path / "elsewhere")

    assert f"the group of this folder runs in {tmp_path}/run: leave out --run" in refused.value.message


def test_commands_and_scripts_mean_the_group_of_this_folder_wherever_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "framebus.yml").write_text("cameras: {}\n")
    for name in ("run", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "run" / "sub").touch()
    monkeypatch.chdir(tmp_path)

    with Lock(tmp_path / "run" / "lock"), Lock(tmp_path / "data" / "lock"):
        assert find_group(None).run == place_here().run == tmp_path / "run"


def test_commands_and_scripts_mean_the_folder_of_sockets_that_the_configuration_here_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "framebus.yml").write_text("run: ./mine\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sub").touch()
    monkeypatch.chdir(tmp_path)

    with Lock(tmp_path / "mine" / "lock"):
        assert find_group(None).run == place_here().run == tmp_path / "mine"


def test_a_script_that_was_told_its_group_means_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "framebus.yml").write_text("run: ./mine\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAMEBUS_RUN", str(tmp_path / "told"))

    assert place_here().run == tmp_path / "told"
