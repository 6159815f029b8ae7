"""P1, P8: the launcher is killed, or everything at once: nothing stays behind, and what was accepted is still done."""

import os
import random
import select
import signal
import sys
import time
from collections.abc import Iterator

import pytest
from msgspec import Raw

from clips import probe
from framebus import codec
from framebus.jobs import FINAL
from framebus.messages import JobState
from framebus.place import Place
from framebus.recordings import list_segments
from framebus.requests import SubmitJob
from framebus_launcher.client import GroupClient
from groups import SYNTHETIC, RunningGroup, history_of, processes_of, running_group, wait_until
from system.rig import HANDS, dice, files_of, size

LAUNCHER_KILLS = size(4, 200)
GONE_S = 1.0
STOPS = size(2, 100)
STOP_LIMIT_S = 8.0
MARGIN_S = 2.0
"""the machine may be busy with other things"""
EXPORTS = 20
CONFIG = {
    "cameras": {"front": SYNTHETIC},
    "services": {"hands": {"command": [sys.executable, str(HANDS), "1", "write"]}},
    "jobs": {"write": {}},
}


@pytest.fixture
def group() -> Iterator[RunningGroup]:
    with running_group(CONFIG) as running:
        running.await_ready()
        yield running


def wait_gone_s(pids: list[int], limit_s: float) -> float:
    """How long it takes until all these processes have ended; fails after `limit_s`."""
    began_s = time.monotonic()
    watch = select.poll()
    files = []
    for pid in pids:
        try:
            files.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    for file in files:
        watch.register(file, select.POLLIN)
    left = set(files)
    try:
        while left and time.monotonic() - began_s < limit_s:
            for file, _ in watch.poll(50):
                watch.unregister(file)
                left.discard(file)
        assert not left, f"{len(left)} of {len(pids)} processes still run after {limit_s} s"
    finally:
        for file in files:
            os.close(file)
    return time.monotonic() - began_s


def pids_of(place: Place, group: RunningGroup) -> list[int]:
    return [process.pid for process in processes_of(place) if process.pid != group.process.pid]


@pytest.mark.timeout(size(120, 1_200))
def test_a_killed_launcher_takes_the_whole_group_along_within_a_second_each_time(group: RunningGroup) -> None:
    took_s = []

    for _ in range(LAUNCHER_KILLS):
        pids = pids_of(group.place, group)
        assert len(pids) == 5
        group.process.kill()
        took_s.append(wait_gone_s(pids, GONE_S))
        group.process.wait()
        assert processes_of(group.place) == []
        group.start_again()
        group.await_ready()

    print(f"{LAUNCHER_KILLS} kills of the launcher; all gone after at most {max(took_s) * 1_000:.0f} ms")


@pytest.mark.timeout(120)
def test_20_exports_survive_a_kill_of_everything_at_once_and_each_is_there_once_after_the_next_start(
    group: RunningGroup,
) -> None:
    rng = dice("order of death")
    wait_until(lambda: list(group.place.data.rglob("front/**/*_*.mp4")), "a closed segment of front")
    export = group.kill("export", signal.SIGSTOP)
    assert export.pid is not None
    recorded = list_segments(group.place.data, "front", time.time() - 300.0, time.time())[0]
    start_s = recorded.start_ms / 1_000
    ids = [group.submit(start_s + 0.05 * number, start_s + 1.5).id for number in range(EXPORTS)]
    os.kill(export.pid, signal.SIGCONT)
    wait_until(lambda: _ended(group), "some have ended")

    kill_everything(group, rng)
    before = _ended(group)
    group.start_again()
    jobs = group.await_ends(ids, 60.0)

    assert 0 < before < EXPORTS
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * EXPORTS, [job.error for job in jobs]
    clips = [name for job in jobs for name in files_of(job) if name.endswith(".mp4")]
    assert len(set(clips)) == EXPORTS
    assert sorted(clips) == sorted(str(path.relative_to(group.place.data / "exports")) for path in group.clips())
    assert all(probe(group.place.data / "exports" / clip).frames > 0 for clip in clips)
    assert list((group.place.data / "exports").rglob(".*.part")) == []
    ends = [sum(state in FINAL for state, _, _ in history_of(group.place)[job_id]) for job_id in ids]
    assert ends == [1] * EXPORTS
    group.await_ready()
    print(f"{before} of {EXPORTS} had ended when everything was killed")


@pytest.mark.timeout(size(120, 1_800))
def test_a_stop_at_any_moment_ends_with_0_and_no_job_is_lost_or_blamed(group: RunningGroup) -> None:
    rng = dice("stops")
    accepted: list[str] = []
    took_s = []

    for _ in range(STOPS):
        accepted += [_submit_text(group) for _ in range(4)]
        time.sleep(rng.uniform(0.0, 0.6))  # the moment is what is tried here
        began_s = time.monotonic()
        assert group.stop() == 0, group.log.read_text()[-2_000:]
        took_s.append(time.monotonic() - began_s)
        assert processes_of(group.place) == []
        group.start_again()
        group.await_ready("dispatcher", "hands")
    jobs = group.await_ends(accepted, 60.0)

    print(f"{STOPS} stops, {max(took_s):.1f} s at most")
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * len(accepted)
    assert [job.attempt for job in jobs] == [1] * len(accepted)
    assert max(took_s) <= STOP_LIMIT_S + MARGIN_S
    group.await_ready()


def _submit_text(group: RunningGroup) -> str:
    with GroupClient(group.place.run) as client:
        text = SubmitJob(type="write", params=Raw(codec.encode({"for_s": 0.3})))
        return client.ask("dispatcher", text, 10.0).id


def _ended(group: RunningGroup) -> int:
    """How many jobs have ended, as it stands on disk: nobody is there to ask."""
    return sum(moves[-1][0] in FINAL for moves in history_of(group.place).values())


def kill_everything(group: RunningGroup, rng: random.Random) -> None:
    """SIGKILL to the launcher and all its children, in any order."""
    pids = [*pids_of(group.place, group), group.process.pid]
    rng.shuffle(pids)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it went with the launcher
            continue
    group.process.wait()
    wait_gone_s(pids, GONE_S)
