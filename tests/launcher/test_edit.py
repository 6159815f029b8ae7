"""One setting changed in the text of a file: the rest stays to the letter."""

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given, settings

from framebus_launcher.edit import EditError, edit_yaml, parse_path, with_value

FILE = Path("framebus.yml")
TEXT = """\
# my house
data: ./data   # the big disk
cameras:
  # the door
  front:
    source: "rtsp://a:${P}@h/1"   # main
    detect: {width: 640, fps: 5}  # small
    record:
      keep: 7d

  # the yard
  back: {source: b.mp4}
services:
  enrich: {processors: [brightness]}
jobs:
"""


def edited(path: str, value: Any, text: str = TEXT) -> list[str]:
    """The lines that are new, with a plus, and those that are gone, with a minus."""
    before, after = text.splitlines(), edit_yaml(FILE, text, parse_path(path), value).splitlines()
    gone, come = list(before), list(after)
    for line in before:
        if line in come:
            gone.remove(line)
            come.remove(line)
    return [f"-{line}" for line in gone] + [f"+{line}" for line in come]


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ("cameras.front.detect.fps", 10, "    detect: {width: 640, fps: 10}  # small"),
        ("cameras.front.detect.height", 480, "    detect: {width: 640, fps: 5, height: 480}  # small"),
        ("cameras.front.detect.width", None, "    detect: {fps: 5}  # small"),
        ("cameras.front.detect.fps", None, "    detect: {width: 640}  # small"),
        ("cameras.front.detect", {"fps": 1}, "    detect: {fps: 1}  # small"),
        ("cameras.back", {"zones": {}}, "  back: {zones: {}}"),
        ("cameras.front.record.keep", "off", "      keep: 'off'"),
        ("services.enrich", False, "  enrich: false"),
        ("services.enrich.processors[0]", "best_shot", "  enrich: {processors: [best_shot]}"),
        ("jobs.max_running", 2, "jobs: {max_running: 2}"),
        ("data", "/mnt/big", "data: /mnt/big   # the big disk"),
    ],
)
def test_a_setting_changes_in_its_line_and_comments_stay(path: str, value: Any, changed: str) -> None:
    assert edited(path, value)[1:] == [f"+{changed}"]


@pytest.mark.parametrize("empty", ["cameras:", "cameras: {}", "cameras:  {}  # mine", "cameras:\n# one day"])
def test_the_first_entry_of_an_empty_map_stands_on_lines_of_its_own(empty: str) -> None:
    text = edit_yaml(FILE, f"{empty}\ndata: x\n", parse_path("cameras.front"), {"source": "a", "detect": {"fps": 5}})

    lines = text.splitlines()
    assert lines[0].rstrip() == f"cameras:{'  # mine' if 'mine' in empty else ''}"
    assert lines[1] == "  front: {source: a, detect: {fps: 5}}" or lines[1:3] == ["  front:", "    source: a"]
    assert text.count("#") == empty.count("#")


LIST = """\
processors:  # in this order
  # by day
  - brightness  # of the yard
  # by night
  - {blur: {level: 3}}  # soft
  - deep:
      level: 1  # one
"""


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ("processors[0]", "motion", "  - motion  # of the yard"),
        ("processors[1].blur.level", 5, "  - {blur: {level: 5}}  # soft"),
        ("processors[1]", {"sharp": {}}, "  - {sharp: {}}  # soft"),
        ("processors[2].deep.level", 2, "      level: 2  # one"),
        ("processors[2].deep.more", True, "      more: true"),
    ],
)
def test_an_item_of_a_list_changes_in_its_line_and_the_comments_of_the_others_stay(
    path: str, value: Any, changed: str
) -> None:
    assert edited(path, value, LIST)[-1] == f"+{changed}"
    assert len(edited(path, value, LIST)) <= 2


def test_what_is_new_gets_lines_of_its_own() -> None:
    assert edited("cameras.side", {"source": "c.mp4", "detect": {"fps": 5}}) == [
        "+  side:",
        "+    source: c.mp4",
        "+    detect: {fps: 5}",
    ]
    assert edited("timezone", "Europe/Vienna") == ["+timezone: Europe/Vienna"]


def test_what_is_removed_takes_its_lines_and_no_comment_of_another() -> None:
    assert edited("cameras.front", None) == [f"-{line}" for line in TEXT.splitlines()[4:9]]
    assert edited("cameras.back", None) == ["-  back: {source: b.mp4}"]


def test_a_map_that_becomes_empty_is_still_a_map() -> None:
    text = "cameras:\n  front:\n    source: a.mp4\ndata: d\n"

    assert edit_yaml(FILE, text, ["cameras", "front"], None) == "cameras: {}\ndata: d\n"


def test_a_setting_that_came_by_a_merge_gets_a_value_of_its_own() -> None:
    text = "cameras:\n  a: {detect: &small {fps: 5}}\n  b:\n    detect:\n      <<: *small\n      width: 640\n"

    assert edited("cameras.b.detect.fps", 10, text) == ["+      fps: 10"]


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("a.x", 2, "anchor"),
        ("b.x", 2, "anchor"),
        ("c.y", 1, "no map"),
        ("c[0]", 1, r"no item \[0\]"),
        ("nothing", None, "no nothing that could be removed"),
        ("a..b", 1, "is no path"),
        ("[0]", 1, "is no path"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused(path: str, value: Any, why: str) -> None:
    with pytest.raises(EditError, match=why):
        edit_yaml(FILE, "a: &one {x: 1}\nb: *one\nc: 1\n", parse_path(path), value)


@pytest.mark.parametrize("value", [{1: 2}, object()])
def test_a_value_that_yaml_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(EditError):
        edit_yaml(FILE, "a: 1\n", ["a"], value)


def test_an_empty_file_can_be_begun() -> None:
    assert edit_yaml(FILE, "# nothing yet", ["data"], "d") == "# nothing yet\ndata: d\n"


names = st.text("abc", min_size=1, max_size=2)
leaves = st.one_of(st.integers(), st.booleans(), st.text("a :#{}[]'\"\n-*&%0x", max_size=6), st.floats(allow_nan=False))
lists = st.lists(leaves, max_size=3)
values = st.one_of(leaves, lists, st.dictionaries(names, st.one_of(leaves, lists, st.dictionaries(names, leaves))))
documents = st.dictionaries(names, values, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    value=documents,
    path=st.lists(names, min_size=1, max_size=3),
    new=st.one_of(st.none(), values),
    style=st.sampled_from([True, False, None]),
    note=st.sampled_from(["", "# a note\n"]),
)
def test_an_edit_means_what_was_asked_or_is_refused(
    value: dict[str, Any], path: list[str], new: Any, style: bool | None, note: str
) -> None:
    text = note + yaml.safe_dump(value, default_flow_style=style, allow_unicode=True) + note

    try:
        after = edit_yaml(FILE, text, path, new)
    except EditError:
        return

    assert (yaml.safe_load(after) or {}) == with_value(value, path, new)
    assert after.count("# a note") >= text.count("# a note")


@settings(max_examples=40, deadline=None)
@given(value=st.dictionaries(names, st.dictionaries(names, leaves, min_size=1), min_size=1), new=leaves)
def test_a_plain_setting_can_always_be_changed(value: dict[str, dict[str, Any]], new: Any) -> None:
    text = yaml.safe_dump(value, default_flow_style=None, allow_unicode=True)
    outer = min(value)

    after = edit_yaml(FILE, text, [outer, min(value[outer])], new)

    assert yaml.safe_load(after)[outer][min(value[outer])] == new
