"""Every way of making a clip through real processes: asked for, killed, cancelled.

FRAMEBUS_PROCESS_CANCELS sets how many are cancelled; the seed is printed, and FRAMEBUS_SEED sets it.
"""

import contextlib
import os
import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw, msgpack

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobState, JobView
from framebus.requests import CancelJob, PlanExport, WorkerLost
from media import make_video
from services.export.exporting import Group
from services.export.looking import look
from services.export.recorded import START_S, record

CANCELS = int(os.environ.get("FRAMEBUS_PROCESS_CANCELS", "8"))
SEED = int(os.environ.get("FRAMEBUS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
MODES: list[dict[str, Any]] = [
    {},
    {"mode": "encode", "preset": "quality"},
    {"mode": "timelapse", "speed": 2},
    {"precise": True},
    {"mode": "timelapse", "speed": 2, "instant": True},
]


def has_ended(view: JobView) -> bool:
    return view.state in FINAL


def is_in_step(step: str, view: JobView) -> bool:
    return view.step == step


def succeeded(group: Group, job_id: str) -> dict[str, Any]:
    """The result of a job that must succeed."""
    view = group.wait(job_id, has_ended)
    assert view.state is JobState.SUCCEEDED, (view, group.log())
    result: dict[str, Any] = msgpack.decode(view.result)
    return result


def test_each_way_of_making_a_clip_is_done_and_clips_of_one_range_get_names_of_their_own(
    group: Group, rich_video: Path
) -> None:
    record(group.place.data, rich_video)
    group.start_export(1)

    accepted = [group.submit(START_S + 3.3, START_S + 9.0, thumbnail=False, **mode) for mode in MODES]
    results = [succeeded(group, job.id) for job in accepted]

    names = [name for result in results for name in result["files"]]
    assert sorted(names) == group.exports()
    assert len(set(names)) == len(MODES)
    shown = [look(group.place.data / "exports" / name).numbers for name in names]
    assert [numbers[0] for numbers in shown] == [30, 33, 30, 33, 30]
    assert [result["encoder"] for result in results] == [None, "libx264", "libx264", None, None]


def test_the_parts_of_a_split_clip_appear_together(group: Group, rich_video: Path, tmp_path: Path) -> None:
    record(group.place.data, rich_video)
    make_video(tmp_path / "wide.mp4", seconds=4, width=640, height=360)
    record(group.place.data, tmp_path / "wide.mp4", start_s=START_S + 12.0)
    group.start_export(1)

    first = succeeded(group, group.submit(START_S + 10.0, START_S + 14.0).id)
    second = succeeded(group, group.submit(START_S + 10.0, START_S + 14.0).id)

    endings = ["my-clip.jpg", "my-clip_part1.mp4", "my-clip_part2.mp4"]
    assert [name.split("_", 4)[4] for name in first["files"]] == endings
    assert [name.split("_", 4)[4] for name in second["files"]] == [
        "my-clip_2.jpg",
        "my-clip_part1_2.mp4",
        "my-clip_part2_2.mp4",
    ]
    assert group.exports() == sorted([*first["files"], *second["files"]])


def test_a_wrong_mix_of_fields_is_refused_when_it_is_submitted(group: Group, rich_video: Path) -> None:
    record(group.place.data, rich_video)

    with pytest.raises(RefusedError, match=r"params.speed is for mode=timelapse only") as caught:
        group.submit(START_S, START_S + 9.0, speed=60)

    assert caught.value.code is ErrorCode.BAD_REQUEST
    assert caught.value.details == {"field": "params.speed"}


def test_a_plan_is_told_at_the_door_of_the_export_service(group: Group, rich_video: Path) -> None:
    record(group.place.data, rich_video)[2].path.unlink()
    group.start_export(1)

    params = {"camera": "front", "start": START_S + 1.3, "end": START_S + 9.0}
    plan = group.bus.ask("export", PlanExport(params=Raw(codec.encode(params))))

    assert plan.start_at_s == pytest.approx(START_S + 1.0)
    assert [(gap.start_at_s, gap.end_at_s) for gap in plan.gaps] == [(START_S + 4.0, START_S + 6.0)]
    assert len(plan.segments) == 4


def test_a_worker_that_is_killed_while_it_encodes_leaves_the_clip_to_the_next(long_group: Group) -> None:
    worker = long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + 200.0, thumbnail=False, mode="encode")
    long_group.ask_until(accepted.id, partial(is_in_step, "encoding"))

    worker.send_signal(signal.SIGKILL)
    worker.wait()
    long_group.bus.ask("dispatcher", WorkerLost(worker="export", incarnation=1, signal=signal.SIGKILL))
    long_group.start_export(2)
    result = succeeded(long_group, accepted.id)

    assert (result["frames"], result["duration_s"]) == (2_000, pytest.approx(200.0))
    assert long_group.exports() == result["files"]


def test_clips_that_are_cancelled_at_random_moments_show_nothing_once_they_are(long_group: Group) -> None:
    print(f"FRAMEBUS_SEED={SEED}")
    chance = random.Random(SEED)
    long_group.start_export(1)

    for number in range(CANCELS):
        mode = MODES[number % len(MODES)]
        accepted = long_group.submit(START_S, START_S + 1_500.0, thumbnail=False, **mode)
        long_group.bus.turn(chance.random() * 0.8)
        with contextlib.suppress(RefusedError):  # too late: it is whole, and gets its name
            long_group.bus.ask("dispatcher", CancelJob(id=accepted.id))
        view = long_group.wait(accepted.id, has_ended)

        expected = msgpack.decode(view.result)["files"] if view.state is JobState.SUCCEEDED else []
        assert long_group.exports() == expected, (mode, view)
        for name in expected:
            (long_group.place.data / "exports" / name).unlink()
        assert view.state in (JobState.CANCELLED, JobState.SUCCEEDED)
