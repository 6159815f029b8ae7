"""Processors by the path of a file: which class is taken, what it is called, and what is said of a wrong one."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.errors import ConfigError
from framebus.plugin_classes import load_processor
from framebus.processor import Processor
from framebus.processor_file import name_of_reference, resolve_reference

GOOD = """
from framebus import Processor

class Lights(Processor):
    def __init__(self, threshold: float = 3.0) -> None:
        self.threshold = threshold
"""
TWO = f"{GOOD}\nclass Doors(Processor): ...\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def problem_of(reference: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_processor(reference)
    [problem] = caught.value.problems
    return problem


def test_the_one_processor_of_a_file_is_taken(folder: Path) -> None:
    kind = load_processor(write(folder, GOOD))

    assert (kind.__name__, issubclass(kind, Processor)) == ("Lights", True)


def test_a_class_may_be_named_where_a_file_has_several(folder: Path) -> None:
    path = write(folder, TWO)

    assert load_processor(f"{path}:Doors").__name__ == "Doors"
    assert load_processor(f"{path}:Lights").__name__ == "Lights"


def test_a_class_that_others_of_the_file_derive_from_is_not_one_of_several(folder: Path) -> None:
    path = write(folder, GOOD + "\nclass Better(Lights): ...\n")

    assert load_processor(path).__name__ == "Better"


def test_what_a_file_imports_is_not_its_own(folder: Path) -> None:
    path = write(folder, "from framebus_services.processors.brightness import Brightness\n" + GOOD)

    assert load_processor(path).__name__ == "Lights"


def test_a_file_imports_from_its_own_folder_and_takes_no_librarys_place(folder: Path) -> None:
    write(folder, "LIMIT = 5.0\n", "limits_of_mine.py")
    write(folder, "raise ImportError('the wrong one')\n", "colorsys.py")
    kind = load_processor(write(folder, "import colorsys\nfrom limits_of_mine import LIMIT\n" + GOOD))

    assert sys.modules[kind.__module__].LIMIT == 5.0


def test_the_newest_text_is_loaded_though_size_and_second_are_the_same(folder: Path) -> None:
    path = write(folder, GOOD)
    load_processor(path)
    at = os.stat(path)
    write(folder, GOOD.replace("3.0", "4.0"))
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))

    assert vars(load_processor(path)(threshold=1.0)) == {"threshold": 1.0}  # type: ignore[call-arg]
    assert load_processor(path).__init__.__defaults__ == (4.0,)  # type: ignore[misc]
    assert not (folder / "__pycache__").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = (\n", "mine.py:1: SyntaxError: '(' was never closed"),
        (
            "\nimport no_such_library_at_all\n",
            "mine.py:2: ModuleNotFoundError: No module named 'no_such_library_at_all'",
        ),
        ("def f():\n    1 / 0\n\nf()\n", "mine.py:2: ZeroDivisionError: division by zero"),
        ("import json\njson.loads('')\n", "mine.py:2: JSONDecodeError: "),
        ("import sys\nsys.exit()\n", "mine.py:2: SystemExit: it ends Python (sys.exit) while it is loaded"),
        ("import beside\n", "beside.py:1: SyntaxError: invalid syntax"),
        ("\0", "mine.py: "),
        ("", "mine.py: has no processor; derive a class from framebus.Processor or DeferredProcessor"),
        (TWO, "mine.py: has 2 processors, Lights, Doors; choose one, as in mine.py:Doors"),
        (
            "from framebus import DeferredProcessor\nclass Half(DeferredProcessor): ...\n",
            "mine.py: has no processor; derive a class from framebus.Processor or DeferredProcessor",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line_with_its_place(folder: Path, text: str, problem: str) -> None:
    write(folder, "class class\n", "beside.py")

    assert problem_of(write(folder, text)).startswith(f"{folder}/{problem}")


def test_a_file_or_class_that_is_not_there_is_told(folder: Path) -> None:
    path = write(folder, GOOD)

    assert problem_of(f"{folder}/none.py") == f"there is no file {folder}/none.py"
    assert problem_of(f"{path}:Light") == f"{path}: has no processor 'Light'; it has Lights"
    assert problem_of(write(folder, GOOD, "___.py")).startswith(f"{folder}/___.py: no name can be made of")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("./mine.py", "mine"),
        ("/a/My Lights.py:Doors", "my-lights"),
        ("_private_.py", "private"),
        ("snake_case.py", "snake_case"),
        ("a" * 40 + ".py", "a" * 32),
        ("brightness", "brightness"),
    ],
)
def test_the_name_of_a_file_is_made_of_what_names_may_have(reference: str, name: str) -> None:
    assert name_of_reference(reference) == name


def test_a_path_is_relative_to_the_folder_that_it_is_written_in() -> None:
    there = Path("/home/me")

    resolved = [resolve_reference(text, there) for text in ("./mine.py:Lights", "mine.py", "/a/b.py", "brightness")]

    assert resolved == ["/home/me/mine.py:Lights", "/home/me/mine.py", "/a/b.py", "brightness"]
