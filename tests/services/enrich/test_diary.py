"""What is written of a camera's picture, and what is left unknown."""

import pytest

from framebus.messages import Box, ObjectEvent, Phase
from framebus.shown import SLOT_S, Shown, slot_of
from framebus_services.enrich.diary import STANDS_S, Diary
from framebus_services.enrich.motion import STILL, Motion

NOON_S = 1_790_078_400.0
HERE, THERE = Box(x=10, y=10, width=40, height=40), Box(x=300, y=200, width=40, height=40)
MOVES = Motion(boxes=[HERE], parts=[], area=0.01)
LIGHT = Motion(boxes=[], parts=[], area=0.95)


def someone(box: Box = HERE, since_at_s: float = NOON_S) -> ObjectEvent:
    return ObjectEvent(
        camera="front",
        id=f"{round(since_at_s * 1_000):013d}-c0ffee",
        phase=Phase.START,
        label="person",
        score=0.9,
        box=box,
        since_at_s=since_at_s,
        captured_at_s=since_at_s,
        number=1,
        width=640,
        height=360,
    )


class Watched:
    """A camera of five frames a second; what it showed by the number of the slot since noon."""

    def __init__(self) -> None:
        self.written: dict[int, Shown] = {}
        self.diary = Diary(self._write)

    def _write(self, slot: int, shown: Shown) -> None:
        slot -= slot_of(NOON_S)
        self.written[slot] = max(shown, self.written.get(slot, Shown.UNKNOWN))

    def watch(
        self,
        start_s: float,
        end_s: float,
        motion: Motion = STILL,
        objects: tuple[ObjectEvent, ...] = (),
        *,
        is_certain: bool = True,
        step_s: float = 0.2,
    ) -> None:
        at_s = start_s
        while at_s < end_s - 1e-6:
            self.diary.note(NOON_S + at_s, motion, objects, is_certain=is_certain)
            at_s += step_s


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_only_what_was_watched_from_begin_to_end_is_written(watched: Watched) -> None:
    watched.watch(2.0, 21.0)
    watched.watch(30.0, 41.0)

    assert watched.written == dict.fromkeys([1, 2, 3, 7], Shown.NOTHING)


def test_motion_counts_for_the_five_seconds_that_it_is_in_and_so_does_a_light_that_is_switched(
    watched: Watched,
) -> None:
    watched.watch(0.0, 7.0)
    watched.watch(7.0, 7.2, MOVES)
    watched.watch(7.2, 16.0)
    watched.watch(16.0, 16.2, LIGHT)
    watched.watch(16.2, 26.0)

    assert [watched.written[slot] for slot in (1, 2, 3, 4)] == [
        Shown.MOTION,
        Shown.NOTHING,
        Shown.MOTION,
        Shown.NOTHING,
    ]


def test_an_object_counts_while_it_moves_and_a_while_after_then_it_is_part_of_the_picture(watched: Watched) -> None:
    watched.watch(0.0, 5.0)
    watched.watch(5.0, 10.0, MOVES, (someone(HERE),))
    watched.watch(10.0, 80.0, Motion(boxes=[THERE], parts=[], area=0.01), (someone(HERE),))

    objects = {slot for slot, shown in watched.written.items() if shown is Shown.OBJECT}
    assert objects == set(range(1, 2 + round(STANDS_S / SLOT_S)))
    assert watched.written[9] is Shown.MOTION


def test_an_object_counts_from_when_it_was_first_seen_though_it_was_known_to_be_one_later(watched: Watched) -> None:
    watched.watch(0.0, 28.0, MOVES)

    watched.diary.note_start(someone(since_at_s=NOON_S + 11.0))
    watched.watch(28.0, 31.0)

    assert [watched.written[slot] for slot in range(1, 6)] == [Shown.MOTION] + [Shown.OBJECT] * 4


def test_while_the_detector_fails_what_moves_is_unknown_and_what_does_not_is_nothing(watched: Watched) -> None:
    watched.watch(0.0, 10.0, is_certain=False)
    watched.watch(10.0, 15.0, MOVES, is_certain=False)
    watched.watch(15.0, 21.0, is_certain=False)

    assert watched.written == {1: Shown.NOTHING, 3: Shown.NOTHING}


@pytest.mark.parametrize("jump_s", [-3_600.0, -0.5, 30.0])
def test_a_clock_that_jumps_leaves_the_slot_that_it_jumps_in_unknown(watched: Watched, jump_s: float) -> None:
    watched.watch(0.0, 12.0)
    watched.watch(12.0 + jump_s, 17.0 + jump_s + SLOT_S)

    landed = slot_of(NOON_S + 12.0 + jump_s) - slot_of(NOON_S)
    assert watched.written.keys() & {2, landed} == set()
    assert watched.written[1] is watched.written[landed + 1] is Shown.NOTHING


def test_a_camera_whose_pictures_come_too_seldom_is_not_watched(watched: Watched) -> None:
    watched.watch(0.0, 100.0, step_s=6.0)

    assert watched.written == {}
