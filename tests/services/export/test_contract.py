"""What is refused when a clip is asked for: with the code, and with what would be right."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from framebus import codec
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.jobs import CheckContext
from framebus.plugins import load_job_types
from framebus.recordings import closed_name, hour_folder, open_name
from framebus_services.export.contract import EXPORT
from framebus_services.export.params import ExportParams
from services.export.clipping import params

NOW_S = 1_790_003_600.0
"""2026-09-21T15:13:20Z"""


def segment(data: Path, start_s: float, duration_s: float = 10.0, camera: str = "front") -> None:
    """A closed segment; the check reads only its name."""
    folder = hour_folder(data, camera, start_s)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / closed_name(round(start_s * 1_000), round(duration_s * 1_000))).touch()


def open_segment(data: Path, start_s: float, changed_s: float) -> None:
    folder = hour_folder(data, "front", start_s)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / open_name(round(start_s * 1_000))
    path.touch()
    os.utime(path, (changed_s, changed_s))


def check(data: Path, start: float | str, end: float | str, **more: Any) -> None:
    EXPORT.check(params(start, end, **more), CheckContext(data=data, cameras=frozenset({"front"}), now_at_s=NOW_S))


def refusal(data: Path, start: float | str, end: float | str, **more: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        check(data, start, end, **more)
    return caught.value


def test_a_recorded_range_is_accepted(data: Path) -> None:
    for number in range(6):
        segment(data, NOW_S - 600.0 + 10.0 * number)

    check(data, NOW_S - 595.0, NOW_S - 545.0)


def test_a_camera_that_nobody_knows_is_not_found_and_the_known_ones_are_told(data: Path) -> None:
    segment(data, NOW_S - 600.0, camera="old-cam")

    error = refusal(data, NOW_S - 600.0, NOW_S - 590.0, camera="fornt")

    assert error.code is ErrorCode.NOT_FOUND
    assert str(error) == "there is no camera fornt; known are front, old-cam"
    assert error.details == {"cameras": ["front", "old-cam"]}


def test_without_any_recordings_the_known_cameras_are_those_of_the_configuration(data: Path) -> None:
    assert str(refusal(data, NOW_S - 600.0, NOW_S - 590.0, camera="x")) == "there is no camera x; known are front"


def test_a_camera_that_is_configured_no_more_still_gives_clips(data: Path) -> None:
    segment(data, NOW_S - 600.0, camera="old-cam")

    check(data, NOW_S - 600.0, NOW_S - 590.0, camera="old-cam")


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (NOW_S - 10.0, NOW_S - 10.0, "start must lie before end"),
        (NOW_S - 10.0, NOW_S - 20.0, "start must lie before end"),
        (-10.0, 10.0, "is empty or negative"),
        (-math.inf, NOW_S, "is empty or negative"),
        (NOW_S - 90_000.0, NOW_S - 10.0, "the range is 25.0 h long; at most 24 h fit one clip"),
        (NOW_S + 60.0, NOW_S + 70.0, "start 2026-09-21T15:14:20Z is in the future; now is 2026-09-21T15:13:20Z"),
        ("2026-09-21T15:00:00", NOW_S, "is no time with a zone; write 2026-11-21T14:02:11+01:00 or seconds since 1970"),
        ("yesterday", NOW_S, "start 'yesterday' is no time with a zone"),
        (NOW_S - 10.0, "", "end '' is no time with a zone"),
        ("0001-01-01T00:00:00Z", NOW_S, "is empty or negative"),
        ("9999-12-31T23:59:58-10:00", "9999-12-31T23:59:59-10:00", "reaches beyond 2096-10-02T07:06:40Z"),
        (NOW_S - 10.0, 1e11, "reaches beyond 2096-10-02T07:06:40Z"),
    ],
)
def test_a_range_that_makes_no_sense_is_a_bad_request(
    data: Path, start: float | str, end: float | str, text: str
) -> None:
    segment(data, NOW_S - 600.0, 600.0)

    error = refusal(data, start, end)

    assert error.code is ErrorCode.BAD_REQUEST
    assert text in str(error)


@pytest.mark.parametrize(
    "field",
    [
        {"mode": "fast"},
        {"source": "internet"},
        {"camera": "../etc"},
        {"extra": 1},
        {"start": "x" * 65},
        {"start": 1e12},
        {"start": math.nan},
    ],
)
def test_parameters_of_another_shape_are_malformed(field: dict[str, Any]) -> None:
    body = codec.encode({"camera": "front", "start": NOW_S - 10.0, "end": NOW_S, **field})

    with pytest.raises(MalformedError):
        codec.decode_body(body, ExportParams)


def test_a_range_with_nothing_recorded_has_no_source_and_the_newest_recording_is_told(data: Path) -> None:
    segment(data, NOW_S - 600.0)

    error = refusal(data, NOW_S - 500.0, NOW_S - 400.0)

    assert error.code is ErrorCode.NO_SOURCE
    assert str(error) == (
        "front has no recording from 2026-09-21T15:05:00Z to 2026-09-21T15:06:40Z; "
        "its closed recordings end at 2026-09-21T15:03:30Z"
    )


def test_gaps_are_refused_with_their_list(data: Path) -> None:
    for start_s in (NOW_S - 600.0, NOW_S - 580.0, NOW_S - 550.0):
        segment(data, start_s)

    error = refusal(data, NOW_S - 600.0, NOW_S - 540.0)

    assert error.code is ErrorCode.NO_SOURCE
    assert str(error) == (
        "front has gaps: 2026-09-21T15:03:30Z to 2026-09-21T15:03:40Z, "
        "2026-09-21T15:03:50Z to 2026-09-21T15:04:10Z; "
        "set allow_gaps=true (framebus export --allow-gaps) to leave them out"
    )
    assert error.details == {"gaps": [[NOW_S - 590.0, NOW_S - 580.0], [NOW_S - 570.0, NOW_S - 550.0]]}


def test_of_many_gaps_only_the_first_are_written_out(data: Path) -> None:
    for number in range(150):
        segment(data, NOW_S - 6_000.0 + 20.0 * number)

    error = refusal(data, NOW_S - 6_000.0, NOW_S - 3_000.0)

    assert "and 145 more; set allow_gaps" in str(error)
    assert len(str(error)) < 500
    assert len(error.details["gaps"]) == 100  # type: ignore[arg-type]  # details hold any value


def test_gaps_are_accepted_where_they_are_allowed(data: Path) -> None:
    segment(data, NOW_S - 600.0)
    segment(data, NOW_S - 570.0)

    check(data, NOW_S - 600.0, NOW_S - 560.0, allow_gaps=True)


def test_less_than_a_second_is_no_gap(data: Path) -> None:
    segment(data, NOW_S - 600.0)
    segment(data, NOW_S - 589.1)

    check(data, NOW_S - 600.9, NOW_S - 578.2)


def test_a_range_that_reaches_into_now_needs_no_segment_that_is_still_to_come(data: Path) -> None:
    segment(data, NOW_S - 30.0)
    open_segment(data, NOW_S - 20.0, changed_s=NOW_S - 12.0)

    check(data, NOW_S - 30.0, NOW_S + 60.0)


def test_the_open_segment_counts_up_to_its_last_change(data: Path) -> None:
    open_segment(data, NOW_S - 600.0, changed_s=NOW_S - 550.0)

    check(data, NOW_S - 600.0, NOW_S - 550.0)
    assert "gaps: 2026-09-21T15:04:10Z to 2026-09-21T15:04:20Z" in str(refusal(data, NOW_S - 600.0, NOW_S - 540.0))


def test_a_camera_that_has_been_silent_for_long_leaves_a_gap_before_now(data: Path) -> None:
    segment(data, NOW_S - 600.0)

    assert "gaps: 2026-09-21T15:03:30Z to 2026-09-21T15:13:00Z" in str(refusal(data, NOW_S - 600.0, NOW_S))


def test_the_dispatcher_finds_the_type_and_loads_no_video_for_it() -> None:
    program = (
        "import sys; from framebus.plugins import load_job_types; types, problems = load_job_types(); "
        "print(problems, types['export'].policy.max_running, sorted({'av', 'cv2', 'numpy'} & set(sys.modules)))"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout == "[] 3 []\n"
    assert load_job_types()[0]["export"].name == "export"
