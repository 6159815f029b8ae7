"""Job types in distributions of their own, installed with pip: a group runs them as if they were built in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw, msgpack

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobState, JobView, ServiceState
from framebus.requests import GetJob, JobAccepted, SubmitJob
from framebus_launcher.client import GroupClient
from groups import RunningGroup, running_group, wait_until

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed both plug-ins."""
    folder = tmp_path_factory.mktemp("site")
    sources = tmp_path_factory.mktemp("sources")
    for name in ("transcript_plugin", "mute_plugin"):
        subprocess.run(["cp", "-r", str(HERE / name), str(sources / name)], check=True)  # pip leaves files there
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
        how = ["--no-deps", "--no-build-isolation", "--target", str(folder), str(sources / name)]
        done = subprocess.run([*pip, *how], capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@contextmanager
def group_with(site: Path, monkeypatch: pytest.MonkeyPatch, **services: Any) -> Iterator[RunningGroup]:
    monkeypatch.setenv("PYTHONPATH", str(site))
    with running_group({"services": {"enrich": False, "export": False, **services}}) as group:
        yield group


def submit(group: RunningGroup, *words: str, **more: Any) -> JobAccepted:
    params = Raw(codec.encode({"words": words, **more}))
    with GroupClient(group.place.run) as client:
        return client.ask("dispatcher", SubmitJob(type="transcript", params=params), 10.0)


def job(group: RunningGroup, job_id: str) -> JobView:
    with GroupClient(group.place.run) as client:
        return client.ask("dispatcher", GetJob(id=job_id), 10.0)


def test_a_job_of_an_installed_type_is_done_and_tells_its_progress(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with group_with(site, monkeypatch, transcript={"language": "de", "slots": 2}, mute=False) as group:
        services = group.await_ready()
        accepted = submit(group, "one", "two", "three", "four", seconds_per_word=0.4)

        running = wait_until(lambda: view if (view := job(group, accepted.id)).percent > 0.0 else None, "progress")
        (view,) = group.await_ends([accepted.id])

        assert set(services) == {"dispatcher", "transcript"}
        assert (running.state, running.step) == (JobState.RUNNING, "listening")
        assert view.state is JobState.SUCCEEDED
        result = msgpack.decode(view.result)
        assert (result["words"], result["language"]) == (4, "de")
        assert (group.place.data / "exports" / result["files"][0]).read_text() == "one\ntwo\nthree\nfour\n"


def test_parameters_of_an_installed_type_are_checked_and_its_policy_is_in_force(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with group_with(site, monkeypatch, mute=False) as group:
        group.await_ready()

        with pytest.raises(RefusedError, match=r"unknown field `volume`") as unknown:
            submit(group, "one", volume=11)
        with pytest.raises(RefusedError, match=r"\$\.words\[1\]") as malformed:
            submit(group, "one", "x" * 41)
        with pytest.raises(RefusedError, match="'unspeakable' can't be transcribed; leave it out"):
            submit(group, "unspeakable")
        first = submit(group, "one", seconds_per_word=4.0)
        wait_until(lambda: job(group, first.id).state is JobState.RUNNING, "the first job runs")
        waiting = [submit(group, "two"), submit(group, "three")]
        with pytest.raises(RefusedError) as full:
            submit(group, "four")

        assert (unknown.value.code, malformed.value.code) == (ErrorCode.BAD_REQUEST, ErrorCode.BAD_REQUEST)
        assert full.value.code is ErrorCode.QUEUE_FULL
        ends = group.await_ends([first.id, *(accepted.id for accepted in waiting)])
        assert [view.state for view in ends] == [JobState.SUCCEEDED] * 3


def test_a_job_that_crashes_its_process_three_times_is_dead_and_its_service_lives(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with group_with(site, monkeypatch, mute=False) as group:
        before = group.await_ready()
        accepted = submit(group, "one", "crash")

        (view,) = group.await_ends([accepted.id])
        after = group.await_ends([submit(group, "next").id])

        assert (view.state, after[0].state) == (JobState.DEAD, JobState.SUCCEEDED)
        assert view.error is not None
        assert "signal 11 (SIGSEGV) at listening" in view.error.message
        assert group.services()["transcript"].pid == before["transcript"].pid


def test_a_plug_in_that_cannot_be_loaded_says_why_and_the_rest_of_the_group_runs(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with group_with(site, monkeypatch, transcript=False) as group:
        group.await_ready("dispatcher")

        status = wait_until(
            lambda: found if (found := group.services()["mute"]).state is ServiceState.BROKEN else None,
            "mute is broken",
        )

        assert "78" in status.reason, status.reason
        assert any("can't be loaded: ModuleNotFoundError" in line for line in status.log_tail)
        log = group.log.read_text()
        assert "the runner mute_plugin:Mute of mute-plugin can't be loaded: ModuleNotFoundError: " in log
        assert f"No module named 'framebus_no_such_library' ({site}/mute_plugin.py:3)" in log
        assert group.services()["dispatcher"].state is ServiceState.READY


def test_settings_that_an_installed_runner_does_not_know_make_its_row_broken_with_the_field(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with group_with(site, monkeypatch, transcript={"langage": "de"}, mute=False) as group:
        wait_until(lambda: group.services().get("transcript"), "the row is there")
        wait_until(lambda: group.services()["transcript"].state is ServiceState.BROKEN, "it is broken")

        assert "langage" in group.log.read_text()


def run_check(folder: Path, site: Path, services: str) -> subprocess.CompletedProcess[str]:
    file = folder / "framebus.yml"
    file.write_text(f"data: {folder}/data\nservices:\n  {services}\n")
    command = [str(Path(sys.executable).with_name("framebus")), "check", "-c", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


@pytest.mark.parametrize(
    ("services", "problem"),
    [
        ("transcript: {slots: 0}", "services.transcript.slots: expected a whole number >= 1"),
        ("transcript: {command: [x]}", "services.transcript: this name belongs to the jobs of an installed package"),
        ("transcript:", "services.transcript: is empty; give it settings, or switch it off with `transcript: off`"),
        ("transcript: 7", "services.transcript: expected a map of settings"),
    ],
)
def test_what_is_wrong_with_the_row_of_an_installed_runner_is_found_by_check(
    tmp_path: Path, site: Path, services: str, problem: str
) -> None:
    done = run_check(tmp_path, site, services)

    assert problem in done.stdout + done.stderr
    assert done.returncode == 78


def test_neither_the_launcher_nor_the_dispatcher_imports_a_runner(site: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from framebus.place import Place;"
        "from framebus.settings import Settings;"
        "from framebus_launcher.table import make_table; from framebus.plugins import load_job_types;"
        "settings = Settings(http=False, services={'ingest': False, 'analysis': False});"
        "rows = make_table(settings, Place.at(Path('/run/fb'))); types, problems = load_job_types();"
        "print([row.name for row in rows], sorted(types), problems, 'transcript_plugin.runner' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
    )

    rows = "['dispatcher', 'export', 'enrich', 'mute', 'transcript']"
    assert done.stdout == f"{rows} ['analysis', 'export', 'notify', 'transcript'] [] False\n"
