"""The order of the tests: what starts whole groups and waits goes first, so that nobody waits for it at the end."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRST = ("system", "browser", "docs", "examples", "launcher", "services")
"""folders, the slowest first; files of one folder stay as they are: workers take them one by one"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.path))


def rank(path: Path) -> int:
    folder = path.relative_to(HERE).parts[0]
    return FIRST.index(folder) if folder in FIRST else len(FIRST)
