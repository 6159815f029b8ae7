"""The best_shot processor: one picture an object, the largest, sharpest and most whole one."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from framebus.frame import U8, Frame, PixelFormat
from framebus.messages import Box, ObjectEvent, Phase
from framebus.processor import Found, Pictured
from framebus.ring import RingReader, RingWriter
from framebus_services.processors.best_shot import MAX_OBJECTS, BestShot

WIDTH, HEIGHT = 640, 360
GREY = 110


def painted(box: Box, *, blur: float = 0.0) -> U8:
    """A grey picture with a chequered object in this place."""
    across, down = np.meshgrid(np.arange(box.width), np.arange(box.height))
    chequers = np.where((across // 8 + down // 8) % 2, 220, 40).astype(np.uint8)
    luma = np.full((HEIGHT, WIDTH), GREY, np.uint8)
    luma[box.y : box.y + box.height, box.x : box.x + box.width] = (
        cv2.GaussianBlur(chequers, (0, 0), blur) if blur else chequers
    )
    return luma


def frame(luma: U8, *, number: int = 1, pixel_format: PixelFormat = PixelFormat.I420) -> Frame:
    payload = {
        PixelFormat.I420: lambda: np.concatenate((luma.ravel(), np.full(luma.size // 2, 128, np.uint8))),
        PixelFormat.BGR24: lambda: np.repeat(luma.ravel(), 3),
        PixelFormat.GRAY8: lambda: luma.ravel(),
        PixelFormat.GRAY16: lambda: np.repeat(luma.ravel(), 2),
        PixelFormat.BAYER_RGGB8: lambda: luma.ravel(),
    }[pixel_format]()
    return Frame(
        camera="front",
        number=number,
        epoch=1,
        pts_us=0,
        captured_at_s=1_790_000_000.0 + number,
        captured_boot_ns=number * 10**9,
        width=luma.shape[1],
        height=luma.shape[0],
        pixel_format=pixel_format,
        payload=payload,
    )


def seen(box: Box, *, id: str = "a", label: str = "car") -> ObjectEvent:
    return ObjectEvent(
        camera="front",
        id=id,
        phase=Phase.UPDATE,
        label=label,
        score=0.9,
        box=box,
        since_at_s=1_790_000_000.0,
        captured_at_s=1_790_000_000.0,
        number=1,
    )


def offer(best: BestShot, object: ObjectEvent, in_frame: Frame) -> bool:
    """Let it look at an object as enrich does; returns whether there was a task."""
    task = best.defer_object(object, in_frame)
    if task is not None:
        assert list(best.process_task(task)) == []
    return task is not None


def ended(best: BestShot, id: str = "a") -> Pictured | None:
    told: list[Found] = list(best.expire_object(id, "front"))
    assert all(isinstance(each, Pictured) for each in told)
    return told[0] if told else None  # type: ignore[return-value]


def decoded(shot: Pictured | None) -> U8:
    assert shot is not None
    return np.asarray(cv2.imdecode(np.frombuffer(shot.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


SMALL, LARGE = Box(x=100, y=100, width=48, height=48), Box(x=300, y=120, width=96, height=96)


def test_of_a_small_and_a_large_picture_the_large_one_is_told_when_the_object_ends() -> None:
    best = BestShot()
    for number, box in enumerate((SMALL, LARGE, SMALL), start=1):
        offer(best, seen(box), frame(painted(box), number=number))

    shot = ended(best)

    assert shot is not None
    finding = shot.finding
    assert (finding.processor, finding.camera, finding.label, finding.object_id) == ("best_shot", "front", "car", "a")
    assert (finding.number, finding.captured_at_s, finding.box) == (2, 1_790_000_002.0, LARGE)
    assert ended(best) is None


def test_of_a_sharp_and_a_blurred_picture_the_sharp_one_is_told() -> None:
    best = BestShot()
    for number, blur in enumerate((4.0, 0.0, 4.0), start=1):
        offer(best, seen(LARGE), frame(painted(LARGE, blur=blur), number=number))

    shot = ended(best)

    assert shot is not None
    assert shot.finding.number == 2


@pytest.mark.parametrize("gap", [0, 8])
def test_a_whole_object_is_better_than_one_that_the_edge_cuts_off(gap: int) -> None:
    best = BestShot()
    edge = Box(x=WIDTH - 100 - gap, y=120, width=100, height=96)  # the box of a tracker follows a little behind
    for number, box in enumerate((edge, LARGE, edge), start=1):
        offer(best, seen(box), frame(painted(box), number=number))

    shot = ended(best)

    assert shot is not None
    assert shot.finding.number == 2


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_the_picture_shows_the_object_whole_with_a_margin_in_every_format(pixel_format: PixelFormat) -> None:
    best = BestShot(margin=0.25)
    offer(best, seen(LARGE), frame(painted(LARGE), pixel_format=pixel_format))

    picture = decoded(ended(best)).astype(int)

    assert picture.shape == (96 + 2 * 24, 96 + 2 * 24)
    differs = np.argwhere(np.abs(picture - np.median(picture[:8])) > 40)
    assert differs.min(axis=0) == pytest.approx((24, 24), abs=2)
    assert differs.max(axis=0) == pytest.approx((119, 119), abs=2)


def test_a_large_object_is_shown_at_most_so_large() -> None:
    best = BestShot(max_side=200)
    box = Box(x=20, y=20, width=600, height=300)
    offer(best, seen(box), frame(painted(box)))

    assert decoded(ended(best)).shape == (112, 200)


def test_a_picture_that_is_hardly_better_is_not_even_copied() -> None:
    best = BestShot()

    offered = [offer(best, seen(LARGE), frame(painted(LARGE), number=number)) for number in range(1, 10)]

    assert offered == [True] + [False] * 8


def test_an_object_whose_best_picture_the_queue_dropped_still_gets_one() -> None:
    best = BestShot()
    assert best.defer_object(seen(LARGE), frame(painted(LARGE))) is not None  # and nobody works on it

    offered = [offer(best, seen(LARGE), frame(painted(LARGE), number=number)) for number in range(2, 40)]

    assert any(offered)
    assert ended(best) is not None


def test_only_objects_with_the_wanted_labels_get_a_picture() -> None:
    best = BestShot(labels=["person"])

    assert not offer(best, seen(LARGE, label="car"), frame(painted(LARGE)))
    assert offer(best, seen(LARGE, label="person"), frame(painted(LARGE)))


def test_a_frame_that_the_writer_took_back_gives_no_picture() -> None:
    best = BestShot()
    torn = replace(frame(painted(LARGE)), validity=lambda payload: False)

    assert not offer(best, seen(LARGE), torn)
    assert ended(best) is None


def test_the_picture_is_a_copy_that_the_ring_may_overwrite(tmp_path: Path) -> None:
    best = BestShot()
    writer = RingWriter.create(
        tmp_path / "a.ring", width=WIDTH, height=HEIGHT, pixel_format=PixelFormat.GRAY8, epoch=1, slots=4
    )
    number = writer.write(painted(LARGE), pts_us=0, captured_at_s=1.0, captured_boot_ns=1)
    with RingReader.open(writer.path) as ring:
        in_ring = ring.read(number, camera="front")
        assert in_ring is not None
        task = best.defer_object(seen(LARGE), in_ring)
        assert task is not None
        for _ in range(8):
            writer.write(np.zeros((HEIGHT, WIDTH), np.uint8), pts_us=0, captured_at_s=1.0, captured_boot_ns=1)
        list(best.process_task(task))
    writer.close()

    assert decoded(ended(best)).max() > 200


def test_what_is_there_at_the_end_of_the_service_is_told() -> None:
    best = BestShot()
    for id in "ab":
        offer(best, seen(LARGE, id=id), frame(painted(LARGE)))

    told = [shot.finding.object_id for shot in best.shutdown()]

    assert told == ["a", "b"]
    assert best.shutdown() == []


def test_objects_whose_end_is_never_told_do_not_fill_the_memory() -> None:
    best = BestShot()
    picture = frame(painted(LARGE))

    def show(objects: range) -> None:
        for number in objects:
            offer(best, seen(LARGE, id=str(number)), picture)

    show(range(MAX_OBJECTS))
    tracemalloc.start()
    try:
        show(range(MAX_OBJECTS, 3 * MAX_OBJECTS))  # as large as those that go
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.clear_traces()
        show(range(3 * MAX_OBJECTS, 5 * MAX_OBJECTS))
        again, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert again < 1.2 * grown + 100_000
    assert len(best.shutdown()) == MAX_OBJECTS
