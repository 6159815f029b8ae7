"""The options of `framebus export`: what contradicts itself is refused at once, the rest is passed on."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec import Raw

from framebus import codec
from framebus.requests import ExportPlan, Gap, PlannedSegment
from framebus_launcher.cli import make_app
from framebus_launcher.cli_submit import _range, _ways, plan_lines
from framebus_launcher.handing_in import make_request
from framebus_launcher.mistakes import USAGE_ERROR, usage

NOW_S = datetime(2026, 11, 21, 12, 0, 0).timestamp()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("front",), "--last 60s"),
        (("front", "--last", "5s", "--from", "1"), "not both"),
        (("front", "--last", "5s", "--to", "1"), "not both"),
        (("front", "--from", "14:02"), "--to"),
        (("front", "--to", "14:02"), "--from"),
        (("front", "--from", "200", "--to", "100"), "must lie before"),
        (("front", "--from", "2090-01-01", "--to", "2090-01-02"), "in the future"),
        (("front", "--last", "5"), "90s"),
        (("front", "--last", "5s", "--timelapse", "fast"), "60x"),
        (("front", "--last", "5s", "--timelapse", "60x", "--mode", "copy"), "timelapse"),
        (("front", "--last", "5s", "--thumbnail-at", "noon"), "--thumbnail-at"),
        (("--last", "5s"), "name a camera"),
        (("--cameras", " , ", "--last", "5s"), "name a camera"),
    ],
)
def test_an_export_that_contradicts_itself_is_refused_before_anything_is_asked(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(USAGE_ERROR) as caught:
        make_app()(["export", *arguments, "--run", str(tmp_path)], standalone_mode=False)

    said = usage(caught.value)
    assert words in said
    assert "help: " in said


def test_last_is_the_time_up_to_now() -> None:
    assert _range("60s", "", "", NOW_S) == (NOW_S - 60.0, NOW_S)


def test_from_and_to_are_times_of_today() -> None:
    assert _range("", "11:00", "11:00:10", NOW_S) == (NOW_S - 3_600.0, NOW_S - 3_590.0)


@pytest.mark.parametrize(
    ("given", "params"),
    [
        ({}, {}),
        ({"timelapse": "60x"}, {"mode": "timelapse", "speed": 60.0}),
        ({"timelapse": "2.5"}, {"mode": "timelapse", "speed": 2.5}),
        ({"timelapse": "30s"}, {"mode": "timelapse", "duration_s": 30.0}),
        ({"timelapse": "60x", "instant": True}, {"mode": "timelapse", "speed": 60.0, "instant": True}),
        ({"mode": "timelapse"}, {"mode": "timelapse"}),
        ({"preset": "hd"}, {"mode": "encode", "preset": "hd"}),
        ({"preset": "hd", "on_change": "encode"}, {"preset": "hd", "on_change": "encode"}),
        ({"mode": "encode", "preset": "small"}, {"mode": "encode", "preset": "small"}),
    ],
)
def test_a_way_of_making_a_clip_becomes_the_parameters_of_the_service(
    given: dict[str, Any], params: dict[str, Any]
) -> None:
    assert _ways(**{"timelapse": "", "instant": False, "mode": "", "preset": "", "on_change": "", **given}) == params


def test_a_request_holds_what_was_given_and_nothing_else() -> None:
    request = make_request("export", {"camera": "front"}, name="", case="Break-in", priority=0)

    assert (request.name, request.case, request.priority) == (None, "Break-in", 0)
    assert request.params == Raw(codec.encode({"camera": "front"}))


def test_a_name_that_is_none_is_refused_in_plain_words() -> None:
    with pytest.raises(typer.BadParameter) as caught:
        make_request("No Type", {})

    assert caught.value.message.startswith("type: expected a name of a-z")


def test_a_plan_says_where_the_clip_begins_how_large_it_is_and_what_is_missing() -> None:
    segment = PlannedSegment(path="a.mp4", start_at_s=NOW_S - 62.0, end_at_s=NOW_S, size_bytes=1_000)
    plan = ExportPlan(
        segments=[segment],
        gaps=[Gap(start_at_s=NOW_S - 30.0, end_at_s=NOW_S - 20.0)],
        start_at_s=NOW_S - 62.1,
        end_at_s=NOW_S,
        duration_s=52.1,
        size_bytes=3_000_000,
    )

    text = "\n".join(plan_lines("front", {"start": NOW_S - 60.0}, plan))

    assert "2.1 s earlier: at a key frame" in text
    assert "52.1 s, about 2.9 MB, 1 file, out of 1 pieces of recording" in text
    assert "not recorded: " in text
    assert "(10.0 s)" in text
    assert "--allow-gaps" in text
