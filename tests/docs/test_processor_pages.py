"""docs/processors.md: each built-in processor has its section, with each of its settings and its default."""

import inspect
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from framebus.plugin_classes import load_processor
from framebus.plugins import PROCESSORS

PAGE = (Path(__file__).parents[2] / "docs" / "processors.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.+?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
BUILT_IN = sorted(
    point.name for point in entry_points(group=PROCESSORS) if point.value.startswith("framebus_services.processors.")
)


def settings(name: str) -> dict[str, Any]:
    return {key: parameter.default for key, parameter in inspect.signature(load_processor(name)).parameters.items()}


def test_each_built_in_processor_has_a_section_and_a_row_and_no_other_has() -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]", PAGE, re.MULTILINE)

    assert len(BUILT_IN) >= 4
    assert list(SECTIONS) == BUILT_IN
    assert rows == BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_setting_stands_in_the_section_with_its_default_and_no_other_does(name: str) -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", SECTIONS[name].partition("**How")[0], re.MULTILINE))
    told = {key: default for key, default in told.items() if key in settings(name) or default[0].isdigit()}

    assert told.keys() == settings(name).keys()
    for key, default in settings(name).items():
        if default is not None:
            assert float(told[key]) == default


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_section_shows_a_finding_and_says_how_it_decides_and_when_it_is_wrong(name: str) -> None:
    assert f"finding/{name}/" in SECTIONS[name]
    assert "**How it decides.**" in SECTIONS[name]
    assert "**When it is wrong.**" in SECTIONS[name]
