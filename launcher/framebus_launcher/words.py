"""Turns what machines say into what people read: local times, names in plain words, lengths of time, moments typed."""

import re
import time
from datetime import datetime

import typer

from framebus.keep_settings import seconds
from framebus.messages import INSTANCE_PATTERN, NAME_PATTERN

A_NAME = "a name of a-z, 0-9, _ and -, which begins with a letter or digit and has at most 32 characters"
AN_ID = "an id of 32 digits, 0-9 and a-f"
_REGEX = re.compile(r"Expected `str` matching regex '([^']*)'")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_PATH = re.compile(r"([^:\s][^:]*) - at `\$\.([^`]+)`$")
_UTC_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_EPOCH = re.compile(r"(?<![\w./:-])1\d{9}(?:\.\d+)?(?![\w:/-])(?!\.\d)")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d+)?))?")
LATEST_AT_S = 4e9
"""in the year 2096"""


def plain(text: str) -> str:
    """An error of a service for people: times in their own zone, no regular expressions.

    >>> plain("Expected `str` matching regex '^[0-9a-f]{32}$(?!\\\\n)' - at `$.id`")
    'id: expected an id of 32 digits, 0-9 and a-f'
    """
    text = _REGEX.sub(lambda found: f"expected {_pattern_words(found[1])}", text)
    text = _UNKNOWN.sub(r"there is no \1", text)
    text = _MISSING.sub(r"\1 is missing", text)
    text = _PATH.sub(lambda found: f"{found[2]}: {found[1]}", text)
    told = [datetime.fromisoformat(stamp).timestamp() for stamp in _UTC_STAMP.findall(text)]
    told += [float(number) for number in _EPOCH.findall(text)]
    is_dated = not all(map(_is_today, told))  # of a range over midnight both ends
    text = _UTC_STAMP.sub(lambda found: _written(datetime.fromisoformat(found[0]).timestamp(), is_dated=is_dated), text)
    return _EPOCH.sub(lambda found: _written(float(found[0]), is_dated=is_dated), text)


def _pattern_words(pattern: str) -> str:
    pattern = pattern.partition("(?!")[0]  # the part that keeps line ends out
    known = {NAME_PATTERN: A_NAME, INSTANCE_PATTERN: f"{A_NAME}, or two of them as in capture@front"}
    return known.get(pattern, AN_ID if "{32}" in pattern else "text of another form")


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "camera"), counted(0, "camera"), counted(2, "process", "processes")
    ('1 camera', '0 cameras', '2 processes')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def moment(at_s: float, now_s: float | None = None) -> str:
    """A wall time in the machine's zone; the day only where it is not today."""
    return _written(at_s, is_dated=not _is_today(at_s, now_s))


def span(start_s: float, end_s: float, now_s: float | None = None) -> str:
    """From and to, as `moment` writes them: both with their day, or none."""
    is_dated = not (_is_today(start_s, now_s) and _is_today(end_s, now_s))
    return f"{_written(start_s, is_dated=is_dated)} to {_written(end_s, is_dated=is_dated)}"


def _is_today(at_s: float, now_s: float | None = None) -> bool:
    today = datetime.fromtimestamp(time.time() if now_s is None else now_s).date()
    return datetime.fromtimestamp(at_s).date() == today


def _written(at_s: float, *, is_dated: bool) -> str:
    return f"{datetime.fromtimestamp(at_s):{'%Y-%m-%d ' if is_dated else ''}%H:%M:%S}"


def lasting(duration_s: float) -> str:
    """A length of time with as much as matters.

    >>> lasting(0.04), lasting(12.3), lasting(75), lasting(7_300), lasting(200_000)
    ('0.04 s', '12.3 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    if duration_s < 1.0:
        return f"{duration_s:.2f} s"
    if duration_s < 60.0:
        return f"{duration_s:.1f} s"
    whole = round(duration_s)
    for unit_s, unit, small_s, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit_s:
            rest = whole % unit_s // small_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def soon(at_s: float, now_s: float) -> str:
    """When something comes: `now`, or `in 12 s`."""
    left_s = at_s - now_s
    return "now" if left_s < 0.5 else f"in {lasting(left_s) if left_s >= 60 else f'{left_s:.0f} s'}"


def parse_duration(option: str, text: str) -> float:
    """Seconds of `90s`, `5m`, `2h`; raises BadParameter."""
    try:
        found = seconds(text)
    except ValueError:
        found = 0.0
    if not 0.0 < found < LATEST_AT_S:
        raise typer.BadParameter(f"{option} {text!r} is no length of time; write a number and s, m, h or d, as in 90s")
    return found


def parse_moment(option: str, text: str, now_s: float | None = None) -> float:
    """Seconds since 1970 of 14:02:11 (today), of an ISO 8601 time (local without a zone), or of a plain number.

    Raises BadParameter.
    """
    now_s = time.time() if now_s is None else now_s
    try:
        at_s = _moment(text.strip(), now_s)
    except (ValueError, OverflowError, OSError):
        at_s = -1.0
    if not 0.0 <= at_s <= LATEST_AT_S:
        right = "write 14:02 or 14:02:11 (today), 2026-11-21T14:02:11, or seconds since 1970"
        raise typer.BadParameter(f"{option} {text!r} is no time; {right}")
    return at_s


def _moment(text: str, now_s: float) -> float:
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        today = datetime.fromtimestamp(now_s).replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        second_s = float(clock[3] or 0.0)
        if second_s >= 60.0:
            raise ValueError("seconds end at 59")
        return today.timestamp() + second_s
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


def gigabytes(number: float) -> str:
    """Bytes of recordings, as disks are sold.

    >>> gigabytes(2.6e9), gigabytes(84e9), gigabytes(0.04e9)
    ('2.6 GB', '84 GB', '0.04 GB')
    """
    gb = number / 1e9
    return f"{gb:.0f} GB" if gb >= 10 else f"{gb:.2g} GB"
