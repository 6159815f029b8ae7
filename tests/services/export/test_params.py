"""Fields that do not go together are refused when a clip is asked for: which one, and what would be right."""

from pathlib import Path
from typing import Any

import pytest

from framebus import codec
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.jobs import CheckContext
from framebus_services.export.contract import EXPORT
from framebus_services.export.params import ExportParams, shown
from services.export.clipping import params
from services.export.test_contract import NOW_S, segment

START_S = NOW_S - 600.0
"""2026-09-21T15:03:20Z"""
END_S = NOW_S - 540.0


def check(data: Path, **more: Any) -> None:
    context = CheckContext(data=data, cameras=frozenset({"front"}), now_at_s=NOW_S)
    EXPORT.check(params(START_S, END_S, **more), context)


@pytest.fixture(autouse=True)
def recorded(data: Path) -> None:
    segment(data, NOW_S - 600.0, 60.0)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"precise": True},
        {"on_change": "split"},
        {"on_change": "encode", "preset": "small"},
        {"mode": "encode"},
        {"mode": "encode", "preset": "hd", "on_change": "refuse"},
        {"mode": "timelapse"},
        {"mode": "timelapse", "speed": 60},
        {"mode": "timelapse", "duration_s": 10, "instant": True, "on_change": "split"},
        {"thumbnail": True, "thumbnail_at_s": START_S + 3.0},
        {"thumbnail": True, "thumbnail_at_s": "2026-09-21T17:03:30+02:00"},
    ],
)
def test_fields_that_go_together_are_accepted(data: Path, more: dict[str, Any]) -> None:
    check(data, **more)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"speed": 60}, "params.speed is for mode=timelapse only, and mode is copy; set mode=timelapse or leave it"),
        ({"mode": "encode", "duration_s": 5}, "params.duration_s is for mode=timelapse only, and mode is encode"),
        ({"instant": True}, "params.instant is for mode=timelapse only"),
        ({"preset": "small"}, "params.preset is for mode=encode or on_change=encode only; set one of them"),
        ({"mode": "timelapse", "preset": "small"}, "params.preset is for mode=encode or on_change=encode only"),
        ({"mode": "timelapse", "speed": 9, "duration_s": 9}, "params.duration_s and speed each say how fast it plays"),
        ({"mode": "timelapse", "precise": True}, "params.precise is for mode=copy only, and mode is timelapse"),
        (
            {"mode": "encode", "precise": True},
            "params.precise is for mode=copy only; a clip of mode=encode begins exact",
        ),
        (
            {"mode": "encode", "on_change": "split"},
            "params.on_change split is for what is copied; .* set encode or refuse",
        ),
        ({"mode": "timelapse", "instant": True, "on_change": "encode"}, "params.on_change encode needs pictures"),
        ({"mode": "timelapse", "duration_s": 40}, "params.duration_s is at most half of the range, 30 here"),
        ({"thumbnail_at_s": START_S}, "params.thumbnail_at_s needs a thumbnail; leave out thumbnail=false"),
        (
            {"thumbnail": True, "thumbnail_at_s": END_S + 1.0},
            "params.thumbnail_at_s 2026-09-21T15:04:21Z must lie in the range, from 2026-09-21T15:03:20Z",
        ),
        (
            {"thumbnail": True, "thumbnail_at_s": "noon"},
            "params.thumbnail_at_s 'noon' is no time with a zone; write 2026-",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_refused_with_their_path(
    data: Path, more: dict[str, Any], text: str
) -> None:
    with pytest.raises(RefusedError, match=text) as caught:
        check(data, **more)

    assert caught.value.code is ErrorCode.BAD_REQUEST
    assert caught.value.details == {"field": text.split()[0]}


def test_a_timelapse_of_a_day_that_would_play_for_hours_is_refused_with_the_least_speed(data: Path) -> None:
    context = CheckContext(data=data, cameras=frozenset({"front"}), now_at_s=NOW_S + 86_400.0)

    with pytest.raises(RefusedError, match=r"params.speed makes a timelapse of more than an hour; .* at least 24"):
        EXPORT.check(params(START_S, START_S + 86_400.0, mode="timelapse", speed=10), context)


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ({"speed": 1.0}, r"\$.speed"),
        ({"speed": 0}, r"\$.speed"),
        ({"duration_s": 0}, r"\$.duration_s"),
        ({"duration_s": 4_000}, r"\$.duration_s"),
        ({"preset": "-vf drawtext"}, "preset '-vf drawtext' is not known; it is one of small, hd, full_hd, quality"),
        ({"on_change": "guess"}, "on_change 'guess' is not known; it is one of split, encode, refuse"),
        ({"mode": "fast"}, "mode 'fast' is not known; it is one of copy, timelapse, encode"),
        ({"source": "preview"}, "source 'preview' is not known; it is one of recordings"),
        ({"mode": 1}, r"\$.mode"),
        ({"precise": "yes"}, r"\$.precise"),
        ({"options": {"crf": 1}}, "options"),
    ],
)
def test_a_field_of_another_shape_is_named(field: dict[str, Any], path: str) -> None:
    body = codec.encode({"camera": "front", "start": NOW_S - 10.0, "end": NOW_S, "mode": "timelapse", **field})

    with pytest.raises(MalformedError, match=path):
        codec.decode_body(body, ExportParams)


def test_times_are_told_as_people_write_them_even_where_no_calendar_has_them() -> None:
    assert shown(1_790_000_000.0) == "2026-09-21T14:13:20Z"
    assert shown(1e17) == "after the year 9999"
    assert shown(float("-inf")) == "before the year 1"
