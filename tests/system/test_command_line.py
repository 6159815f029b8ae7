"""The command `framebus` as a user types it, against a group that runs."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import command, framebus
from framebus import codec
from framebus.transport import SocketBus
from groups import FRAMEBUS, SYNTHETIC, RunningGroup, running_group, wait_until


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    config = {"cameras": {"front": SYNTHETIC}, "jobs": {"mine": {"max_running": 1}}}
    with running_group(config) as running:
        running.await_ready()
        running.await_online()
        running.await_segments(2)
        yield running


def test_status_shows_every_service_and_camera(group: RunningGroup) -> None:
    text = framebus(group, "status")

    for name in ("dispatcher", "export", "enrich", "capture@front", "online"):
        assert name in text


def test_status_as_json_can_be_read_by_programs(group: RunningGroup) -> None:
    status = json.loads(framebus(group, "status", "--json"))

    assert {service["name"] for service in status["services"]} == {"dispatcher", "export", "enrich", "capture@front"}
    assert status["cameras"][0]["camera"] == "front"


def test_events_of_a_group_that_runs_are_found_by_its_run_folder(group: RunningGroup, tmp_path: Path) -> None:
    known, unknown = (command(group, "events", name, cwd=tmp_path) for name in ("front", "nosuch"))

    assert known.returncode == 0, known.stderr
    assert unknown.returncode == 1
    assert "there is no camera nosuch; the group has front" in unknown.stderr


def test_tap_prints_job_states_while_a_job_runs(group: RunningGroup) -> None:
    tap = subprocess.Popen(
        [FRAMEBUS, "tap", "job_state/export/", "--count", "3", "--json", "--run", str(group.place.run)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tap.stdout is not None
    first = json.loads(tap.stdout.readline())

    framebus(group, "export", "front", "--last", "2s")
    rest, _ = tap.communicate(timeout=20.0)

    assert first["topic"] == "job_state/export/"
    boards = [json.loads(line)["body"] for line in rest.splitlines()]
    assert all(board["type"] == "export" for board in boards)
    assert tap.returncode == 0


def test_call_asks_any_service_and_writes_its_blob(group: RunningGroup, tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"

    answer = json.loads(framebus(group, "call", "capture@front", "capture.snapshot", "--blob", str(picture)))

    assert answer["camera"] == "front"
    assert picture.read_bytes()[:3] == b"\xff\xd8\xff"


def test_a_service_is_stopped_started_and_restarted_by_name(group: RunningGroup) -> None:
    old = group.services()["enrich"]

    assert "stop" in framebus(group, "stop", "enrich")
    wait_until(lambda: group.services()["enrich"].state.value == "stopped", "enrich stopped")
    framebus(group, "start", "enrich")
    first = group.await_back("enrich", old)
    framebus(group, "restart", "enrich")

    group.await_back("enrich", first)


def test_a_group_that_notifies_nobody_says_so_to_who_tries(group: RunningGroup) -> None:
    said = framebus(group, "notify", "phone", expect=69)

    assert "this group notifies nobody: write services.notify into its configuration (docs/notify.md)" in said


def test_junk_on_the_bus_is_shown_as_junk_and_ends_no_tap(group: RunningGroup) -> None:
    tap = subprocess.Popen(
        [FRAMEBUS, "tap", "finding/", "--count", "1", "--run", str(group.place.run)], stdout=subprocess.PIPE, text=True
    )
    bus = SocketBus("junk", place=group.place)

    def publish_until_it_ends() -> bool:
        head = bus._head("finding/junk/front/")
        bus._send([b"finding/junk/front/", codec.encode(head), b"\xc1"])
        bus.turn(0.05)
        return tap.poll() is not None

    wait_until(publish_until_it_ends, "tap has shown it")
    bus.close()

    text, _ = tap.communicate(timeout=5.0)
    assert tap.returncode == 0
    assert "malformed" in text


def test_run_is_one_service_without_a_launcher(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fb-"))
    (folder / "framebus.yml").write_text("data: data\nrun: run\n")
    service = subprocess.Popen([FRAMEBUS, "run", "dispatcher", "-c", "framebus.yml"], cwd=folder)
    try:
        ping = [FRAMEBUS, "call", "dispatcher", "ping", "--run", str(folder / "run")]
        wait_until(lambda: subprocess.run(ping, capture_output=True, timeout=20.0).returncode == 0, "it answers")
        answer = json.loads(subprocess.run(ping, capture_output=True, timeout=20.0).stdout)

        assert answer["pid"] == service.pid
    finally:
        service.terminate()
        assert service.wait(10.0) == 0
        shutil.rmtree(folder)


def test_topics_prints_the_table_without_a_group() -> None:
    text = framebus(None, "topics")

    assert "job_state/{type}/" in text
    assert "JobBoard" in text


def test_check_tells_every_error_at_once_with_its_line_and_ends_with_78(tmp_path: Path) -> None:
    file = tmp_path / "framebus.yml"
    file.write_text("cameras:\n  Front Door:\n    source: gopher://x\n  back:\n    detect: {fsp: 5}\n")

    done = subprocess.run([FRAMEBUS, "check", "-c", str(file)], capture_output=True, text=True, timeout=20.0)

    assert done.returncode == 78
    for words in ("framebus.yml:2", "framebus.yml:4", "framebus.yml:5", "source: is missing", "did you mean fps?"):
        assert words in done.stderr, done.stderr


def test_up_with_a_second_launcher_on_the_same_folder_ends_with_75_and_names_the_first(group: RunningGroup) -> None:
    text = framebus(None, "up", "-c", str(group.file), "--plain", expect=75)

    assert str(group.process.pid) in text
