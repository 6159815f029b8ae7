"""What was found in the configuration of a Frigate: what is taken of it, and what is left, each with the reason."""

import re
from dataclasses import dataclass, field
from typing import Any

from framebus_launcher.document import Document
from framebus_launcher.edit import EditError, find_value, parse_path

VARIABLE = re.compile(r"(?<!\$)\{(FRIGATE_[A-Za-z0-9_]+)\}")


@dataclass
class Imported:
    """What was found."""

    document: Document
    cameras: dict[str, dict[str, Any]] = field(default_factory=dict)
    """as they stand under `cameras` of our file; passwords still in clear"""
    paths: dict[str, str] = field(default_factory=dict)
    """where each of these cameras stands in the Frigate's file, which may call it otherwise"""
    broker: str = ""
    """the `url` of the section `services.mqtt`; its password still in clear"""
    notes: list[str] = field(default_factory=list)
    """what was taken otherwise than it stood there"""
    left: dict[str, str] = field(default_factory=dict)
    """settings by their paths, and why they were not taken"""
    taken: set[str] = field(default_factory=set)

    def get(self, *paths: str) -> Any:
        """The value at the first of these paths that is set, which counts as taken from then on."""
        for path in paths:
            value = self.peek(path)
            if value is not None:
                self.taken.add(path)
                return value
        return None

    def peek(self, path: str) -> Any:
        """The value at a path, or None; it does not count as taken."""
        try:
            return find_value(self.document.value, parse_path(path))
        except (LookupError, EditError):
            return None

    def leave(self, path: str, why: str) -> None:
        """Say why a setting is not taken; what stands below it is not either."""
        self.left[path] = why
        self.taken -= {one for one in self.taken if is_below(one, path)}

    def left_lines(self) -> list[str]:
        """What was not taken, a line each, in the order of the file."""
        lines = self.document.lines
        numbered = []
        for path, why in self.left.items():
            last = max((line for one, line in lines.items() if is_below(one, path)), default=0)
            first = lines.get(path, last)
            numbered.append((first, f"line {first}{f' to {last}' if last > first else ''}: {path}: {why}"))
        return [text for _, text in sorted(numbered)]


def is_below(path: str, above: str) -> bool:
    """Whether a path is another, or leads on from it."""
    return path == above or path.startswith((f"{above}.", f"{above}["))
