"""The last lines that a child has printed, in the form that they are shown in."""

from collections import deque
from collections.abc import Callable

from framebus.redact import redact
from framebus_launcher.notices import is_notice

TAIL_LINES = 200
MAX_LINE = 1_000
MAX_OPEN_BYTES = 65_536
"""of a line whose end has yet to come"""


class Tail:
    """The last lines of a child, without credentials. Lives as long as the row, so that a restart loses none."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._open = b""

    def feed(self, data: bytes, on_notice: Callable[[bytes], None] | None = None) -> list[str]:
        """The lines that these bytes complete; a line of more than 1,000 characters comes in pieces.

        With `on_notice`, lines that are words of sd_notify go there instead, and are not kept.
        """
        *whole, self._open = (self._open + data).split(b"\n")
        if len(self._open) > MAX_OPEN_BYTES:
            cut = self._open.rfind(b" ") + 1 or len(self._open)  # never within an address: its password would show
            whole.append(self._open[:cut])
            self._open = self._open[cut:]
        if on_notice is not None:
            for line in filter(is_notice, whole):
                on_notice(line)
            whole = [line for line in whole if not is_notice(line)]
        return self._keep(whole)

    def flush(self) -> list[str]:
        """The line that no line end completed."""
        rest, self._open = self._open, b""
        return self._keep([rest])

    def last_error(self) -> str:
        """What a child of ours said last of what went wrong; empty when it said nothing of the kind."""
        marks = ("ERROR ", "CRITICAL ")
        return next((line.partition(" ")[2] for line in reversed(self.lines) if line.startswith(marks)), "")

    def _keep(self, raw: list[bytes]) -> list[str]:
        texts = [redact(line.decode(errors="replace")).rstrip() for line in raw]
        pieces = [text[start : start + MAX_LINE] for text in texts for start in range(0, len(text), MAX_LINE)]
        self.lines.extend(pieces)
        return pieces
