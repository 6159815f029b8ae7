"""What machines say, as people read it; and what people type."""

from datetime import UTC, datetime

import pytest
import typer

from framebus.messages import END, NAME_PATTERN
from framebus_launcher.words import lasting, moment, parse_duration, parse_moment, plain, soon, span

NOON = datetime(2026, 11, 21, 12, 0, 0)


def test_a_pattern_becomes_words_and_its_field_comes_first() -> None:
    said = f"params: Expected `str` matching regex '{NAME_PATTERN}{END}' - at `$.camera`"

    text = plain(said)

    assert "camera: expected a name of a-z" in text
    assert not set(text) & set("^$\\{}`")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (
            "params: Object contains unknown field `strat`; did you mean start?",
            "there is no strat; did you mean start?",
        ),
        ("params: Object missing required field `end`", "end is missing"),
    ],
)
def test_a_field_that_is_wrong_is_told_without_objects(said: str, text: str) -> None:
    assert plain(said) == f"params: {text}"


def test_times_of_services_become_times_of_this_machine() -> None:
    at_s = datetime(2026, 3, 1, 12, 0, 0).timestamp()
    stamp = f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"

    assert plain(f"nothing from {at_s:.3f} on, nor at {stamp}") == (
        "nothing from 2026-03-01 12:00:00 on, nor at 2026-03-01 12:00:00"
    )


@pytest.mark.parametrize(
    "text", ["job 1795257879ab", "ipc:1234567890", "640x360", "/data/1795257879_1.mp4", "2026-11-21T14:02:11+01:00"]
)
def test_numbers_that_are_no_times_stay_as_they_are(text: str) -> None:
    assert plain(text) == text


def test_a_moment_of_today_has_no_day() -> None:
    now_s = NOON.timestamp()

    assert moment(now_s - 60.0, now_s) == "11:59:00"
    assert moment(now_s - 86_400.0, now_s) == "2026-11-20 12:00:00"


def test_of_a_range_over_midnight_both_ends_have_their_day() -> None:
    now_s = NOON.timestamp()
    midnight_s = now_s - 43_200.0

    assert span(midnight_s - 3.0, midnight_s + 9.0, now_s) == "2026-11-20 23:59:57 to 2026-11-21 00:00:09"
    assert span(midnight_s, midnight_s + 9.0, now_s) == "00:00:00 to 00:00:09"


def test_of_a_refusal_over_midnight_both_times_have_their_day() -> None:
    midnight = datetime.combine(datetime.now(), datetime.min.time())
    ends = [datetime.fromtimestamp(midnight.timestamp() + seconds, UTC) for seconds in (-3.0, 9.0)]

    said = plain(f"front has gaps: {ends[0]:%Y-%m-%dT%H:%M:%SZ} to {ends[1]:%Y-%m-%dT%H:%M:%SZ}")

    assert said.endswith(f"to {midnight:%Y-%m-%d} 00:00:09")


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0.04, "0.04 s"),
        (12.3, "12.3 s"),
        (75, "1 min 15 s"),
        (120, "2 min"),
        (7_300, "2 h 1 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_length_of_time_is_as_exact_as_it_matters(duration_s: float, text: str) -> None:
    assert lasting(duration_s) == text


def test_what_comes_soon_is_told_in_seconds() -> None:
    assert soon(112.0, 100.0) == "in 12 s"
    assert soon(99.0, 100.0) == "now"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("11:30", NOON.replace(hour=11, minute=30)),
        ("11:30:05", NOON.replace(hour=11, minute=30, second=5)),
        ("2026-11-20T10:00:00", datetime(2026, 11, 20, 10)),
        ("2026-11-20", datetime(2026, 11, 20)),
    ],
)
def test_a_moment_is_typed_as_people_write_it(text: str, at: datetime) -> None:
    assert parse_moment("--from", text, NOON.timestamp()) == at.timestamp()


def test_a_moment_may_be_seconds_since_1970() -> None:
    assert parse_moment("--from", "1790000000.5") == 1_790_000_000.5


@pytest.mark.parametrize("text", ["yesterday", "25:00", "11:99", "-5", "nan", "1e300", "2026-13-01", ""])
def test_what_is_no_moment_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        parse_moment("--from", text)

    assert "--from" in caught.value.message
    assert "14:02" in caught.value.message


@pytest.mark.parametrize("text", ["5", "0s", "-5s", "nans", "infs", "s", "1e99d"])
def test_what_is_no_length_of_time_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        parse_duration("--last", text)

    assert "90s" in caught.value.message
