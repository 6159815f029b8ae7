"""The tracker: numbers that stay, against things that move as known."""

import numpy as np
import pytest

from framebus_services.enrich.tracker import MAX_TRACKS, Changes, Detection, Tracker
from services.enrich.scenes import Thing, Verdict, judge, line

STEP_S = 0.2


def at(x: float, y: float = 100.0, *, score: float = 0.9, label: str = "car", side: float = 60.0) -> Detection:
    return Detection(box=(x, y, side, side), score=score, label=label)


def shown(tracker: Tracker, *pictures: list[Detection], start_s: float = 0.0) -> list[Changes]:
    return [tracker.update(seen, start_s + number * STEP_S) for number, seen in enumerate(pictures)]


def numbers(changes: list[Changes], what: str) -> list[list[int]]:
    return [[track.number for track in getattr(change, what)] for change in changes]


def test_an_object_starts_when_it_was_seen_three_times() -> None:
    changes = shown(Tracker(), *[[at(10 * step)] for step in range(5)])

    assert numbers(changes, "started") == [[], [], [1], [], []]
    assert numbers(changes, "seen") == [[], [], [], [1], [1]]


def test_what_is_seen_once_or_twice_never_was_an_object() -> None:
    changes = shown(Tracker(gone_s=0.5), [at(0)], [at(5)], *[[]] * 10)

    assert not any(change.started or change.seen or change.ended for change in changes)


def test_an_object_that_is_not_seen_for_gone_s_has_ended_once() -> None:
    tracker = Tracker(gone_s=0.9)
    shown(tracker, *[[at(10 * step)] for step in range(3)])

    changes = shown(tracker, *[[]] * 10, start_s=0.6)

    assert numbers(changes, "ended") == [[]] * 4 + [[1]] + [[]] * 5
    assert tracker.tracks == []


def test_an_object_that_has_ended_tells_where_and_when_it_was_last_seen() -> None:
    tracker = Tracker(gone_s=1.0)
    shown(tracker, *[[at(100 + 10 * step)] for step in range(5)])

    ended = tracker.update([], 5.0).ended[0]

    assert ended.seen_s == pytest.approx(4 * STEP_S)
    assert ended.first_s == 0.0
    assert ended.box == pytest.approx((140, 100, 60, 60), abs=3)


def test_an_object_keeps_its_number_through_a_gap_in_which_it_goes_on() -> None:
    tracker = Tracker(gone_s=2.0)
    shown(tracker, *[[at(20 * step)] for step in range(10)])

    changes = shown(tracker, *[[]] * 4, *[[at(20 * (14 + step))] for step in range(3)], start_s=2.0)

    assert numbers(changes, "seen")[-3:] == [[1]] * 3
    assert not any(change.started for change in changes)


def test_a_doubtful_sight_keeps_an_object_alive_but_begins_none() -> None:
    tracker = Tracker(gone_s=1.0)
    shown(tracker, *[[at(10 * step)] for step in range(3)])

    doubtful = [[at(30 + 10 * step, score=0.2), at(500, score=0.2)] for step in range(10)]
    changes = shown(tracker, *doubtful, start_s=0.6)

    assert numbers(changes, "seen") == [[1]] * 10
    assert [track.number for track in tracker.tracks] == [1]


def test_a_sure_sight_is_matched_before_a_doubtful_one_that_lies_closer() -> None:
    tracker = Tracker()
    shown(tracker, *[[at(100)] for _ in range(4)])

    tracker.update([at(100, score=0.3), at(115, score=0.9)], 0.8)

    assert [track.number for track in tracker.tracks] == [1]
    assert tracker.tracks[0].box[0] > 105


def test_of_two_objects_that_fit_the_one_that_was_there_just_now_gets_the_sight() -> None:
    tracker = Tracker()
    shown(tracker, *[[at(100), at(145)] for _ in range(4)])
    shown(tracker, *[[at(145)]] * 3, start_s=0.8)  # the other one is hidden

    changes = shown(tracker, [at(124)], start_s=1.4)

    assert numbers(changes, "seen") == [[2]]


def test_things_with_other_labels_are_other_objects() -> None:
    changes = shown(Tracker(), *[[at(0, label="car"), at(0, label="person")] for _ in range(3)])

    assert sorted(track.label for track in changes[-1].started) == ["car", "person"]


