"""Where a detector looks, and which of what it sees is an object: boxes and times in, no model."""

import pytest

from framebus.messages import Box
from framebus.settings import Area
from framebus_services.enrich.sights import LOOK_AGAIN_S, Gaze, Sights
from framebus_services.enrich.tracker import Changes, Detection

SIZE = (640, 360)


class Street:
    """A car before a detector that sees all of it where it is asked."""

    def __init__(self, masks: tuple[Area, ...] = (), gone_s: float = 2.0) -> None:
        self.sights = Sights(size=SIZE, gone_s=gone_s, sure=0.4, masks=masks)
        self.at_s = 100.0
        self.looks = 0
        self.started: list[str] = []
        self.ended: list[str] = []

    def show(
        self, x: float | None, *, moves: bool = True, label: str = "car", score: float = 0.8, step_s: float = 0.2
    ) -> Gaze | None:
        """The next picture, with the car at x."""
        self.at_s += step_s
        motion = [Box(x=round(x), y=100, width=60, height=40)] if moves and x is not None else []
        gaze = self.sights.gaze(motion, self.at_s)
        if gaze is not None:
            self.looks += 1
            seen = [] if x is None else [Detection(box=(x, 100.0, 60.0, 40.0), score=score, label=label)]
            self._take(self.sights.see(seen, gaze, self.at_s))
        return gaze

    def _take(self, changes: Changes) -> None:
        self.started += [track.label for track in changes.started]
        self.ended += [track.label for track in changes.ended]

    def drive(self, *, until: int = 200) -> None:
        for x in range(0, until, 20):
            self.show(x)


def test_a_thing_that_moves_is_an_object_with_its_label() -> None:
    street = Street()

    street.drive()

    assert (street.started, street.ended) == (["car"], [])


def test_a_picture_without_motion_and_objects_is_not_looked_at() -> None:
    street = Street()

    assert [street.show(None) for _ in range(10)] == [None] * 10


def test_what_only_stands_there_is_no_object_whoever_walks_by() -> None:
    street = Street()

    for _ in range(20):
        street.show(300.0)  # motion over it, but it does not move

    assert street.started == []


def test_a_car_that_parks_does_not_end_and_is_looked_at_now_and_then() -> None:
    street = Street()
    street.drive()
    street.looks = 0

    for _ in range(int(60.0 / 0.2)):
        street.show(180.0, moves=False)

    assert street.ended == []
    assert street.looks == pytest.approx(3 + 2 * 60.0 / LOOK_AGAIN_S, abs=4)


def test_a_parked_car_that_leaves_ends_once_and_after_a_while_it_is_gone() -> None:
    street = Street()
    street.drive()
    for _ in range(100):
        street.show(180.0, moves=False)

    for x in range(180, 700, 40):
        street.show(float(x))
    for _ in range(20):
        street.show(None)

    assert (street.started, street.ended) == (["car"], ["car"])


def test_a_parked_car_that_is_gone_unseen_ends_after_the_next_look() -> None:
    street = Street()
    street.drive()
    for _ in range(50):
        street.show(180.0, moves=False)

    for _ in range(int((LOOK_AGAIN_S + 3.0) / 0.2)):
        street.show(None)

    assert street.ended == ["car"]
    assert street.show(None) is None


def test_one_look_that_misses_a_parked_car_does_not_end_it() -> None:
    street = Street()
    street.drive()
    for number in range(300):
        street.show(None if number % 50 == 49 else 180.0, moves=False)

    assert street.ended == []


def test_motion_elsewhere_costs_a_parked_car_nothing() -> None:
    street = Street()
    street.drive()
    for _ in range(5):
        street.show(180.0, moves=False)

    for number in range(300):  # a person far away; the detector looks only there
        street.at_s += 0.2
        gaze = street.sights.gaze([Box(x=500, y=300, width=20, height=40)], street.at_s)
        assert gaze is not None
        asked = len(gaze.boxes) > 1
        car = [Detection(box=(180.0, 100.0, 60.0, 40.0), score=0.8, label="car")] if asked else []
        person = Detection(box=(500.0 + number % 2, 300.0, 20.0, 40.0), score=0.8, label="person")
        street._take(street.sights.see([person, *car], gaze, street.at_s))

    assert street.ended == []


def test_the_label_is_that_of_most_sights_not_of_one() -> None:
    street = Street()
    for number, x in enumerate(range(0, 400, 20)):
        street.show(float(x), label="truck" if number % 4 == 0 else "car")

    assert street.started == ["car"]
    assert street.sights._tracker.tracks[0].label == "car"
    assert len(street.sights._tracker.tracks) == 1


def test_a_doubtful_sight_keeps_an_object_alive_but_begins_none() -> None:
    street = Street()
    for x in range(0, 200, 20):
        street.show(float(x), score=0.3)
    began = list(street.started)

    street.drive()
    for x in range(200, 600, 20):
        street.show(float(x), score=0.3)

    assert (began, street.started, street.ended) == ([], ["car"], [])


def test_what_stands_behind_a_mask_begins_no_object_but_one_may_pass_it() -> None:
    left = Area(points=[(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)])
    street = Street(masks=(left,))
    for x in range(0, 240, 20):
        street.show(float(x))
    began = list(street.started)

    for x in range(240, 500, 20):
        street.show(float(x))
    for x in range(500, 100, -20):
        street.show(float(x))

    assert (began, street.started, street.ended) == ([], ["car"], [])


def test_what_drives_off_ends_though_news_of_a_look_is_late() -> None:
    street = Street()
    street.drive(until=400)
    gazes = []
    for _ in range(14):
        street.at_s += 0.2
        gazes.append((street.sights.gaze([], street.at_s), street.at_s))

    for gaze, at_s in (gazes[4], gazes[-1]):
        assert gaze is not None
        street._take(street.sights.see([], gaze, at_s))

    assert street.ended == ["car"]
