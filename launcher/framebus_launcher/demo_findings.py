"""Tells in the demo what the user's own processors find: what is new at once, and later once a second."""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from framebus.codec import News
from framebus.errors import MalformedError
from framebus.messages import Finding
from framebus.place import Place
from framebus.transport import Listener

POLL_S = 0.1
PERIOD_S = 1.0
"""between two lines of one processor"""
MAX_KNOWN = 1_000


class FindingTeller:
    """Hears findings on a thread of its own. Use it in a `with` block."""

    def __init__(self, place: Place, processors: Collection[str], tell: Callable[[str, str], None]) -> None:
        """`tell` takes the text of a line, and whose it is."""
        self.is_chatty = False
        """whether what is not new is told, too"""
        self._tell = tell
        self._listener = Listener(place, *(f"finding/{name}/" for name in processors))
        self._known: set[tuple[int, str, str]] = set()
        self._told_s: dict[str, float] = {}
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="findings", daemon=True)

    def __enter__(self) -> "FindingTeller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while not self._is_closing.is_set():
            for news in self._listener.wait(POLL_S):
                with suppress(MalformedError):
                    self._note(news)

    def _note(self, news: News) -> None:
        finding = news.decode()
        if not isinstance(finding, Finding):
            return
        kind = (news.head.epoch, finding.processor, finding.label)  # in the next life of enrich it is new again
        is_new = kind not in self._known
        now_s = time.monotonic()
        is_due = now_s - self._told_s.get(finding.processor, float("-inf")) >= PERIOD_S
        if (is_new or self.is_chatty) and is_due:
            self._told_s[finding.processor] = now_s
            if len(self._known) < MAX_KNOWN:
                self._known.add(kind)
            value = "" if finding.value is None else f" {finding.value:g}"
            self._tell(f"{finding.label}{value}, {finding.camera} #{finding.number}", finding.processor)
