"""framebus: camera video as small processes that talk over ZeroMQ.

The public names are loaded when they are first used: importing the package alone brings in neither zmq nor numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framebus.bus import Bus
    from framebus.client import cancel, frames, snapshot, submit, watch
    from framebus.errors import RefusedError
    from framebus.frame import Frame, PixelFormat
    from framebus.hands import Worker
    from framebus.jobs import JobType
    from framebus.messages import (
        Box,
        CameraStatus,
        Finding,
        FrameNotice,
        JobBoard,
        JobView,
        MotionBoxes,
        ObjectEvent,
        Phase,
    )
    from framebus.place import Place
    from framebus.processor import DeferredProcessor, Pictured, Processor
    from framebus.ring import RingReader, RingWriter, newest_ring
    from framebus.runner import JobRunner, Output, Report, RunnerContext, WorkError
    from framebus.service import run
    from framebus.settings import QueuePolicy
    from framebus.source import CameraSource, Picture
    from framebus.transport import SocketBus
    from framebus.worker import TaskEnd, TaskOutcome, WorkerProcess

    __version__: str

__all__ = [
    "Box",
    "Bus",
    "CameraSource",
    "CameraStatus",
    "DeferredProcessor",
    "Finding",
    "Frame",
    "FrameNotice",
    "JobBoard",
    "JobRunner",
    "JobType",
    "JobView",
    "MotionBoxes",
    "ObjectEvent",
    "Output",
    "Phase",
    "Picture",
    "Pictured",
    "PixelFormat",
    "Place",
    "Processor",
    "QueuePolicy",
    "RefusedError",
    "Report",
    "RingReader",
    "RingWriter",
    "RunnerContext",
    "SocketBus",
    "TaskEnd",
    "TaskOutcome",
    "WorkError",
    "Worker",
    "WorkerProcess",
    "__version__",
    "cancel",
    "frames",
    "newest_ring",
    "run",
    "snapshot",
    "submit",
    "watch",
]

_HOMES = {
    "framebus.bus": ["Bus"],
    "framebus.client": ["cancel", "frames", "snapshot", "submit", "watch"],
    "framebus.errors": ["RefusedError"],
    "framebus.frame": ["Frame", "PixelFormat"],
    "framebus.jobs": ["JobType"],
    "framebus.messages": [
        "Box",
        "CameraStatus",
        "Finding",
        "FrameNotice",
        "JobBoard",
        "JobView",
        "MotionBoxes",
        "ObjectEvent",
        "Phase",
    ],
    "framebus.place": ["Place"],
    "framebus.processor": ["DeferredProcessor", "Pictured", "Processor"],
    "framebus.ring": ["RingReader", "RingWriter", "newest_ring"],
    "framebus.hands": ["Worker"],
    "framebus.runner": ["JobRunner", "Output", "Report", "RunnerContext", "WorkError"],
    "framebus.service": ["run"],
    "framebus.settings": ["QueuePolicy"],
    "framebus.source": ["CameraSource", "Picture"],
    "framebus.task": ["TaskEnd", "TaskOutcome"],
    "framebus.transport": ["SocketBus"],
    "framebus.worker": ["WorkerProcess"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("framebus")
    if name not in _HOME:
        raise AttributeError(f"module 'framebus' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
