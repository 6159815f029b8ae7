"""Processors for worker processes of the tests, and the function by which those find them."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable, Iterator
from typing import Any

from framebus.errors import ErrorCode, RefusedError
from framebus.frame import Frame
from framebus.messages import Finding, ObjectEvent
from framebus.processor import AnyProcessor, DeferredProcessor, Pictured, Processor
from services.enrich.loading import loader

JPEG = b"\xff\xd8 a picture"


def finding(label: str, camera: str = "front", **fields: Any) -> Finding:
    return Finding(processor="toy", camera=camera, label=label, **fields)


class Toy(Processor):
    """Tells what it gets; objects with certain names cost it its process."""

    def __init__(self, text: str = "frame") -> None:
        self._text = text
        self._config: object = None
        self._hoard: list[bytearray] = []

    def process_frame(self, frame: Frame) -> Iterator[Finding]:
        yield finding(self._text, frame.camera, value=float(frame.luma[0, 0]))

    def process_object(self, object: ObjectEvent, frame: Frame) -> Iterator[Finding | Pictured]:
        if object.id == "segfault":
            ctypes.string_at(0)
        if object.id == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if object.id == "hang":
            time.sleep(60.0)
        if object.id == "raise":
            raise ZeroDivisionError("in a process")
        while object.id == "leak":
            self._hoard.append(bytearray(16 * 1_024 * 1_024))
        yield Pictured(finding=finding(object.id, frame.camera, object_id=object.id), jpeg=JPEG)

    def expire_object(self, id: str, camera: str) -> Iterable[Finding]:
        return [finding("gone", camera, object_id=id)]

    def update_config(self, topic: str, payload: Any) -> None:
        self._config = payload

    def handle_request(self, topic: str, data: Any) -> Any:
        if topic == "refuse":
            raise RefusedError(ErrorCode.CONFLICT, "not now", retry_after_s=3.0)
        return {"pid": os.getpid(), "config": self._config} if topic == "who" else None

    def shutdown(self) -> Iterable[Finding]:
        return [finding("bye")]


class DeferredToy(DeferredProcessor[int]):
    def defer_frame(self, frame: Frame) -> int | None:
        return int(frame.luma[0, 0]) if frame.luma[0, 0] > 50 else None

    def defer_object(self, object: ObjectEvent) -> int | None:  # type: ignore[override]  # lacks an argument
        return None

    def process_task(self, task: int) -> Iterator[Finding]:
        yield finding("deferred", value=float(task))


class Unmade(Processor):
    def __init__(self) -> None:
        raise OSError("there is no model")


CLASSES: dict[str, type[AnyProcessor]] = {"toy": Toy, "deferred_toy": DeferredToy, "unmade": Unmade}
load_installed = loader(CLASSES)


def load(name: str) -> type[AnyProcessor]:
    return load_installed(name)
