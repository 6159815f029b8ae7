"""Clips through real processes: a dispatcher and workers that are killed, stopped and told to stop."""

import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
from msgspec import msgpack

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobState, JobView
from framebus.requests import CancelJob, WorkerLost
from media import frames_of
from services.export.exporting import LONG_S, LONG_SEGMENTS, Group
from services.export.recorded import START_S, record


def is_copied(view: JobView) -> bool:
    return view.step == "copying"


def has_ended(view: JobView) -> bool:
    return view.state in FINAL


def is_in(state: JobState, view: JobView) -> bool:
    return view.state is state


def succeeded_whole(group: Group, job_id: str) -> JobView:
    """The end of a long job, which is a whole clip, the only file, and no leftovers."""
    view = group.wait(job_id, has_ended)
    assert view.state is JobState.SUCCEEDED, (view, group.log())
    result = msgpack.decode(view.result)
    assert result["frames"] == 20 * LONG_SEGMENTS
    assert group.exports() == result["files"]
    return view


def test_a_clip_that_is_asked_for_is_made_and_plays(group: Group, rich_video: Path) -> None:
    record(group.place.data, rich_video)
    group.start_export(1)

    accepted = group.submit(START_S + 3.3, START_S + 9.0)
    view = group.wait(accepted.id, has_ended)

    assert view.state is JobState.SUCCEEDED
    assert (view.step, view.percent, view.error) == ("done", 100.0, None)
    picture, clip = group.exports()
    assert clip.startswith("front/front_2026-09-21_")
    assert clip.endswith("_my-clip.mp4")
    assert msgpack.decode(view.result)["files"] == [picture, clip]
    assert frames_of(group.place.data / "exports" / clip)[:60] == list(range(30, 90))


def test_a_clip_that_cannot_be_made_is_refused_at_once(group: Group) -> None:
    with pytest.raises(RefusedError, match="front has no recording from") as caught:
        group.submit(START_S + 3.3, START_S + 9.0)

    assert caught.value.code is ErrorCode.NO_SOURCE


def kill_at_work(group: Group, job_id: str, worker: subprocess.Popen[bytes]) -> None:
    group.ask_until(job_id, is_copied)
    worker.send_signal(signal.SIGKILL)
    worker.wait()


def test_the_next_worker_makes_the_clip_of_one_whose_death_was_told(long_group: Group) -> None:
    worker = long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + LONG_S, thumbnail=False)
    kill_at_work(long_group, accepted.id, worker)

    long_group.bus.ask("dispatcher", WorkerLost(worker="export", incarnation=1, signal=signal.SIGKILL))
    long_group.start_export(2)

    assert succeeded_whole(long_group, accepted.id).attempt == 1  # SIGKILL tells not by whom


def test_the_next_worker_makes_the_clip_of_one_that_died_unnoticed(long_group: Group) -> None:
    worker = long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + LONG_S, thumbnail=False)
    kill_at_work(long_group, accepted.id, worker)

    long_group.start_export(2)

    assert succeeded_whole(long_group, accepted.id).attempt == 1  # nobody says that the clip was to blame


def test_a_worker_that_is_stopped_hands_its_clip_to_the_next(long_group: Group) -> None:
    worker = long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + LONG_S, thumbnail=False)
    long_group.ask_until(accepted.id, is_copied)

    worker.terminate()
    assert worker.wait(5.0) == 0
    handed_back = long_group.ask_until(accepted.id, partial(is_in, JobState.QUEUED))
    files = long_group.exports()
    long_group.start_export(2)

    assert (handed_back.attempt, files) == (0, [])
    assert succeeded_whole(long_group, accepted.id).attempt == 1


def test_a_clip_that_is_cancelled_while_it_is_copied_leaves_nothing(long_group: Group) -> None:
    long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + LONG_S)
    long_group.ask_until(accepted.id, is_copied)

    asked_s = time.monotonic()
    long_group.bus.ask("dispatcher", CancelJob(id=accepted.id))
    view = long_group.wait(accepted.id, partial(is_in, JobState.CANCELLED))
    took_s = time.monotonic() - asked_s

    assert view.error is not None
    assert view.error.code == ErrorCode.CANCELLED
    assert long_group.exports() == []
    assert took_s < 1.0
