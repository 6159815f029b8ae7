"""Notices which Python files were saved: those that are named, and what they import from their own folder."""

import ast
import os
from collections.abc import Iterable
from pathlib import Path

MAX_FILES = 200
"""watched for one file that is named"""
Stamp = tuple[int, int, int]


class SavedFiles:
    """Looks at files when it is asked to."""

    def __init__(self) -> None:
        self._stamps: dict[Path, Stamp] = {}
        self._beside: dict[Path, list[Path]] = {}
        """what a file imports, as it was when it was read last"""

    def look(self, named: Iterable[Path]) -> list[Path]:
        """Those that were saved since the last look. One that is looked at for the first time counts as known.

        A file that is away counts as unchanged: editors put a new one in its place.
        """
        saved: list[Path] = []
        seen: set[Path] = set()
        for path in named:
            self._look(path, seen, saved)
        return saved

    def _look(self, first: Path, seen: set[Path], saved: list[Path]) -> None:
        waiting = [first]
        while waiting and len(seen) < MAX_FILES:
            path = waiting.pop()
            stamp = _stamp_of(path)
            if path in seen or stamp is None:
                continue
            seen.add(path)
            known = self._stamps.get(path)
            if known != stamp:
                self._stamps[path] = stamp
                self._beside[path] = _imports_of(path, self._beside.get(path, []))
                if known is not None:
                    saved.append(path)
            waiting += self._beside[path]


def _stamp_of(path: Path) -> Stamp | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _imports_of(path: Path, before: list[Path]) -> list[Path]:
    """The files beside it that it imports; while it is broken, those that it imported before."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return before
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return sorted(file for name in names if (file := path.parent / f"{name}.py").is_file())
