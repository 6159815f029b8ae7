"""Prints the demo's story line by line, with the seconds since its start."""

import time

from rich.console import Console
from rich.text import Text

from framebus.messages import JobState, JobView
from framebus_launcher.output import is_terminal, job_line


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
        line.append(text)
        self._console.print(line)

    def tell_job(self, job: JobView, text: str = "") -> None:
        """A line about a job; on a terminal, progress is redrawn in place."""
        is_open = job.state is JobState.RUNNING and is_terminal()
        self._begin()
        line = Text(f"{self.now_s:6.2f}  ", "dim")
        if text:
            line.append(f"job {job.id[:4]} {job.state.value}  ", "green")
            line.append(text)
        else:
            line.append_text(job_line(job))
        self._console.print(line, end="" if is_open else "\n")
        self._has_open_line = is_open

    def say(self, text: str) -> None:
        """A remark between the lines."""
        self._begin()
        self._console.print(f"        {text}")

    def _begin(self) -> None:
        if self._has_open_line:
            self._console.file.write("\r\033[K")
            self._has_open_line = False