def test_the_score_of_an_object_is_the_highest() -> None:
    tracker = Tracker()

    shown(tracker, [at(0, score=0.6)], [at(0, score=0.8)], [at(0, score=0.7)])

    assert tracker.tracks[0].score == 0.8


def test_what_stays_in_its_place_starts_only_when_it_moves() -> None:
    tracker = Tracker(moved=0.5)

    standing = shown(tracker, *[[at(100 + step % 2)] for step in range(20)])
    moving = shown(tracker, *[[at(100 + 15 * step)] for step in range(6)], start_s=4.0)

    assert not any(change.started for change in standing)
    assert [started for started in numbers(moving, "started") if started] == [[1]]


def test_a_time_that_goes_back_is_no_error() -> None:
    tracker = Tracker()

    changes = [tracker.update([at(10 * step)], at_s) for step, at_s in enumerate((5.0, 5.0, 3.0, 5.2))]

    assert numbers(changes, "started") == [[], [], [1], []]
    assert np.isfinite(tracker.speeds).all()


def test_there_are_never_more_tracks_than_the_bound() -> None:
    tracker = Tracker()

    shown(tracker, *[[at(100 * n % 5_000, 100 * (n // 50)) for n in range(200)]] * 3)

    assert len(tracker.tracks) == MAX_TRACKS


def test_a_track_that_is_dropped_is_told_only_if_it_was_an_object() -> None:
    tracker = Tracker()
    shown(tracker, [at(0)], [at(0)], [at(0), at(500)])

    dropped = tracker.drop({1, 2})

    assert [track.number for track in dropped] == [1]
    assert tracker.tracks == []


ROWS = [Thing(place=line(100 + 200 * (n % 5), 60 + 150 * (n // 5), 20 + 8 * (n % 5), 5)) for n in range(20)]
CROSSING = [Thing(place=line(100, 300, 60, 0)), Thing(place=line(700, 330, -60, 0))]
CORNERS = [Thing(place=line(100, 100, 50, 30)), Thing(place=line(700, 100, -50, 30))]
OVERTAKING = [Thing(place=line(200, 300, 30, 0)), Thing(place=line(60, 320, 80, 0))]


@pytest.mark.parametrize(
    ("name", "verdict", "objects"),
    [
        ("20 in rows, noise", judge(ROWS, seconds=10, noise=3), 20),
        ("20 in rows, a tenth missed", judge(ROWS, seconds=10, noise=3, missed=0.1), 20),
        ("crossing, all seen", judge(CROSSING, seconds=10, noise=3), 2),
        ("crossing, hidden behind", judge(CROSSING, seconds=10, noise=3, hidden=0.2), 2),
        ("crossing, a tenth missed", judge(CROSSING, seconds=10, noise=3, missed=0.1, hidden=0.2), 2),
        ("crossing at a corner", judge(CORNERS, seconds=10, noise=3, hidden=0.2), 2),
        ("overtaking", judge(OVERTAKING, seconds=8, noise=3, hidden=0.3), 2),
        ("false alarms", judge(CROSSING, seconds=10, noise=3, false_alarms=2), 2),
        ("25 a second", judge(CROSSING, seconds=10, fps=25, noise=3, missed=0.1, hidden=0.2), 2),
        ("1 a second, fast", judge(CROSSING, seconds=10, fps=1, noise=3), 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_things_keep_their_numbers(name: str, verdict: Verdict, objects: int) -> None:
    print(f"{name}: {verdict}")

    assert verdict.switches == 0
    assert verdict.objects == objects
    assert verdict.seen > 0.7


def test_a_crowd_that_crosses_with_gaps_switches_seldom() -> None:
    verdicts = []
    for seed in range(10):
        chance = np.random.default_rng(seed)
        crowd = [
            Thing(place=line(*chance.uniform((100, 100), (1_100, 600)), *chance.uniform(-60, 60, 2)), size=(40, 80))
            for _ in range(12)
        ]
        verdicts.append(judge(crowd, seconds=10, noise=3, missed=0.1, hidden=0.4, seed=seed))

    switches = sum(verdict.switches for verdict in verdicts)
    print(f"12 people, 10 scenes of 10 s, a tenth missed, hidden behind each other: {switches} switches of 120 people")
    assert switches <= 25
    assert all(verdict.seen > 0.7 for verdict in verdicts)
