"""What looks at each frame and tells what it found: the base class of processors, built in or your own.

A processor lives in the service `enrich`, one object for all cameras. It returns findings; the service publishes them.
"""

from collections.abc import Iterable
from typing import Any

from framebus.frame import Frame
from framebus.messages import Finding


class Processor:
    """Override what you need. The keyword arguments of `__init__` are its settings, checked against their annotations.

    All methods are called on the service's one thread and should not block. What one raises is counted and logged; the
    next frame comes all the same.
    """

    def process_frame(self, frame: Frame) -> Iterable[Finding]:
        """What is to be told of this frame; may be a generator. Its `camera` must be the frame's.

        The pixels are a view that lasts for a few frames only: to keep them, keep a `frame.copy()`.
        """
        return ()

    def expire_object(self, id: str, camera: str) -> None:
        """This object is gone and will not come back: forget it."""

    def update_config(self, topic: str, payload: Any) -> None:
        """A section of the configuration, named by `topic` as in `config/cameras.front/`, has this new value."""

    def shutdown(self) -> None:
        """The service ends: give back what is held, within a second."""
