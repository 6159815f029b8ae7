"""Where a group lives: folders, addresses, and paths that are too long for sockets."""

from pathlib import Path

import pytest

from framebus.errors import ConfigError
from framebus.place import MAX_IPC_PATH_BYTES, Place, default_run, default_shm

LONGEST_INSTANCE = "s" * 32 + "@" + "c" * 32


def run_of(length: int) -> Path:
    return Path("/" + "r" * (length - 1))


def test_the_longest_folder_that_is_allowed_has_room_for_the_dispatchers_door() -> None:
    place = Place.at(run_of(MAX_IPC_PATH_BYTES - len("/req.dispatcher")))

    assert len(place.door("dispatcher").removeprefix("ipc://")) == MAX_IPC_PATH_BYTES


def test_a_folder_that_is_too_long_is_refused_with_what_would_be_right() -> None:
    with pytest.raises(ConfigError, match="too long for the socket of dispatcher: choose a folder 3 bytes shorter"):
        Place.at(run_of(MAX_IPC_PATH_BYTES - len("/req.dispatcher") + 3))


def test_the_door_of_a_service_with_a_long_name_is_checked_where_the_name_is_known() -> None:
    place = Place.at(run_of(MAX_IPC_PATH_BYTES - len("/req.dispatcher")))

    with pytest.raises(ConfigError, match=LONGEST_INSTANCE):
        place.check_door(LONGEST_INSTANCE)


def test_a_path_is_measured_in_bytes_not_in_characters() -> None:
    with pytest.raises(ConfigError):
        Place.at(Path("/" + "ä" * 60))


def test_folders_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/tmp")

    place = Place.at(Path("here"), data=Path("data"), shm=Path("shm"))

    assert (place.run, place.data, place.shm) == (Path("/tmp/here"), Path("/tmp/data"), Path("/tmp/shm"))


def test_what_a_child_is_told_leads_it_to_the_same_place() -> None:
    place = Place.at(Path("/tmp/group"), data=Path("/data"), shm=Path("/dev/shm/x"))

    assert Place.from_environment(place.to_environment()) == place


def test_addresses_may_be_others_than_those_of_the_folder() -> None:
    environment = {
        "FRAMEBUS_RUN": "/tmp/group",
        "FRAMEBUS_PUB": "ipc:///elsewhere/pub",
        "FRAMEBUS_REQ": "ipc:///x/{service}",
    }

    place = Place.from_environment(environment)

    assert place.pub == "ipc:///elsewhere/pub"
    assert place.sub == "ipc:///tmp/group/sub"
    assert place.door("capture@front") == "ipc:///x/capture@front"


def test_without_a_launcher_it_is_the_users_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")

    assert Place.from_environment({}).run == default_run() == Path("/run/user/1/framebus")


def test_two_groups_never_share_their_rings(tmp_path: Path) -> None:
    assert default_shm(tmp_path / "a") != default_shm(tmp_path / "b")


def test_a_link_to_a_folder_is_the_same_group(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    assert default_shm(tmp_path / "link") == default_shm(tmp_path)
