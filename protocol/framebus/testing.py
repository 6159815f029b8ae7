"""The in-memory twin of the bus, for tests of services and plug-ins: no sockets, no threads, no waiting."""

from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from msgspec import Raw

from framebus import codec, door, requests
from framebus.bus import Bus
from framebus.clock import FakeClock
from framebus.codec import Head, RequestHead
from framebus.door import Frames, Reply
from framebus.errors import DeadlineError
from framebus.messages import Message
from framebus.place import Place
from framebus.report import Report
from framebus.requests import LeasedJob, Request
from framebus.tape import TapeReader
from framebus.timers import Handler
from framebus.topics import topic_of

A = TypeVar("A", bound=Message)

__all__ = ["FakeBus", "FakeClock", "FakeReport"]


class FakeBus(Bus):
    """A bus whose time and peers are the test's. What the service publishes is in `sent`.

    Errors of handlers are raised here, not swallowed as in a running service.
    """

    def __init__(
        self,
        name: str = "test",
        *,
        clock: FakeClock | None = None,
        settings: bytes = b"{}",
        epoch: int = 1,
        data: Path | None = None,
    ) -> None:
        self.fake_clock = clock or FakeClock()
        place = Place.at(Path("/nonexistent/framebus"), data=data)
        super().__init__(name, place=place, clock=self.fake_clock, epoch=epoch, settings=settings)
        self.sent: list[Message] = []
        self.sent_blobs: list[bytes | None] = []
        self.sent_frames: list[Frames] = []
        self.asked: list[tuple[str, Request[Message]]] = []
        self._scripts: dict[type, Callable[[Any], Message | Reply]] = {}
        self._answers: dict[bytes, list[Frames]] = {}
        self._soon: deque[Handler] = deque()
        self._request_number = 0
        self._delivered: dict[tuple[str, str], int] = {}
        self.subscriptions: list[str] = []
        self.refreshed: list[str] = []
        """retained topics that the bus asked for once more"""

    def deliver(
        self, message: Message, *, src: str = "peer", epoch: int = 1, seq: int | None = None, blob: bytes | None = None
    ) -> None:
        """Let a message arrive from `src`; `seq` counts by itself."""
        topic = topic_of(type(message)).name(message)
        if seq is None:
            seq = self._delivered.get((src, topic), 0) + 1
        self._delivered[src, topic] = seq
        head = Head(
            v=codec.VERSION,
            src=src,
            epoch=epoch,
            seq=seq,
            at_s=self.clock.wall_s(),
            up_s=self.clock.boot_s(),
            host=self._host,
        )
        self.receive(codec.encode_news(topic, head, message, blob))
        self.flush_latest()
        self.settle()

    def play(self, tape: Path, *topics: str) -> int:
        """Let the messages of a tape (`framebus record`) arrive at their times, those whose topics begin so.

        Returns how many there were. Raises TapeError, OSError.
        """
        played, begun_s, start_s = 0, self.clock.boot_s(), 0.0
        with TapeReader(tape) as reader:
            for taped in reader:
                if not taped.has_topic(topics or ("",)):
                    continue
                start_s = taped.up_s if not played else start_s
                self.advance(max(0.0, begun_s + taped.up_s - start_s - self.clock.boot_s()))
                self.receive(taped.frames)
                self.flush_latest()
                self.settle()
                played += 1
        return played

    def advance(self, seconds: float) -> None:
        """Let time pass; timers fire at their times, in order."""
        end_s = self.clock.boot_s() + seconds
        while True:
            self.settle()
            step_s = self.wait_s(end_s - self.clock.boot_s())
            self.fake_clock.advance(step_s)
            self.run_due()
            if self.clock.boot_s() >= end_s - 1e-9:
                self.settle()
                return

    def settle(self) -> None:
        """Run what was left for soon."""
        while self._soon:
            self._soon.popleft()()

    def request(self, request: Request[A], *, request_id: bytes | None = None, deadline_s: float = 5.0) -> A:
        """Ask the service under test; raises RefusedError. The answer must come without time passing."""
        frames = self.begin_request(request, request_id=request_id, deadline_s=deadline_s)()
        if frames is None:
            raise DeadlineError(self.name, requests.method_of(type(request)).name, deadline_s)
        body, _ = frames
        return cast(A, codec.decode_body(body, requests.method_of(type(request)).answer))

    def begin_request(
        self, request: Request[A], *, request_id: bytes | None = None, deadline_s: float = 5.0
    ) -> Callable[[], tuple[bytes, bytes | None] | None]:
        """Ask the service under test something that it answers late; call the result for the answer, if it is there."""
        self._request_number += 1
        request_id = request_id or self._request_number.to_bytes(16, "big")
        method = requests.method_of(type(request)).name
        head = RequestHead(v=codec.VERSION, id=request_id, method=method, deadline_s=deadline_s, src="test")
        peer = b"peer%d" % self._request_number
        self.receive_request(peer, [codec.encode(head), codec.encode(request)])
        self.settle()
        return partial(self._take_answer, peer, request_id)

    def _take_answer(self, peer: bytes, request_id: bytes) -> tuple[bytes, bytes | None] | None:
        self.settle()
        frames = self._answers.pop(peer, None)
        return door.decode_answer(frames[0], request_id) if frames else None

    def when_asked(self, request: type[Request[A]], answer: Callable[[Any], Message | Reply]) -> None:
        """What peers answer when the service under test asks; the function may raise RefusedError."""
        self._scripts[request] = answer

    def messages(self, kind: type[A]) -> list[A]:
        """What was sent of one type."""
        return [message for message in self.sent if isinstance(message, kind)]

    def call_soon(self, handler: Handler) -> None:
        self._soon.append(handler)

    def watch(self, file: int, handler: Handler) -> None:
        raise NotImplementedError("a FakeBus watches no files")

    def unwatch(self, file: int) -> None:
        raise NotImplementedError("a FakeBus watches no files")

    def _guard(self, what: str, work: Handler) -> None:
        work()

    def _send(self, frames: Frames) -> None:
        self.sent_frames.append(frames)
        news = codec.decode_news(frames)
        if news.row.prefix != "beacon/":
            self.sent.append(news.decode())
            self.sent_blobs.append(news.blob)

    def _subscribe(self, prefix: str) -> None:
        self.subscriptions.append(prefix)

    def _unsubscribe(self, prefix: str) -> None:
        self.subscriptions.remove(prefix)

    def _refresh(self, topic: str) -> None:
        self.refreshed.append(topic)

    def _open_door(self) -> None: ...

    def _send_answer(self, peer: bytes, frames: Frames) -> bool:
        self._answers.setdefault(peer, []).append(frames)
        return True

    def _ask(
        self, service: str, method: str, body: bytes, deadline_s: float, is_long: bool
    ) -> tuple[bytes, bytes | None]:
        request = codec.decode_body(body, requests.BY_NAME[method].request)
        self.asked.append((service, request))
        script = self._scripts.get(type(request))
        if script is None:
            raise DeadlineError(service, method, deadline_s)
        answer = script(request)
        blob = answer.blob if isinstance(answer, Reply) else None
        return codec.encode(answer.answer if isinstance(answer, Reply) else answer), blob


class FakeReport(Report):
    """What a JobRunner's `run` is given. Its files are in `temps`, below `exports`; what it told last is `told`."""

    def __init__(self, exports: Path, job_id: str = "0123456789abcdef0123456789abcdef") -> None:
        params = Raw(codec.encode({}))
        job = LeasedJob(id=job_id, type="test", params=params, attempt=1, fence=1, lease_s=10.0)
        super().__init__(job, exports, FakeClock().boot_s)
