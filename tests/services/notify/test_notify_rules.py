"""Who is told of which object, and when."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framebus.messages import Phase
from framebus.notify_settings import Rule, Target, minutes_of
from framebus_services.notify.rules import MAX_OBJECTS, ObjectRules, is_within
from services.notify.samples_of_notify import NOW_AT_S, object_event

TARGETS = {"phone": Target(url="http://phone/"), "log": Target(url="http://log/")}
VIENNA = ZoneInfo("Europe/Vienna")
MINUTE = st.integers(0, 1_439)


def rules(*rules: Rule) -> ObjectRules:
    return ObjectRules(list(rules), TARGETS, None)


def told(rule: Rule, **changes: object) -> bool:
    return rules(rule).note(object_event(**changes), NOW_AT_S, 100.0) != []


def hours_of(begin: int, end: int) -> str:
    return f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"


def test_a_rule_without_anything_tells_everybody_of_everything() -> None:
    assert rules(Rule()).note(object_event(), NOW_AT_S, 100.0) == ["phone", "log"]


@pytest.mark.parametrize(
    ("rule", "is_told"),
    [
        (Rule(cameras=["front_door"]), True),
        (Rule(cameras=["garden"]), False),
        (Rule(labels=["Person", "car"]), True),
        (Rule(labels=["car"]), False),
        (Rule(zones=["porch", "gate"]), True),
        (Rule(zones=["gate"]), False),
        (Rule(min_score=0.8), True),
        (Rule(min_score=0.81), False),
        (Rule(cameras=["front_door"], labels=["person"], zones=["porch"], min_score=0.5), True),
        (Rule(cameras=["front_door"], labels=["person"], zones=["gate"], min_score=0.5), False),
    ],
    ids=str,
)
def test_a_rule_tells_what_all_of_its_settings_fit(rule: Rule, is_told: bool) -> None:
    assert told(rule, zones=["porch"]) is is_told


def test_an_object_that_fits_only_later_is_told_then_and_once() -> None:
    watching = rules(Rule(to="phone", zones=["porch"], rest_s=0.0))

    first = watching.note(object_event(), NOW_AT_S, 100.0)
    in_zone = watching.note(object_event(phase=Phase.UPDATE, zones=["porch"]), NOW_AT_S, 101.0)
    later = watching.note(object_event(phase=Phase.UPDATE, zones=["porch"]), NOW_AT_S, 200.0)
    end = watching.note(object_event(phase=Phase.END, zones=["porch"]), NOW_AT_S, 201.0)

    assert (first, in_zone, later, end) == ([], ["phone"], [], [])


def test_an_object_of_which_only_the_end_was_heard_is_told() -> None:
    assert rules(Rule(to="phone")).note(object_event(phase=Phase.END), NOW_AT_S, 100.0) == ["phone"]


def test_two_rules_that_fit_one_object_tell_a_target_once() -> None:
    watching = rules(Rule(to="phone", labels=["person"]), Rule(to=["phone", "log"]))

    assert watching.note(object_event(), NOW_AT_S, 100.0) == ["phone", "log"]


def test_a_rule_that_has_told_rests_and_what_came_meanwhile_is_not_told_later() -> None:
    watching = rules(Rule(to="phone", rest_s=30.0))

    at_s = {"a": 100.0, "b": 129.0, "c": 130.0}
    heard = {name: watching.note(object_event(id=name), NOW_AT_S, now_s) for name, now_s in at_s.items()}
    still_there = watching.note(object_event(id="b", phase=Phase.UPDATE), NOW_AT_S, 300.0)

    assert heard == {"a": ["phone"], "b": [], "c": ["phone"]}
    assert still_there == []


def test_a_rest_is_for_one_camera_and_label_alone() -> None:
    watching = rules(Rule(to="phone", rest_s=30.0))

    heard = [
        watching.note(object_event(id=name, camera=camera, label=label), NOW_AT_S, 100.0)
        for name, camera, label in (("a", "front_door", "cat"), ("b", "front_door", "person"), ("c", "garden", "cat"))
    ]

    assert heard == [["phone"]] * 3


def test_what_is_remembered_of_objects_has_a_bound() -> None:
    watching = rules(Rule(to="phone"))

    for number in range(MAX_OBJECTS + 10):
        watching.note(object_event(id=str(number)), NOW_AT_S, 100.0)

    assert len(watching._objects) == MAX_OBJECTS


@given(MINUTE, MINUTE, MINUTE)
def test_a_minute_is_within_hours_or_within_the_rest_of_the_day_and_never_in_both(
    begin: int, end: int, minute: int
) -> None:
    at_s = datetime(2026, 6, 1, minute // 60, minute % 60, tzinfo=UTC).timestamp()

    within = is_within(hours_of(begin, end), at_s, ZoneInfo("UTC"))

    assert minutes_of(hours_of(begin, end)) == (begin, end)
    if begin != end:
        assert within is not is_within(hours_of(end, begin), at_s, ZoneInfo("UTC"))
        assert within is ((minute - begin) % 1_440 < (end - begin) % 1_440)


@pytest.mark.parametrize(
    ("utc", "is_night"),
    [
        ("2026-03-28T20:59", False),  # 21:59 in winter
        ("2026-03-28T21:00", True),
        ("2026-03-29T00:59", True),  # 01:59; the next minute is 03:00 in summer
        ("2026-03-29T03:59", True),
        ("2026-03-29T04:00", False),  # 06:00 in summer
        ("2026-03-29T20:00", True),  # 22:00 in summer
        ("2026-10-25T00:30", True),  # 02:30, the first time
        ("2026-10-25T01:30", True),  # 02:30, the second
        ("2026-10-25T04:59", True),
        ("2026-10-25T05:00", False),  # 06:00 in winter again
    ],
)
def test_hours_go_by_the_clock_on_the_wall_when_summer_begins_and_ends(utc: str, is_night: bool) -> None:
    at_s = datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp()

    assert is_within("22:00-06:00", at_s, VIENNA) is is_night


def test_outside_of_its_hours_a_rule_is_silent_and_tells_when_they_begin_what_is_there_still() -> None:
    watching = ObjectRules([Rule(to="phone", hours="22:00-06:00")], TARGETS, VIENNA)
    before_s = datetime(2026, 6, 1, 21, 59, tzinfo=VIENNA).timestamp()

    before = watching.note(object_event(), before_s, 100.0)
    after = watching.note(object_event(phase=Phase.UPDATE), before_s + 60.0, 160.0)

    assert (before, after) == ([], ["phone"])
