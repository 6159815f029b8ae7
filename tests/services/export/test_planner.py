"""`export.plan`: what a clip would contain, asked for before it is made."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from framebus import codec
from framebus.clock import FakeClock
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import CameraState, CameraStatus
from framebus.recordings import closed_name, hour_folder
from framebus.requests import ExportPlan, Gap, PlanExport
from framebus.testing import FakeBus
from framebus.timers import Handler
from framebus_services.export.planner import MAX_WAITING, Planner
from media import make_video
from services.export.clipping import LATER_S, make_clip
from services.export.recorded import START_S, record

LIMIT_S = 20.0


class Asking(FakeBus):
    """A bus that tells when the planner has an answer."""

    def __init__(self, data: Path) -> None:
        super().__init__("export", data=data, clock=FakeClock(wall_s=LATER_S))
        self.is_told = threading.Event()
        self.planner = Planner(self)

    def call_soon(self, handler: Handler) -> None:
        super().call_soon(handler)
        self.is_told.set()

    def begin_plan(self, start: float, end: float, **more: Any) -> Callable[[], tuple[bytes, bytes | None] | None]:
        params = Raw(codec.encode({"camera": "front", "start": start, "end": end, **more}))
        return self.begin_request(PlanExport(params=params))

    def plan(self, start: float, end: float, **more: Any) -> ExportPlan:
        self.is_told.clear()
        take = self.begin_plan(start, end, **more)
        assert self.is_told.wait(LIMIT_S)
        frames = take()
        assert frames is not None
        return codec.decode_body(frames[0], ExportPlan)


@pytest.fixture
def bus(data: Path) -> Iterator[Asking]:
    bus = Asking(data)
    yield bus
    bus.planner.stop()


def test_a_plan_tells_the_segments_and_where_the_clip_begins(bus: Asking, data: Path, rich_video: Path) -> None:
    segments = record(data, rich_video)

    plan = bus.plan(START_S + 3.35, START_S + 7.5)

    assert plan.start_at_s == pytest.approx(START_S + 3.0)
    assert plan.end_at_s == pytest.approx(START_S + 7.5)
    assert [data / each.path for each in plan.segments] == [segment.path for segment in segments[1:4]]
    assert plan.segments[0].size_bytes == segments[1].path.stat().st_size
    assert (plan.more_segments, plan.gaps, plan.parts) == (0, [], 1)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"precise": True},
        {"mode": "encode"},
        {"mode": "timelapse", "speed": 4},
        {"mode": "timelapse", "speed": 4, "instant": True},
    ],
)
def test_a_plan_tells_begin_and_length_of_the_clip_and_about_its_size(
    bus: Asking, data: Path, rich_video: Path, more: dict[str, Any]
) -> None:
    record(data, rich_video)

    plan = bus.plan(START_S + 1.35, START_S + 11.0, **more)
    made = make_clip(data, START_S + 1.35, START_S + 11.0, **more)

    assert plan.start_at_s == pytest.approx(made.result.start_at_s, abs=0.101)
    assert plan.end_at_s == pytest.approx(made.result.end_at_s, abs=0.41)
    assert plan.duration_s == pytest.approx(made.result.duration_s, abs=0.41)
    assert made.result.size_bytes / 3 < plan.size_bytes < made.result.size_bytes * 3


def test_the_size_of_a_copy_is_nearly_right(bus: Asking, data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    plan = bus.plan(START_S + 1.35, START_S + 11.0)
    made = make_clip(data, START_S + 1.35, START_S + 11.0)

    assert plan.size_bytes == pytest.approx(made.result.size_bytes, rel=0.15)


def test_gaps_are_listed_and_not_refused(bus: Asking, data: Path, video: Path) -> None:
    record(data, video)[2].path.unlink()

    plan = bus.plan(START_S, START_S + 12.0)

    assert plan.gaps == [Gap(start_at_s=START_S + 4.0, end_at_s=START_S + 6.0)]


def test_a_plan_tells_of_parts_where_the_picture_changes(bus: Asking, data: Path, video: Path, tmp_path: Path) -> None:
    record(data, video)
    make_video(tmp_path / "large.mp4", seconds=4, width=640, height=480)
    record(data, tmp_path / "large.mp4", start_s=START_S + 12.0)

    assert bus.plan(START_S + 6.0, START_S + 14.0).parts == 2
    assert bus.plan(START_S + 6.0, START_S + 14.0, on_change="encode").parts == 1


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({"end": START_S - 1.0}, ErrorCode.BAD_REQUEST, "start must lie before end"),
        ({"speed": 60}, ErrorCode.BAD_REQUEST, "params.speed is for mode=timelapse only"),
        ({"sped": 60}, ErrorCode.BAD_REQUEST, "params: .*sped"),
        ({"camera": "back"}, ErrorCode.NOT_FOUND, "there is no camera back; known are front, garden"),
        ({"camera": "garden"}, ErrorCode.NO_SOURCE, "garden has no recording from"),
    ],
)
def test_what_the_job_would_be_refused_for_the_plan_is(
    bus: Asking, data: Path, video: Path, params: dict[str, Any], code: ErrorCode, text: str
) -> None:
    record(data, video)
    bus.deliver(CameraStatus(camera="garden", state=CameraState.ONLINE, since_at_s=START_S))

    with pytest.raises(RefusedError, match=text) as caught:
        bus.plan(**{"start": START_S, "end": START_S + 12.0, **params})

    assert caught.value.code is code


def test_a_day_of_segments_is_planned_with_500_of_them_listed(bus: Asking, data: Path, video: Path) -> None:
    one = record(data / "one", video, camera="one")[0]
    for number in range(8_640):
        start_s = LATER_S - 86_400.0 + 10.0 * number
        folder = hour_folder(data, "front", start_s)
        folder.mkdir(parents=True, exist_ok=True)
        os.link(one.path, folder / closed_name(round(start_s * 1_000), 10_000))

    plan = bus.plan(LATER_S - 86_400.0, LATER_S, mode="timelapse", speed=60)

    assert (len(plan.segments), plan.more_segments, plan.gaps) == (500, 8_140, [])
    assert plan.duration_s == pytest.approx(1_440.0)


def test_a_range_of_which_nothing_can_be_read_is_refused(bus: Asking, data: Path, video: Path) -> None:
    for segment in record(data, video):
        segment.path.write_bytes(b"nothing")

    with pytest.raises(RefusedError, match=r"6 segments lie in the range; segment .* can't be read") as caught:
        bus.plan(START_S, START_S + 12.0)

    assert caught.value.code is ErrorCode.NO_SOURCE


class Held(Asking):
    """A bus that takes no answer until it is told to: its planner is busy."""

    def __init__(self, data: Path) -> None:
        self.is_held, self.go_on = threading.Event(), threading.Event()
        super().__init__(data)

    def call_soon(self, handler: Handler) -> None:
        self.is_held.set()
        assert self.go_on.wait(LIMIT_S)
        super().call_soon(handler)


def test_who_asks_while_many_wait_is_told_when_to_ask_again(data: Path, video: Path) -> None:
    record(data, video)
    bus = Held(data)
    bus.begin_plan(START_S, START_S + 12.0)
    assert bus.is_held.wait(LIMIT_S)

    waiting = [bus.begin_plan(START_S, START_S + 12.0) for _ in range(MAX_WAITING)]
    with pytest.raises(RefusedError, match="plans are waiting already; ask again in 1 s") as caught:
        bus.begin_plan(START_S, START_S + 12.0)()
    bus.planner.stop()
    bus.go_on.set()

    assert (caught.value.code, caught.value.retry_after_s) == (ErrorCode.BUSY, 1.0)
    for take in [*waiting, bus.begin_plan(START_S, START_S + 12.0)]:
        with pytest.raises(RefusedError, match="export is stopping"):
            take()
