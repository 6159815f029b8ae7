"""docs/behaviours.md: each row is there, and each test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "behaviours.md"
ROWS = dict(re.findall(r"^\| ([A-Z]\d+(?:\.\d+)?) \| (.+) \|$", PAGE.read_text(), re.MULTILINE))
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NOT_BUILT: set[str] = set()
"""rows that say so instead of naming a test"""
NUMBERS = [
    *(f"P{number}" for number in range(1, 25)),
    *(f"S0.{number}" for number in range(1, 19)),
    *(f"F0.{number}" for number in range(1, 14)),
    *(f"I{number}" for number in range(1, 12)),
    *(f"S1.{number}" for number in range(1, 24)),
    *(f"F1.{number}" for number in range(1, 21)),
    *(f"G{number}" for number in range(1, 12)),
    *(f"S2.{number}" for number in range(1, 10)),
    *(f"F2.{number}" for number in range(1, 9)),
    *(f"S3.{number}" for number in range(1, 17)),
    *(f"F3.{number}" for number in range(1, 15)),
    *(f"S4.{number}" for number in range(1, 11)),
    *(f"F4.{number}" for number in range(1, 10)),
]


@cache
def names_in(path: str) -> set[str]:
    """The names of the tests of a file: functions, and state machines, which stand there as `TestX = X.TestCase`."""
    tree = ast.parse((ROOT / path).read_text()).body
    functions = {node.name for node in tree if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    targets = [target for node in tree if isinstance(node, ast.Assign) for target in node.targets]
    return functions | {one.id for one in targets if isinstance(one, ast.Name) and one.id.startswith("Test")}


def test_every_promise_behaviour_and_flaw_has_its_row() -> None:
    assert [number for number in NUMBERS if number not in ROWS] == []


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_exist(row: str) -> None:
    named = TEST.findall(ROWS[row])

    assert named or (row in NOT_BUILT and "not built" in ROWS[row])
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []


def test_a_row_that_names_tests_is_not_called_not_built() -> None:
    assert {row for row in NOT_BUILT if TEST.search(ROWS[row])} == set()
