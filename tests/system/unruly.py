"""Processors that do what no processor should, for groups of real processes."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from framebus.frame import Frame
from framebus.messages import Finding
from framebus.processor import DeferredProcessor, Processor

HOW = ("raise", "exit", "interrupt", "hang", "segfault", "kill", "leak")


def misbehave(how: str) -> None:
    if how == "raise":
        raise ZeroDivisionError("on purpose")
    if how == "exit":
        sys.exit(3)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "hang":
        time.sleep(600.0)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "leak":
        hoard = []
        while True:
            hoard.append(bytearray(16 * 1_024 * 1_024))


class Quick(Processor):
    """Takes a millisecond for each frame."""

    def process_frame(self, frame: Frame) -> Iterator[Finding]:
        time.sleep(0.001)
        yield Finding(processor="quick", camera=frame.camera, label="frame")


class Slow(DeferredProcessor[int]):
    def __init__(self, takes_s: float = 0.2) -> None:
        self._takes_s = takes_s

    def defer_frame(self, frame: Frame) -> int:
        return frame.number

    def process_task(self, task: int) -> Iterator[Finding]:
        time.sleep(self._takes_s)
        yield Finding(processor="slow", camera="front", label="frame", value=float(task))


class Mood:
    """When to misbehave: at every so manieth frame; or only once, from that frame on, if `mark` names a file.

    That file is then as old as the misdeed, and beside it `<mark>.back` as old as the first work after it.
    """

    def __init__(self, how: str, every: int, mark: str) -> None:
        self._how = how
        self._every = every
        self._mark = Path(mark) if mark else None

    def at(self, number: int) -> None:
        if self._mark is None:
            if number % self._every == 0:
                misbehave(self._how)
        elif self._mark.exists():
            self._mark.with_suffix(".back").touch(exist_ok=True)
        elif number >= self._every:
            self._mark.touch()
            misbehave(self._how)


class Unruly(Processor):
    """Misbehaves now and then, and tells all other frames."""

    def __init__(self, how: str = "raise", every: int = 20, mark: str = "") -> None:
        self._mood = Mood(how, every, mark)

    def process_frame(self, frame: Frame) -> Iterator[Finding]:
        self._mood.at(frame.number)
        yield Finding(processor="unruly", camera=frame.camera, label="frame")


class Deferred(DeferredProcessor[int]):
    """The same, on a worker."""

    def __init__(self, how: str = "raise", every: int = 20, mark: str = "") -> None:
        self._mood = Mood(how, every, mark)

    def defer_frame(self, frame: Frame) -> int:
        return frame.number

    def process_task(self, task: int) -> Iterator[Finding]:
        self._mood.at(task)
        yield Finding(processor="deferred", camera="front", label="frame", value=float(task))
