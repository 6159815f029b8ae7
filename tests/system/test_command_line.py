"""The command `framebus` as a user types it, against a group that runs."""

import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clips import probe
from framebus import codec
from framebus.messages import CameraState, CameraStatus
from framebus.transport import SocketBus
from groups import FRAMEBUS, SYNTHETIC, RunningGroup, running_group, wait_until


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    config = {"cameras": {"front": SYNTHETIC}, "jobs": {"mine": {"max_running": 1}}}
    with running_group(config) as running:
        running.await_ready()
        with running.observer() as news:
            assert news.wait_for(lambda: _online(news.newest("camera/front/", CameraStatus)), 20.0)
        wait_until(lambda: len(list(running.place.data.rglob("*_*.mp4"))) >= 2, "two closed segments, of 2 s each")
        yield running


def _online(status: CameraStatus | None) -> bool | None:
    return True if status is not None and status.state is CameraState.ONLINE else None


def framebus(
    group: RunningGroup | None, *arguments: str, expect: int = 0, limit_s: float = 30.0, cwd: Path | None = None
) -> str:
    """Standard output of a command that ends with the expected code; its errors when that is not 0."""
    run = ["--run", str(group.place.run)] if group else []
    done = subprocess.run([FRAMEBUS, *arguments, *run], capture_output=True, text=True, timeout=limit_s, cwd=cwd)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout if expect == 0 else done.stdout + done.stderr


def test_status_shows_every_service_and_camera(group: RunningGroup) -> None:
    text = framebus(group, "status")

    for name in ("dispatcher", "export", "enrich", "capture@front", "online"):
        assert name in text


def test_status_as_json_can_be_read_by_programs(group: RunningGroup) -> None:
    status = json.loads(framebus(group, "status", "--json"))

    assert {service["name"] for service in status["services"]} == {"dispatcher", "export", "enrich", "capture@front"}
    assert status["cameras"][0]["camera"] == "front"


def test_an_export_is_accepted_and_watched_to_its_end(group: RunningGroup) -> None:
    job = json.loads(framebus(group, "export", "front", "--last", "3s", "--json"))

    text = framebus(group, "watch", job["id"][:8])

    assert "succeeded" in text
    shown = json.loads(framebus(group, "jobs", job["id"], "--json"))
    clip = next(name for name in shown["result"]["files"] if name.endswith(".mp4"))
    found = probe(group.place.data / "exports" / clip)
    assert 15 <= found.frames <= 45  # 3 s at 10 fps, up to 1 s earlier, and without the last fragment


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


def test_a_job_of_a_declared_type_waits_and_can_be_cancelled_and_retried(group: RunningGroup) -> None:
    accepted = json.loads(framebus(group, "submit", "mine", "camera=front", "speed=2", "--name", "mine", "--json"))

    assert accepted["state"] == "queued"
    assert "cancelled" in framebus(group, "cancel", accepted["id"])
    framebus(group, "watch", accepted["id"], expect=75)
    assert "accepted" in framebus(group, "retry", accepted["id"])
    assert accepted["id"][:4] in framebus(group, "jobs", "--type", "mine")


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "nobody", "--last", "5s"), ("not_found", "front")),
        (("export", "front", "--from", "2001-01-01T00:00:00", "--to", "2001-01-01T00:00:10"), ("no_source",)),
        (("export", "front", "--from", "200", "--to", "100"), ("bad_request",)),
        (("submit", "nothing"), ("unknown_type", "export", "mine")),
        (("submit", "export", "camera=front", "begin=1"), ("bad_request", "begin")),
        (("jobs", "ffffffff"), ("not_found",)),
        (("call", "dispatcher", "job.nix"), ("unknown_method", "job.submit")),
        (("stop", "nobody"), ("not_found",)),
    ],
)
def test_what_cannot_be_done_is_refused_with_code_and_reason(
    group: RunningGroup, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    text = framebus(group, *arguments, expect=1)

    assert all(word in text for word in words), text


def test_watch_without_a_job_follows_all_of_them(group: RunningGroup) -> None:
    watch = subprocess.Popen([FRAMEBUS, "watch", "--run", str(group.place.run)], stdout=subprocess.PIPE, text=True)
    assert watch.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(watch.stdout or []), daemon=True)
    reader.start()
    now_s = time.time()

    job = group.submit(now_s - 2.0, now_s)

    wait_until(lambda: any(job.id[:4] in line and "succeeded" in line for line in lines), "the end is shown")
    watch.terminate()
    watch.wait(5.0)
    reader.join(5.0)
    watch.stdout.close()


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


def test_a_command_without_a_group_says_so_and_ends_with_69(tmp_path: Path) -> None:
    done = subprocess.run([FRAMEBUS, "jobs", "--run", str(tmp_path)], capture_output=True, text=True, timeout=20.0)

    assert done.returncode == 69
    assert "no group runs in" in done.stderr


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
