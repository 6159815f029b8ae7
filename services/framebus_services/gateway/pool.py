"""What would block the loop is done by a few threads; who finds them all busy, and a line before them, is refused."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from framebus.bus import Bus
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import Message
from framebus.requests import Request

A = TypeVar("A", bound=Message)
T = TypeVar("T")

THREADS = 8
MAX_WAITING = 64
ASK_S = 5.0


class Pool:
    """Asks services and reads folders, away from the loop."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")
        self._pending = 0

    async def ask(self, service: str, request: Request[A], deadline_s: float = ASK_S) -> A:
        """The answer of a service; raises RefusedError."""
        return await self.run(lambda: self._bus.ask(service, request, deadline_s))

    async def ask_blob(self, service: str, request: Request[A], deadline_s: float = ASK_S) -> tuple[A, bytes | None]:
        """As `ask`, with the blob."""
        return await self.run(lambda: self._bus.ask_blob(service, request, deadline_s))

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, done by a thread; raises RefusedError, `busy`, when too many wait for one."""
        if self._pending >= THREADS + MAX_WAITING:
            self._bus.stats.count("refused.busy")
            raise RefusedError(ErrorCode.BUSY, "too much is asked at once", retry_after_s=1.0)
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Begin nothing more; what is at work ends by its own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)
