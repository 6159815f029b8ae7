"""Processors in a file of the user's own, as in `./mine.py` or `./mine.py:Lights`: found and named."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

MAX_NAME = 32
_REFERENCE = re.compile(r"(?s)(?P<path>.*\.py)(?::(?P<cls>[^/:]*))?")


class FileReference(NamedTuple):
    """A file, and the class in it that was asked for."""

    path: Path
    class_name: str | None


def read_reference(reference: str) -> FileReference | None:
    """What a reference to a processor says of a file; None where it is the name of an installed one.

    >>> read_reference("./mine.py:Lights")
    FileReference(path=PosixPath('mine.py'), class_name='Lights')
    """
    found = _REFERENCE.fullmatch(reference)
    return FileReference(Path(found["path"]), found["cls"]) if found else None


def resolve_reference(reference: str, folder: Path) -> str:
    """The reference with the file's full path, if it names one; a relative one is in `folder`."""
    file = read_reference(reference)
    if file is None:
        return reference
    return str(folder / file.path) + (f":{file.class_name}" if file.class_name is not None else "")


def name_of_reference(reference: str) -> str:
    """What findings and statistics name a processor by: its file without folder and ending, or its own name.

    >>> name_of_reference("/home/me/Parking Lot.py:Counter"), name_of_reference("brightness")
    ('parking-lot', 'brightness')
    """
    file = read_reference(reference)
    if file is None:
        return reference
    return re.sub(r"[^a-z0-9_-]+", "-", file.path.stem.lower()).strip("_-")[:MAX_NAME]


def names_of(entries: Sequence[str | dict[str, Any]]) -> list[str]:
    """What each entry of `processors` is called; where one processor stands twice, the second has a number.

    >>> names_of(["linger", {"linger": {"after_s": 5}}, "brightness"])
    ['linger', 'linger-2', 'brightness']
    """
    names: list[str] = []
    for entry in entries:
        first = name = name_of_reference(entry if isinstance(entry, str) else str(next(iter(entry), "")))
        number = 1
        while name in names:
            number += 1
            name = f"{first[: MAX_NAME - 4]}-{number}"
        names.append(name)
    return names


def find_name_problems(entries: Sequence[str | dict[str, Any]]) -> list[str]:
    """Which entries of `processors` name different code that findings and statistics could not tell apart."""
    problems: list[str] = []
    references: dict[str, str] = {}
    for number, entry in enumerate(entries):
        for reference in [entry] if isinstance(entry, str) else list(entry)[:1]:
            name = name_of_reference(reference)
            first = references.setdefault(name, reference)
            if first != reference:
                text = f"{reference} and {first} would both be called {name}; give one file another name"
                problems.append(f"processors[{number}]: {text}")
    return problems
