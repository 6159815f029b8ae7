"""docs/cameras.md is run as it stands: its source in a group, its cell beside it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.processes import Folder
from framebus.addresses import find_address_problem
from framebus.recordings import parse_segment
from groups import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "cameras.md"
BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = {name: code for _, name, code in BLOCK.findall(PAGE.read_text())}
SOURCES = re.findall(r"^\| (`[^|]+) \|", PAGE.read_text().partition("## ")[0], re.MULTILINE)


@pytest.fixture
def folder() -> Iterator[Folder]:
    with Folder() as folder:
        for name, code in BLOCKS.items():
            (folder.path / name).write_text(code)
        yield folder


def test_the_source_of_the_page_is_shown_in_a_cell_and_recorded(folder: Folder) -> None:
    group = folder.start("framebus", "up", "--plain", "--only", "dispatcher", "--only", "capture")
    group.wait_for("bench: online, gray8 640x480")

    cell = folder.python("cell.py")
    code = cell.wait()

    assert code == 0, cell.said
    numbers = [int(line.split()[0]) for line in cell.said]
    assert numbers[-1] == 41
    assert numbers == list(range(numbers[0], 42))
    assert all("(480, 640) uint8" in line for line in cell.said)
    assert [int(line.split()[1]) for line in cell.said] == [(number - 1) * 50_000 for number in numbers]
    wait_until(lambda: any(parse_segment(path) for path in folder.data.rglob("*.mp4*")), "a recording")
    assert group.stop() == 0


def test_the_source_takes_at_most_20_lines() -> None:
    assert len(BLOCKS["my_camera.py"].splitlines()) <= 20


@pytest.mark.parametrize("source", [source for row in SOURCES for source in re.findall(r"`([^`]+[^`/])`", row)])
def test_every_kind_of_source_in_the_table_is_taken(source: str) -> None:
    assert find_address_problem(source.replace("${PASSWORD}", "secret")) is None


def test_every_block_of_code_on_the_page_has_a_name_and_so_is_run() -> None:
    fences = [line for line in PAGE.read_text().splitlines() if line.startswith("```") and line != "```"]

    assert len(fences) == len(BLOCKS)
