"""A wrong configuration is told whole: every error at once, each with its path and what would be right."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framebus import settings
from framebus.keep_settings import seconds
from framebus.problems import find_problems
from framebus.settings import (
    CaptureSettings,
    DispatcherSettings,
    EnrichSettings,
    ExportSettings,
    LauncherSettings,
    Plugin,
    QueuePolicy,
    Settings,
)

GOOD = {
    "data": "/data",
    "cameras": {
        "front": {"source": "rtsp://host/1", "detect": {"fps": 5}, "record": {"keep": "7d"}},
        "back": {"source": "synthetic://"},
    },
    "services": {"counter": {"command": ["node", "counter.js"]}},
    "jobs": {"export": {"max_running": 2}},
    "launcher": {"restart": {"factor": 1}},
}


def test_a_good_file_has_no_problems() -> None:
    assert find_problems(GOOD, Settings) == []


def test_an_empty_file_has_no_problems() -> None:
    assert find_problems({}, Settings) == []


@pytest.mark.parametrize(
    "kind", [Settings, EnrichSettings, ExportSettings, DispatcherSettings, LauncherSettings, QueuePolicy]
)
def test_every_section_has_defaults_that_are_valid(kind: type[msgspec.Struct]) -> None:
    defaults = msgspec.to_builtins(kind())

    assert find_problems(defaults, kind) == []


def test_the_default_of_one_section_is_not_shared_with_another() -> None:
    EnrichSettings().processors.append("tamper")

    assert EnrichSettings().processors == ["brightness"]


def test_all_errors_are_told_at_once_each_with_its_path() -> None:
    bad = {
        "data": 5,
        "cameras": {"front": {"sorce": "rtsp://h", "detect": {"fps": "fast", "width": 1}}, "Back Door": {"source": ""}},
        "jobs": {"export": {"max_queued": 0}},
        "launcher": {"restart": {"base": 1}},
    }

    problems = find_problems(bad, Settings)

    assert sorted(problem.partition(":")[0] for problem in problems) == [
        "cameras.Back Door",
        "cameras.front.detect.fps",
        "cameras.front.detect.width",
        "cameras.front.sorce",
        "cameras.front.source",
        "data",
        "jobs.export.max_queued",
        "launcher.restart.base",
    ]


def test_a_misspelt_setting_is_told_with_the_likely_one() -> None:
    problems = find_problems({"camera": {}}, Settings)

    assert problems == ["camera: unknown setting; did you mean cameras?"]


def test_a_setting_like_no_other_is_told_with_those_that_are_known() -> None:
    problems = find_problems({"xyzzy": 1}, LauncherSettings)

    assert problems == ["xyzzy: unknown setting; known are restart"]


def test_a_missing_setting_is_told() -> None:
    assert find_problems({"cameras": {"front": {}}}, Settings) == ["cameras.front.source: is missing"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "file: expected a map of settings, got nothing"),
        ([], "file: expected a map of settings, got list"),
        ({"cameras": []}, "cameras: expected a map, got list"),
        ({"cameras": {"front": "rtsp://h"}}, "cameras.front: expected a map of settings, got str"),
        ({"cameras": {"front": None}}, "cameras.front: expected a map of settings, got nothing"),
    ],
)
def test_what_is_no_map_is_told(value: object, problem: str) -> None:
    assert find_problems(value, Settings) == [problem]


def test_a_wrong_entry_of_a_list_is_told_with_its_place() -> None:
    problems = find_problems({"command": ["node", 5]}, Plugin)

    assert problems == ["command: Expected `str`, got `int` - at `[1]`"]


def test_names_that_are_no_text_are_told_and_break_nothing() -> None:
    problems = find_problems({1: 2, None: 3, "cameras": {5: {"source": "x"}}}, Settings)

    assert [problem.partition(":")[0] for problem in problems] == ["1", "None", "cameras.5"]


@pytest.mark.parametrize("keep", ["7", "d", "7 d", "-1d", "7w", "", "7d\n", "٣d"])
def test_a_duration_is_a_number_and_a_unit(keep: str) -> None:
    file = {"cameras": {"front": {"source": "x", "record": {"keep": keep}}}}

    assert [problem.partition(":")[0] for problem in find_problems(file, Settings)] == ["cameras.front.record.keep"]


@given(st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,3})?[smhd]", fullmatch=True))
def test_every_duration_that_is_accepted_can_be_read(keep: str) -> None:
    assert find_problems({"keep": keep}, settings.Record) == []
    assert seconds(keep) >= 0.0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["cameras", "services", "jobs", "front", "source", "detect", "fps", "launcher", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_it_finds_problems_exactly_where_strict_decoding_fails(file: object) -> None:
    try:
        msgspec.convert(file, Settings)
        is_good = True
    except msgspec.ValidationError:
        is_good = False

    assert (find_problems(file, Settings) == []) is is_good


def test_a_service_gets_its_section_from_the_file_for_it() -> None:
    data = b'{"source": "synthetic://", "camera": "front"}'

    section = msgspec.json.decode(data, type=CaptureSettings)

    assert (section.camera, section.detect.fps, section.record.segment_s) == ("front", None, 10.0)


def test_a_length_of_time_that_is_none_says_how_one_is_written() -> None:
    problems = find_problems({"cameras": {"front": {"source": "a.mp4", "record": {"keep": "1day"}}}}, Settings)

    assert problems == ["cameras.front.record.keep: expected a number and s, m, h or d, as in 7d"]


def test_a_word_that_is_no_choice_is_told_with_the_choices() -> None:
    problems = find_problems({"encoder": "h265"}, ExportSettings)

    assert problems == [
        "encoder: 'h265' is not known; it is one of auto, none, h264_nvenc, h264_qsv, h264_amf, h264_v4l2m2m"
    ]


CORNERS = [[0.1, 0.2], [0.9, 0.2], [0.5, 1.0]]


def problems_of_camera(**camera: object) -> list[str]:
    return find_problems({"cameras": {"front": {"source": "a.mp4", **camera}}}, Settings)


def test_zones_and_masks_are_areas_of_the_picture() -> None:
    assert problems_of_camera(zones={"drive": {"points": CORNERS}}, masks=[{"points": CORNERS}] * 32) == []


@pytest.mark.parametrize(
    ("camera", "problem"),
    [
        (
            {"zones": {"drive": {"points": CORNERS[:2]}}},
            "cameras.front.zones.drive.points: Expected `array` of length >= 3",
        ),
        (
            {"zones": {"drive": {"points": [*CORNERS, [640, 0]]}}},
            "cameras.front.zones.drive.points: Expected `float` <= 1.0 - at `[3][0]`",
        ),
        (
            {"zones": {"drive": {"points": [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]}}},
            "cameras.front.zones.drive: the points enclose nothing; give the corners of an area in order, each 0 to 1",
        ),
        (
            {"zones": {"Drive Way": {"points": CORNERS}}},
            "cameras.front.zones.Drive Way: a name has at most 32 of a-z, 0-9, _ and -, a letter or digit first",
        ),
        (
            {"zones": {"drive": {"pionts": CORNERS}}},
            "cameras.front.zones.drive.pionts: unknown setting; did you mean points?",
        ),
        (
            {"masks": [{"points": CORNERS}, {"points": [[0.1]] * 3}]},
            "cameras.front.masks[1].points: Expected `array` of length 2, got 1 - at `[0]`",
        ),
        ({"masks": [CORNERS]}, "cameras.front.masks[0]: expected a map of settings, got list"),
        ({"masks": [{"points": CORNERS}] * 33}, "cameras.front.masks: has 33 entries; at most 32 are allowed"),
        (
            {"zones": {f"z{number}": {"points": CORNERS} for number in range(33)}},
            "cameras.front.zones: has 33 entries; at most 32 are allowed",
        ),
    ],
)
def test_a_wrong_area_is_told_with_its_place(camera: dict[str, object], problem: str) -> None:
    assert problem in problems_of_camera(**camera)
