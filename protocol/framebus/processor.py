"""What looks at frames and objects and tells what it found: the base classes of processors, built in or your own.

A processor lives in the service `enrich`, one object for all cameras. It returns findings; the service publishes them.

| class | its work runs | for |
| --- | --- | --- |
| `Processor` | on the loop that sees every frame | what takes less than a millisecond |
| `DeferredProcessor` | on a thread of its own | what is slow; the loop only cuts out what it needs |

With `isolate: true` in the configuration either kind gets a process of its own, so that it may crash or leak.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from framebus.messages import Finding, ObjectEvent

if TYPE_CHECKING:  # who has no pictures in hand loads no library of pictures
    from framebus.frame import Frame

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Pictured:
    """A finding with a picture."""

    finding: Finding
    jpeg: bytes
    """at most 4 MiB"""


Found = Finding | Pictured


class BaseProcessor:
    """What both kinds have in common. The keyword arguments of `__init__` are its settings, checked against their
    annotations. What a method raises is counted and logged; the next call comes all the same.

    Where settings change while the service runs, a new one is made with them and takes the place of the old one, whose
    `shutdown` is called then; `__init__` may run on another thread than all else.
    """

    def handle_request(self, topic: str, data: Any) -> Any:
        """The answer to an `enrich.request`, of values that MessagePack can carry; None: this topic is not for me.

        To refuse, raise RefusedError.
        """
        return None

    def expire_object(self, id: str, camera: str) -> Iterable[Found] | None:
        """This object is gone and will not come back: tell what is left to tell of it, and forget it.

        Never left out, and called after the work that was at hand for the object.
        """
        return None

    def update_config(self, topic: str, payload: Any) -> None:
        """A section of the configuration, named by `topic` as in `config/cameras/`, has this new value."""

    def shutdown(self) -> Iterable[Found] | None:
        """The service ends: tell what is left to tell, and give back what is held, within a second."""
        return None


class Processor(BaseProcessor):
    """Override what you need. All methods are called on the service's one thread and should not block."""

    def process_frame(self, frame: "Frame") -> Iterable[Found]:
        """What is to be told of this frame; may be a generator. Its `camera` must be the frame's.

        The pixels are a view that lasts for a few frames only: to keep them, keep a `frame.copy()`.
        """
        return ()

    def process_object(self, object: ObjectEvent, frame: "Frame") -> Iterable[Found]:
        """What is to be told of this object, which is seen in this frame; `object.box` says where."""
        return ()


class DeferredProcessor(BaseProcessor, ABC, Generic[T]):
    """Slow work, which nobody waits for. `T` is what one piece of it needs, a class of your own.

    The loop calls `defer_frame` and `defer_object`: cheap gating, within a millisecond; what they cut out they copy.
    What they return waits in a bounded queue. All other methods are called on the worker, which owns the state of the
    processor; so no locks.
    """

    def defer_frame(self, frame: "Frame") -> T | None:
        """The task for this frame; None: there is nothing to do. On the loop."""
        return None

    def defer_object(self, object: ObjectEvent, frame: "Frame") -> T | None:
        """The task for this object, which is seen in this frame; None: there is nothing to do. On the loop."""
        return None

    @abstractmethod
    def process_task(self, task: T) -> Iterable[Found]:
        """What is to be told of it; may be a generator. On the worker."""


AnyProcessor = Processor | DeferredProcessor[Any]
