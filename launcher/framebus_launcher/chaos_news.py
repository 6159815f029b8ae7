"""A subscriber of `framebus chaos`: hears all as any program does, and checks that no news takes another back."""

import threading
import time
from collections.abc import Mapping

from framebus.codec import News
from framebus.errors import MalformedError
from framebus.jobs import FINAL
from framebus.messages import JobBoard, JobState, JobView, Message
from framebus.place import Place
from framebus.requests import StateRow
from framebus.transport import SocketBus

TURN_S = 0.1
MAX_STALE = 100
"""described; more of them say nothing new"""
Order = tuple[int, int]
"""epoch and seq"""


class NewsCheck:
    """Whether news go forward: within a life of a publisher each is newer, and a job that ended stays so."""

    def __init__(self) -> None:
        self.stale: list[str] = []
        self.held: dict[str, Order] = {}
        """the newest of each retained topic"""
        self._seqs: dict[tuple[str, str], Order] = {}
        self._ended: dict[str, JobState] = {}

    def note(self, news: News, message: Message) -> None:
        """Take one message as the library hands it out."""
        order = (news.head.epoch, news.head.seq)
        last = self._seqs.get((news.topic, news.head.src), (0, 0))
        if order[0] == last[0] and order[1] <= last[1]:
            self._complain(f"{news.topic} number {order[1]} after {last[1]}")
        elif order < last and news.row.is_retained:  # what is kept nowhere may be overtaken by the next life's
            self._complain(f"{news.topic} of life {order[0]} after that of {last[0]}")
        self._seqs[news.topic, news.head.src] = max(order, last)
        if news.row.is_retained:
            self.held[news.topic] = order
        if isinstance(message, JobView):
            self._note_job(message)
        elif isinstance(message, JobBoard):
            for job in (*message.running, *message.waiting, *message.ended):
                self._note_job(job)

    def _note_job(self, job: JobView) -> None:
        was = self._ended.get(job.id)
        if was is not None and job.state is not was:
            self._complain(f"job {job.id} is {job.state.value} after it was {was.value}")
        if job.state in FINAL:
            self._ended[job.id] = job.state

    def _complain(self, text: str) -> None:
        if len(self.stale) < MAX_STALE:
            self.stale.append(text)


def find_behind(held: Mapping[str, Order], rows: list[StateRow]) -> str | None:
    """A topic whose value is older than the dispatcher's, or None."""
    for row in rows:
        if not row.is_stale and held.get(row.topic, (0, 0)) < (row.epoch, row.seq):
            return row.topic
    return None


class Subscriber:
    """Hears all topics in a thread of its own. Close it."""

    def __init__(self, place: Place, name: str, *, pause_s: float = 0.0) -> None:
        """With `pause_s` it is slow: it looks only so often."""
        self.name = name
        self.check = NewsCheck()
        self._pause_s = pause_s
        self._bus = SocketBus(name, place=place)
        self._bus.on_news("", self._note)
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=name, daemon=True)
        self._thread.start()

    @property
    def torn(self) -> int:
        """How many messages could not be read."""
        return sum(number for name, number in list(self._bus.stats.counters.items()) if name.startswith("malformed"))

    def await_state(self, rows: list[StateRow], limit_s: float) -> str | None:
        """Wait until it holds these values or newer ones; a topic that it still lacks after `limit_s`, or None."""
        end_s = time.monotonic() + limit_s
        while (topic := find_behind(self.check.held, rows)) is not None:
            if time.monotonic() > end_s or self._is_closing.wait(TURN_S):
                return topic
        return None

    def close(self) -> None:
        self._is_closing.set()
        self._thread.join()
        self._bus.close()

    def _listen(self) -> None:
        while not self._is_closing.is_set():
            self._bus.turn(TURN_S)
            if self._pause_s:
                self._is_closing.wait(self._pause_s)

    def _note(self, news: News) -> None:
        try:
            message = news.decode()
        except MalformedError:
            self._bus.stats.count("malformed.body")
            return
        self.check.note(news, message)
