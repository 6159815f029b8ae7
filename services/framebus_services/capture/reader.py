"""The thread that keeps one connection of a camera: connects, reads, hands packets on, and tries again."""

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import av

from framebus.addresses import Address
from framebus.clock import Clock
from framebus.messages import Cause
from framebus.throttle import backoff_s
from framebus_services.capture.source import Source, Wait
from framebus_services.capture.timestamps import Arrival
from framebus_services.capture.trouble import EndedError, SourceError, Trouble, trouble_of

log = logging.getLogger(__name__)

STUCK_S = 12.0
"""longer than a connection may take to be made, or to be silent"""
LOOK_UP_S = 45.0
"""what a resolver may take, which nobody can interrupt"""
REPAIR_S = 120.0
"""what repairing recordings may take until its next beat: slow cards are slow"""
RETRY_S, RETRY_LIMIT_S = 1.0, 30.0
WORTH_S = 10.0
"""a connection that gave pictures for so long was a good one: after its end the waits begin anew"""
QUIET_S = 5.0
"""without a frame, and the camera counts as offline"""
UNDECODABLE = Trouble(Cause.CODEC, "packets come, but no frame comes of them")


S = TypeVar("S", bound=Source[Any])
T = TypeVar("T")
S_contra = TypeVar("S_contra", contravariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Sink(Protocol[S_contra, T_contra]):
    """Something that takes the packets or pictures of one connection after the other, on the reader's thread."""

    def open(self, beat: Callable[[], None]) -> None:
        """Before the first connection; any work that may take long calls `beat` as it gets on."""

    def begin(self, source: S_contra) -> None:
        """A connection was made."""

    def take(self, item: T_contra, arrival: Arrival, /) -> bool:
        """Take a packet, which is now the sink's to change, or a picture; tells whether a frame came of it."""

    def end(self) -> None:
        """The connection is gone."""

    def close(self) -> None:
        """The process ends."""


class Phase(Enum):
    CONNECTING = "connecting"
    """for the first time"""
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A connection as others may know it; replaced as a whole."""

    phase: Phase = Phase.CONNECTING
    trouble: Trouble | None = None
    retry_at_s: float | None = None
    """wall clock"""
    codec: str = ""
    width: int = 0
    height: int = 0


class Reader(Generic[S, T]):
    """Reads one address for ever. The first sink says whether frames come; it may need the packet unchanged."""

    def __init__(
        self,
        address: Address,
        connect: Callable[[Address, Wait], S],
        sinks: Sequence[Sink[S, T]],
        clock: Clock,
        on_change: Callable[[], None],
        awake_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self.link = Link()
        self.packets = 0
        """of video, since the start"""
        self.idle_packets = 0
        """of video, since the last frame of this connection"""
        self.frame_at_s: float | None = None
        """boot time of the last frame"""
        self._has_read = False
        self._connect = connect
        self._sinks = sinks
        self._clock = clock
        self._on_change = on_change
        self._is_stopping = threading.Event()
        self._is_done = False
        self._busy = threading.Lock()  # held while sinks work; a read that hangs does not hold it
        self._awake_s = awake_s  # not boot time: a machine that slept is no thread that hangs
        self._limit_at_s = awake_s() + STUCK_S
        self._source: S | None = None
        self._has_told_stuck = False
        self._thread = threading.Thread(target=self._run, name=f"reader {address.kind.value}", daemon=True)

    def start(self) -> None:
        self._beat(REPAIR_S)
        self._thread.start()

    def is_healthy(self) -> bool:
        """Whether the thread lives and is not stuck; where it is stuck is told once."""
        if self._is_done or not self._thread.is_alive():
            return self._is_done
        is_stuck = self._awake_s() >= self._limit_at_s
        if is_stuck and not self._has_told_stuck:
            log.error("%s: stuck at %s; the process is to be started again", self.address.shown, self._place())
        self._has_told_stuck = is_stuck
        return not is_stuck

    def stop(self, limit_s: float) -> None:
        """End the thread and close the sinks, within about `limit_s`, also when the thread hangs in a read."""
        self._is_stopping.set()
        self._thread.join(limit_s / 4)
        if self._thread.is_alive() and (source := self._source) is not None:
            source.interrupt()
            self._thread.join(limit_s / 4)
        if not self._busy.acquire(timeout=limit_s / 2):
            log.warning("%s: stuck; the recording is repaired at the next start", self.address.shown)
            return
        try:
            for sink in self._sinks:
                sink.end()
                sink.close()
        finally:
            self._busy.release()

    def _place(self) -> str:
        """File and line at which the thread stands: of a source of the user's own, if there is any."""
        steps = traceback.extract_stack(sys._current_frames().get(self._thread.ident or 0))
        own = [step for step in steps if step.filename == self.address.url] or steps[-1:]
        return f"{own[-1].filename}:{own[-1].lineno}" if own else "an unknown place"

    def _run(self) -> None:
        with self._busy:
            for sink in self._sinks:
                sink.open(partial(self._beat, REPAIR_S))
        failures = 0
        while not self._is_stopping.is_set():
            frames_before, begun_s = self.frame_at_s, self._clock.boot_s()
            trouble = self._read()
            if self._is_stopping.is_set():
                break
            # Who gives a picture and fails at once, again and again, is not tried each second.
            has_lived = isinstance(trouble, EndedError) or self._clock.boot_s() - begun_s >= WORTH_S
            failures = 1 if has_lived and self.frame_at_s != frames_before else failures + 1
            if self.address.is_once and isinstance(trouble, EndedError):
                self._set_down(trouble, None)
                break
            wait_s = backoff_s(failures, base_s=RETRY_S, limit_s=RETRY_LIMIT_S)
            self._set_down(trouble, self._clock.wall_s() + wait_s)
            self._beat(wait_s + STUCK_S)
            self._is_stopping.wait(wait_s)
        self._is_done = True

    def _read(self) -> Exception:
        """One connection, from its making to its end; returns why it ended."""
        self._has_read = False
        try:
            self._beat(LOOK_UP_S + STUCK_S)
            source = self._connect(self.address, self._wait)
        except (OSError, ValueError, av.FFmpegError, SourceError) as error:
            return error
        try:
            with self._busy:
                for sink in self._sinks:
                    sink.begin(source)
            self._source = source
            self._take_all(source)
        except (OSError, ValueError, av.FFmpegError, SourceError) as error:
            return error
        finally:
            self._source = None
            with self._busy:
                for sink in self._sinks:
                    sink.end()
            source.close()  # one of the user's own may hang in it; sinks can be closed all the same
        return EndedError("the process ends")

    def _take_all(self, source: S) -> None:
        begun_at_s = self._clock.boot_s()
        for item in source.items():
            arrival = Arrival(self._clock.wall_s(), self._clock.boot_s())
            self._beat(STUCK_S)
            is_video = source.is_video(item)
            with self._busy:
                if self._is_stopping.is_set():
                    return
                has_frame, *_ = [sink.take(item, arrival) for sink in self._sinks]
            self._has_read = True
            self.packets += is_video
            self.idle_packets = 0 if has_frame else self.idle_packets + is_video
            if has_frame:
                self.frame_at_s = arrival.boot_s
                if self.link.phase is not Phase.UP:
                    self._set_up(source)
            elif self.link.phase is not Phase.UP and arrival.boot_s - begun_at_s > QUIET_S:
                self._set_link(Link(phase=Phase.DOWN, trouble=UNDECODABLE))  # but recorded all the same

    def _wait(self, seconds: float) -> bool:
        if seconds > 0.0:
            self._beat(seconds + STUCK_S)
        return self._is_stopping.wait(seconds) if seconds > 0.0 else self._is_stopping.is_set()

    def _beat(self, limit_s: float) -> None:
        self._limit_at_s = self._awake_s() + limit_s

    def _set_up(self, source: S) -> None:
        kind = source.kind
        self._set_link(Link(phase=Phase.UP, codec=kind.codec, width=kind.width, height=kind.height))

    def _set_down(self, error: Exception, retry_at_s: float | None) -> None:
        trouble = trouble_of(error, was_connected=self._has_read)
        self._set_link(Link(phase=Phase.DOWN, trouble=trouble, retry_at_s=retry_at_s))

    def _set_link(self, link: Link) -> None:
        if link != self.link:
            self.link = link
            self._on_change()
