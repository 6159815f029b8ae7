"""Objects with labels: from pixels in a ring through a model in a process of its own to news and lines on disk."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import Raw

from framebus import codec
from framebus.detector_settings import Layout
from framebus.events import Ending
from framebus.messages import ConfigChanged, Phase
from services.enrich.detecting import EMPTY, Post, toy

ROAD = {"points": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]}
LEFT = {"points": [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]}


class Posts:
    made: ClassVar[list[Post]] = []


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fb") as name:
        yield Path(name)
        for post in Posts.made:
            post.enrich.stop()
        Posts.made.clear()


def post_with(folder: Path, detector: dict[str, Any], *cameras: str, **settings: Any) -> Post:
    post = Post(folder, detector, *cameras, **settings)
    Posts.made.append(post)
    return post


@pytest.fixture
def post(folder: Path) -> Post:
    made = post_with(folder, toy(folder))
    made.await_working()
    made.show(None)
    return made


@pytest.mark.parametrize("layout", [Layout.YOLO8, Layout.ROWS, Layout.CENTERNET])
def test_an_object_starts_moves_and_ends_with_its_label(folder: Path, layout: Layout) -> None:
    post = post_with(folder, toy(folder, layout))
    post.await_working()
    post.show(None)

    post.drive(*range(0, 540, 40))
    for _ in range(12):
        post.show(None)
    post.wait(lambda: post.labels(Phase.END), "the end")

    assert post.labels(Phase.START) == ["car"]
    assert post.labels(Phase.END) == ["car"]
    assert len({event.id for event in post.told}) == 1


def test_boxes_are_those_of_the_model_and_times_those_of_the_frame(post: Post) -> None:
    post.drive(*range(0, 400, 40))
    post.bus.advance(1.0)

    start, *_, last = post.told
    assert (last.box.y, last.box.width, last.box.height) == pytest.approx((120, 90, 60), abs=3)
    assert last.box.x == pytest.approx(360, abs=6)
    assert start.captured_at_s - start.since_at_s == pytest.approx(0.4, abs=0.01)
    assert last.score == pytest.approx(0.9, abs=0.01)
    assert last.number == 11


def test_what_is_higher_than_wide_is_a_person(post: Post) -> None:
    post.drive(*range(0, 200, 20), size=(40, 100))

    assert post.labels(Phase.START) == ["person"]


def test_a_picture_in_which_nothing_moves_is_not_looked_at(post: Post) -> None:
    for _ in range(10):
        post.show(None)

    assert post.looks() == 0


def test_what_has_ended_is_on_disk_with_label_zone_and_picture(folder: Path) -> None:
    post = post_with(folder, toy(folder), zones={"road": ROAD})
    post.await_working()
    post.show(None)
    post.drive(*range(0, 400, 40))

    kept = post.kept()

    assert [(event.label, event.zones, event.ending) for event in kept] == [("car", ["road"], Ending.STOPPED)]
    assert kept[0].picture is not None
    assert (folder / "data" / kept[0].picture).read_bytes().startswith(b"\xff\xd8")


def test_what_stands_behind_a_mask_begins_no_object(folder: Path) -> None:
    post = post_with(folder, toy(folder), masks=[LEFT])
    post.await_working()
    post.show(None)
    for left in range(0, 200, 40):
        post.show(left)

    assert post.labels(Phase.START) == []


def test_each_camera_gets_its_turn_and_its_own_objects(folder: Path) -> None:
    post = post_with(folder, toy(folder), "front", "back")
    post.await_working()
    post.show(None)
    post.show(None, camera="back")

    for left in range(0, 200, 40):
        post.drive(left)
        post.drive(left, size=(40, 100), camera="back")

    assert (post.labels(Phase.START), post.labels(Phase.START, "back")) == (["car"], ["person"])


def test_looks_labels_and_latencies_are_told(post: Post) -> None:
    post.drive(*range(0, 200, 40))

    stats = post.bus.stats.read()
    assert stats.counters["detections.car"] == stats.counters["detector.looks.front"] == 5
    assert stats.latencies["detector.run"].p50_ms > 0.0
    assert "detector.front" in stats.latencies
    assert stats.gauges["detector.working"] == 1.0


def test_the_newest_frame_wins_while_the_model_is_slow(folder: Path) -> None:
    post = post_with(folder, toy(folder, loops=10), "front", "back")
    post.await_working()
    post.show(None)
    post.show(None, camera="back")

    for left in range(0, 400, 40):  # nobody waits for the model
        post.show(left)
    post.show(0, camera="back")
    post.wait(lambda: post.looks("back"), "a look at the other camera")

    counters = post.bus.stats.counters
    assert counters["detector.dropped.replaced.front"] >= 5
    assert counters["frames.front"] == 11


def test_a_frame_that_waited_too_long_is_not_looked_at(folder: Path) -> None:
    post = post_with(folder, {**toy(folder, loops=10), "max_age_s": 0.3}, "front", "back")
    post.await_working()
    post.show(None)
    post.show(None, camera="back")
    post.show(100)
    post.show(100, camera="back")

    post.bus.advance(5.0)
    post.wait(lambda: post.bus.stats.counters.get("detector.dropped.too_old.back"), "it is dropped")

    assert post.looks("back") == 0


def test_a_camera_whose_masks_change_gets_no_objects_from_before(post: Post) -> None:
    post.drive(0, 40)
    post.show(80)  # this look is under way

    cameras = {"front": {"source": "x", "masks": [LEFT]}}
    post.bus.deliver(ConfigChanged(section="cameras", revision=2, value=Raw(codec.encode(cameras))))
    post.wait(lambda: post.looks() == 3, "the look")

    assert post.told == []


def test_processors_get_objects_where_they_should_be_in_the_frame_at_hand(post: Post) -> None:
    eye, camera = post.enrich._eyes["front"], post.cameras["front"]
    post.drive(*range(0, 320, 40))
    post.bus.advance(0.2)
    camera.show(EMPTY, boot_s=post.bus.clock.boot_s())
    assert eye.ring is not None
    frame = eye.ring.latest(camera="front")
    assert frame is not None

    objects = [eye.objects.recent(frame), eye.objects.recent(frame)]

    assert [len(some) for some in objects] == [1, 0]
    assert objects[0][0].label == "car"
    assert objects[0][0].number == frame.number
    assert objects[0][0].box.x == pytest.approx(280 + 2 * 40, abs=12)
