"""The linger processor: who stays for long is told once, and again only after leaving."""

import msgspec
import numpy as np

from framebus.frame import Frame, PixelFormat
from framebus.messages import Box, Finding, ObjectEvent, Phase
from framebus_services.processors.linger import Linger

STEP_S = 0.2


def frame(at_s: float) -> Frame:
    return Frame(
        camera="front",
        number=1,
        epoch=1,
        pts_us=0,
        captured_at_s=1_790_000_000.0,
        captured_boot_ns=int(at_s * 1e9),
        width=16,
        height=16,
        pixel_format=PixelFormat.GRAY8,
        payload=np.zeros(256, np.uint8),
    )


def seen(zones: list[str], *, id: str = "a", label: str = "person") -> ObjectEvent:
    return ObjectEvent(
        camera="front",
        id=id,
        phase=Phase.UPDATE,
        label=label,
        score=0.9,
        box=Box(x=1, y=2, width=3, height=4),
        since_at_s=1_790_000_000.0,
        captured_at_s=1_790_000_000.0,
        number=1,
        zones=zones,
    )


def watched(linger: Linger, *, start_s: float, seconds: float, object: ObjectEvent) -> list[Finding]:
    """What it finds while an object is seen five times a second."""
    steps = range(round(seconds / STEP_S) + 1)
    return [found for step in steps for found in linger.process_object(object, frame(start_s + step * STEP_S))]


def test_who_stays_in_a_zone_is_told_once_with_the_seconds() -> None:
    found = watched(Linger(after_s=5.0, zones=["door"]), start_s=100, seconds=60, object=seen(["door"]))

    assert [(each.label, each.value, each.object_id) for each in found] == [("door", 5.0, "a")]
    assert msgspec.msgpack.decode(found[0].data) == {"object": "person"}


def test_who_goes_on_in_time_is_not_told() -> None:
    linger = Linger(after_s=5.0, zones=["door"])

    found = watched(linger, start_s=100, seconds=4, object=seen(["door"]))
    found += watched(linger, start_s=104.2, seconds=60, object=seen([]))

    assert found == []


def test_who_left_and_comes_back_is_told_again_after_the_time() -> None:
    linger = Linger(after_s=5.0, zones=["door"])
    watched(linger, start_s=100, seconds=10, object=seen(["door"]))
    watched(linger, start_s=110.2, seconds=3, object=seen([]))

    found = watched(linger, start_s=120, seconds=10, object=seen(["door"]))

    assert [each.value for each in found] == [5.0]


def test_a_box_that_trembles_at_the_border_has_not_left() -> None:
    linger = Linger(after_s=5.0, zones=["door"])

    found = [
        each
        for step in range(100)
        for each in linger.process_object(seen(["door"] if step % 3 else []), frame(100 + step * STEP_S))
    ]

    assert len(found) == 1


def test_who_is_hidden_for_a_while_has_not_left() -> None:
    linger = Linger(after_s=8.0, zones=["door"])
    watched(linger, start_s=100, seconds=2, object=seen(["door"]))

    found = watched(linger, start_s=107, seconds=10, object=seen(["door"]))

    assert [each.value for each in found] == [8.0]


def test_each_zone_is_counted_by_itself() -> None:
    linger = Linger(after_s=5.0, zones=["door", "drive"])
    watched(linger, start_s=100, seconds=3, object=seen(["drive", "street"]))

    found = watched(linger, start_s=103.2, seconds=10, object=seen(["door", "drive", "street"]))

    assert [each.label for each in found] == ["drive", "door"]


def test_without_zones_the_whole_picture_counts() -> None:
    linger = Linger(after_s=5.0)
    watched(linger, start_s=100, seconds=3, object=seen(["drive"]))

    found = watched(linger, start_s=103.2, seconds=10, object=seen([]))

    assert [(each.label, each.value) for each in found] == [("anywhere", 5.0)]


def test_only_objects_with_the_wanted_labels_count() -> None:
    linger = Linger(after_s=5.0, labels=["person"])

    assert watched(linger, start_s=100, seconds=10, object=seen([], label="cat")) == []
    assert len(watched(linger, start_s=100, seconds=10, object=seen([]))) == 1


def test_objects_are_told_apart_and_forgotten_when_they_end() -> None:
    linger = Linger(after_s=5.0)
    first = watched(linger, start_s=100, seconds=6, object=seen([], id="a"))
    second = watched(linger, start_s=100, seconds=6, object=seen([], id="b"))
    linger.expire_object("a", "front")

    again = watched(linger, start_s=200, seconds=4, object=seen([], id="a"))

    assert [each.object_id for each in first + second + again] == ["a", "b"]
