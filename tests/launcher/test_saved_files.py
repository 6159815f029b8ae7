"""Which files were saved: what is named, and what it imports from beside it."""

import os
from pathlib import Path

import pytest

from framebus_launcher.saved_files import SavedFiles


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text("import json\nfrom near import WORD\n")
    (tmp_path / "near.py").write_text("import far\nimport mine\nWORD = far.WORD\n")
    (tmp_path / "far.py").write_text("WORD = 1\n")
    (tmp_path / "other.py").write_text("")
    return tmp_path / "mine.py"


def save(path: Path, text: str) -> None:
    """As editors do: a new file in the place of the old."""
    new = path.with_suffix(".tmp")
    new.write_text(text)
    os.replace(new, path)


def test_what_is_there_at_the_first_look_was_not_saved(mine: Path) -> None:
    files = SavedFiles()

    assert [files.look([mine]), files.look([mine])] == [[], []]


@pytest.mark.parametrize("name", ["mine.py", "near.py", "far.py"])
def test_a_file_and_what_it_imports_beside_it_are_watched(mine: Path, name: str) -> None:
    files = SavedFiles()
    files.look([mine])

    save(mine.with_name(name), (mine.with_name(name)).read_text())

    assert [files.look([mine]), files.look([mine])] == [[mine.with_name(name)], []]


def test_what_is_not_imported_is_not_watched(mine: Path) -> None:
    files = SavedFiles()
    files.look([mine])

    save(mine.with_name("other.py"), "x = 1\n")

    assert files.look([mine]) == []


def test_a_broken_file_is_watched_with_what_it_imported_before(mine: Path) -> None:
    files = SavedFiles()
    files.look([mine])

    save(mine, "from near import (\n")
    broken = files.look([mine])
    save(mine.with_name("near.py"), "WORD = 2\n")

    assert (broken, files.look([mine])) == ([mine], [mine.with_name("near.py")])


def test_a_file_that_is_away_for_a_moment_counts_when_it_is_back(mine: Path) -> None:
    files = SavedFiles()
    files.look([mine])
    text = mine.read_text()

    mine.unlink()
    away = files.look([mine])
    mine.write_text(text + "# new\n")

    assert (away, files.look([mine])) == ([], [mine])
