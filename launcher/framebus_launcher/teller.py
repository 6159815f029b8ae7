"""Prints the demo's story line by line, with the seconds since its start."""

import textwrap
import time

from rich.console import Console
from rich.text import Text

from framebus.messages import JobState, JobView
from framebus_launcher.output import job_line

MIN_CELLS = 24
"""of text on a line, however narrow the terminal is"""


class Teller:
    """A line: seconds since the start, a word, who, and what."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_s = time.monotonic()
        self._has_open_line = False

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._started_s

    def title(self, text: str) -> None:
        self._console.print(text)

    def tell(self, word: str, text: str, who: str = "", style: str = "") -> None:
        """One line of the story."""
        self._begin()
        line = Text(f"{self.now_s:6.2f}  ", "dim")
        line.append(f"{word:<9}", style or "bold")
        line.append(f"{who:<17}  " if who else "")
        self._print(line, text)

    def tell_job(self, job: JobView, text: str = "") -> None:
        """A line about a job; on a terminal, progress is redrawn in place."""
        is_open = job.state is JobState.RUNNING and self._console.is_terminal
        self._begin()
        line = Text(f"{self.now_s:6.2f}  ", "dim")
        if text:
            line.append(f"job {job.id[:4]} {job.state.value}  ", "green")
            self._print(line, text)
            return
        line.append_text(job_line(job))
        if is_open:
            line.truncate(self._console.width - 1)  # what has wrapped cannot be redrawn
        self._console.print(line, end="" if is_open else "\n")
        self._has_open_line = is_open

    def say(self, text: str) -> None:
        """A remark between the lines."""
        self._begin()
        self._print(Text(" " * 8), text)

    def command(self, text: str, why: str = "") -> None:
        """A line to be typed, and copied: it is never broken."""
        self._begin()
        self._console.print(f"          {text}{f'   {why}' if why else ''}")

    def _print(self, line: Text, text: str) -> None:
        """The text behind the line's head; where a terminal is narrower it goes on below, words and paths whole."""
        room = self._console.width - line.cell_len
        if self._console.is_terminal and len(text) > room:
            parts = textwrap.wrap(
                text, max(room, MIN_CELLS), break_long_words=False, break_on_hyphens=False, replace_whitespace=False
            )
            text = f"\n{' ' * line.cell_len}".join(parts)
        line.append(text)
        self._console.print(line)

    def _begin(self) -> None:
        if self._has_open_line:
            self._console.file.write("\r\033[K")
            self._has_open_line = False
