"""Answers that are kept for a while: a request that is sent again gets the same one, and nothing is done twice."""

from collections import OrderedDict

from framebus.door import Frames

KEEP_S = 30.0
MAX_KEPT = 4_096
LARGE_BYTES = 64 * 1_024
MAX_SMALL_BYTES = 4 * 1_024 * 1_024
MAX_LARGE_BYTES = 8 * 1_024 * 1_024
"""of answers above LARGE_BYTES; pictures come ten times a second and must not drive out what tells of work done"""


class Shelf:
    """Answers for 30 s, the oldest going first where there are too many, or too many bytes; the newest always stays."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._answers: OrderedDict[bytes, tuple[float, Frames, int]] = OrderedDict()
        self.size_bytes = 0

    def put(self, request_id: bytes, frames: Frames, size_bytes: int, now_s: float) -> None:
        self._answers[request_id] = (now_s + KEEP_S, frames, size_bytes)
        self.size_bytes += size_bytes
        while len(self._answers) > 1 and (self.size_bytes > self._max_bytes or len(self._answers) > MAX_KEPT):
            self._drop_oldest()

    def find(self, request_id: bytes) -> Frames | None:
        kept = self._answers.get(request_id)
        return None if kept is None else kept[1]

    def forget(self, now_s: float) -> None:
        """Drop what is past its time."""
        while self._answers and next(iter(self._answers.values()))[0] <= now_s:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (_, _, size_bytes) = self._answers.popitem(last=False)
        self.size_bytes -= size_bytes


class KeptAnswers:
    """Remembers requests in flight, and answers for 30 s: a repeat gets the same answer and nothing runs twice."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, list[bytes]] = OrderedDict()
        self._small = Shelf(MAX_SMALL_BYTES)
        self._large = Shelf(MAX_LARGE_BYTES)

    @property
    def size_bytes(self) -> int:
        return self._small.size_bytes + self._large.size_bytes

    def begin(self, request_id: bytes, peer: bytes, now_s: float) -> Frames | bool:
        """The kept answer of a repeat; True for a request that is new; False for one that is in flight."""
        self._forget(now_s)
        for shelf in (self._small, self._large):
            if (frames := shelf.find(request_id)) is not None:
                return frames
        if request_id in self._waiting:
            self._waiting[request_id].append(peer)
            return False
        self._waiting[request_id] = [peer]
        while len(self._waiting) > MAX_KEPT:  # promises that nobody ever settled
            self._waiting.popitem(last=False)
        return True

    def finish(self, request_id: bytes, frames: Frames, now_s: float) -> list[bytes]:
        """Keep the answer; returns the peers that wait for it."""
        peers = self._waiting.pop(request_id, [])
        if peers:
            size_bytes = sum(map(len, frames))
            shelf = self._large if size_bytes > LARGE_BYTES else self._small
            shelf.put(request_id, frames, size_bytes, now_s)
        return peers

    def _forget(self, now_s: float) -> None:
        self._small.forget(now_s)
        self._large.forget(now_s)
