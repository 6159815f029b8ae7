"""The log of `framebus up`: the lines of all services and of the launcher itself, for a terminal or as JSON."""

import logging
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from framebus.logs import json_line
from framebus_launcher.logbook import OwnLines

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
STYLES = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow"}
Show = Callable[[str, str], None]
"""takes the name of a service and a line that it printed"""


def plain_log(console: Console, width: int) -> Show:
    """Lines for people: time, service, text."""

    def show(name: str, line: str) -> None:
        console.print(log_text(time.time(), name, line, width))

    return show


def log_text(at_s: float, name: str, line: str, width: int) -> Text:
    """One line with time and name before it, in the colour of its level."""
    text = Text(f"{time.strftime('%H:%M:%S', time.localtime(at_s))} {name:<{width}} ", "dim")
    text.append(line, STYLES.get(line.partition(" ")[0], ""))
    return text


def json_log(write: Callable[[str], object]) -> Show:
    """One JSON object a line. What has no level, as the lines of a traceback, has that of the line before."""
    last: dict[str, str] = {}

    def show(name: str, line: str) -> None:
        level, text = split_level(line)
        last[name] = level or last.get(name, "INFO")
        write(json_line(time.time(), last[name], name, text))

    return show


def split_level(line: str) -> tuple[str, str]:
    """The level that a line begins with, or an empty one, and the rest.

    >>> split_level("ERROR no space left"), split_level("Traceback (most recent call last):")
    (('ERROR', 'no space left'), ('', 'Traceback (most recent call last):'))
    """
    word, _, rest = line.partition(" ")
    return (word, rest) if word in LEVELS else ("", line)


def log_by(show: Show) -> None:
    """The launcher's own log lines are shown, too."""

    def show_all(name: str, lines: Sequence[str]) -> None:
        for line in lines:
            show(name, line)

    logging.basicConfig(level=logging.INFO, handlers=[OwnLines(show_all)], force=True)
