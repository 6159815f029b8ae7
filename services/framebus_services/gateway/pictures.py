"""Pictures of cameras as JPEG, taken when somebody asks, and shared by all who ask at about the same time."""

import asyncio
import time
from dataclasses import dataclass

from framebus.bus import Bus
from framebus.errors import ErrorCode, RefusedError
from framebus.requests import TakeSnapshot
from framebus_services.gateway.pool import Pool

SNAPSHOT_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Picture:
    jpeg: bytes
    captured_at_s: float
    taken_s: float
    """when it was asked for, monotonic"""


class Pictures:
    """For the loop's thread alone."""

    def __init__(self, bus: Bus, pool: Pool) -> None:
        self._bus = bus
        self._pool = pool
        self._newest: dict[str, Picture] = {}
        self._taking: dict[str, asyncio.Task[Picture]] = {}

    async def picture(self, camera: str, oldest_s: float) -> Picture:
        """A picture that was asked for at most `oldest_s` ago; raises RefusedError."""
        newest = self._newest.get(camera)
        if newest is not None and time.monotonic() - newest.taken_s <= oldest_s:
            return newest
        task = self._taking.get(camera)
        if task is None:
            task = self._taking[camera] = asyncio.create_task(self._take(camera))
            task.add_done_callback(lambda _: self._taking.pop(camera, None))
        return await asyncio.shield(task)  # who goes away must not take it from the others

    async def _take(self, camera: str) -> Picture:
        taken_s = time.monotonic()
        snapshot, jpeg = await self._pool.ask_blob(f"capture@{camera}", TakeSnapshot(), SNAPSHOT_S)
        if jpeg is None:
            raise RefusedError(ErrorCode.UNAVAILABLE, "there is no frame yet", retry_after_s=1.0)
        self._bus.stats.count("pictures")
        picture = Picture(jpeg=jpeg, captured_at_s=snapshot.captured_at_s, taken_s=taken_s)
        self._newest[camera] = picture
        return picture
