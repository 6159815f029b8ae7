"""`framebus chaos` as a user types it, beside a group that runs: it strikes, counts, and leaves everything running."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from commands import framebus
from framebus.messages import ServiceState
from groups import FRAMEBUS, SYNTHETIC, RunningGroup, running_group, wait_until

PLUGIN = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    config = {"cameras": {"front": SYNTHETIC}, "services": {"mute": {"command": PLUGIN, "notify": False}}}
    with running_group(config) as running:
        running.await_ready()
        wait_until(lambda: list(running.place.data.rglob("*_*.mp4")), "a closed segment")
        wait_until(lambda: "yes" in framebus(running, "status"), "the group knows that it records")
        yield running


def chaos(group: RunningGroup, *arguments: str) -> subprocess.Popen[str]:
    command = [FRAMEBUS, "chaos", "--run", str(group.place.run), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_says_its_seed_first_strikes_by_the_schedule_and_ends_with_0_because_nothing_was_lost(
    group: RunningGroup,
) -> None:
    before = group.services()
    exports = group.place.data / "exports"
    (exports / "front").mkdir(parents=True, exist_ok=True)
    (exports / "front" / "mine_chaos.mp4").touch()

    out, errors = chaos(group, "--seconds", "10", "--seed", "5", "--json").communicate(timeout=100.0)

    first, *blows, last = [json.loads(line) for line in out.splitlines()]
    assert first == {"seed": 5}
    assert last["broken"] == [], out + errors
    assert sum(row["blows"] for row in last["recoveries"]) == len(blows) >= 2
    assert not any(blow["kind"] == "stop" and blow["name"] == "mute" for blow in blows)
    assert last["jobs"]["accepted"] == last["jobs"]["succeeded"] + last["jobs"]["cancelled"] > 0
    assert last["subscribers"] == 3
    assert last["clips_left"] == 0
    assert [path.name for path in exports.rglob("*chaos*")] == ["mine_chaos.mp4"], "it removes its own clips only"
    after = group.await_ready()
    for name in {blow["name"] for blow in blows}:
        assert after[name].incarnation > before[name].incarnation
    log = group.log.read_text()  # these deaths are ordered: nothing breaks, and nobody waits longer each time
    assert "broken" not in log
    assert "early deaths" not in log


def test_the_cameras_of_a_dispatcher_that_has_just_begun_are_waited_for(group: RunningGroup) -> None:
    framebus(group, "restart", "dispatcher")
    out, errors = chaos(group, "--seconds", "1", "--seed", "5").communicate(timeout=100.0)

    assert "clips of front" in out, errors


def test_ctrl_c_prints_the_table_so_far_and_leaves_everything_running(group: RunningGroup) -> None:
    running = chaos(group, "--seconds", "600", "--seed", "5")
    assert running.stdout is not None
    lines = [running.stdout.readline()]
    while not lines[-1].startswith(("kill -9", "stop")):
        lines.append(running.stdout.readline())

    running.send_signal(signal.SIGINT)
    out, errors = running.communicate(timeout=40.0)

    clips = group.place.data / "exports" / "front"
    assert lines[0] == "seed 5\n"
    assert json.loads(framebus(group, "queue", "export", "--json"))["waiting"] == 0
    assert [path.name for path in clips.glob("*_chaos*") if path.name != "mine_chaos.mp4"] == []
    assert "innocent dead" in out, errors
    assert "Traceback" not in errors
    assert running.returncode == 0, out + errors
    assert all(status.state is ServiceState.READY for status in group.await_ready().values())


def test_without_a_group_it_says_so_and_ends_with_69() -> None:
    done = subprocess.run([FRAMEBUS, "chaos", "--run", "/tmp/fb-nobody"], capture_output=True, text=True, timeout=20.0)

    assert done.returncode == 69
    assert "no group runs" in done.stderr
