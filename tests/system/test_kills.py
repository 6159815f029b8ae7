"""A whole group with a synthetic camera, whose processes are killed: the others go on and no accepted job is lost."""

import os
import signal
import time
from collections.abc import Iterator

import msgspec
import psutil
import pytest
from msgspec import Raw

from clips import probe
from framebus.messages import JobState, ServiceState
from framebus.recordings import list_segments
from groups import SYNTHETIC, RunningGroup, running_group
from system.rig import size

KILLS = size(8, 20)
KINDS = ("capture@front", "enrich", "export", "dispatcher")


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    config = {"cameras": {"front": SYNTHETIC}, "launcher": {"restart": {"factor": 1, "deaths": 1000}}}
    with running_group(config) as running:
        running.await_ready()
        running.await_online()
        running.await_segments(1)
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_killed_again_and_again_comes_back_each_time_and_no_accepted_job_is_lost(
    group: RunningGroup, kind: str
) -> None:
    accepted: list[str] = []
    before = group.services()
    recorded = list_segments(group.place.data, "front", time.time() - 300.0, time.time())[0]
    assert recorded.end_ms is not None

    for _ in range(KILLS):
        accepted += [group.submit(recorded.start_ms / 1_000, recorded.end_ms / 1_000).id for _ in range(2)]
        old = group.kill(kind)
        group.await_back(kind, old)

    after = group.services()
    others = [name for name in before if name != kind]
    assert {name: after[name].pid for name in others} == {name: before[name].pid for name in others}
    assert after[kind].restarts >= before[kind].restarts + KILLS
    jobs = group.await_ends(accepted)
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * len(accepted), [job.error for job in jobs]
    files = [file for job in jobs for file in _files(job.result)]
    assert len(files) == len(set(files))
    for file in files:
        if file.endswith(".mp4"):
            assert probe(group.place.data / "exports" / file).frames > 0


def test_a_stopped_process_is_found_and_replaced_within_seven_seconds(group: RunningGroup) -> None:
    old = group.services()["export"]
    assert old.pid is not None
    stopped_s = time.monotonic()

    os.kill(old.pid, signal.SIGSTOP)

    back = group.await_back("export", old, limit_s=9.0)
    assert back.state is ServiceState.READY
    assert time.monotonic() - stopped_s < 9.0


def _files(result: Raw) -> list[str]:
    return [str(name) for name in msgspec.msgpack.decode(bytes(result))["files"]]


def test_a_killed_zygote_kills_nobody_and_what_dies_next_comes_back_all_the_same(group: RunningGroup) -> None:
    before = group.services()
    launcher = psutil.Process(group.process.pid)
    zygote = next(child for child in launcher.children() if "zygote" in " ".join(child.cmdline()))

    zygote.kill()
    old = group.kill("export")
    group.await_back("export", old)

    after = group.services()
    others = [name for name in before if name != "export"]
    assert {name: after[name].pid for name in others} == {name: before[name].pid for name in others}
    assert "the zygote" in group.log.read_text()
