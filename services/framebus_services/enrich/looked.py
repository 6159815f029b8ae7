"""What enrich and the detector's process say to each other. Needs no camera libraries."""

import msgspec

LOOK, OPEN_LOOKER = "framebus_services.enrich.look:look", "framebus_services.enrich.look:open_looker"
"""what the process does"""
SHOWN_LABELS = 8


class Describe(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Asks what model it is."""


class Look(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Asks what is in a frame."""

    camera: str
    ring: str
    number: int
    size: tuple[int, int]
    """width and height of the frame"""
    views: list[tuple[int, int, int, int]]


class Described(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What model it is, or why there is none."""

    problem: str = ""
    setting: str = "model"
    """that has to change"""
    layout: str = ""
    engine: str = ""
    labels: list[str] = []
    size: tuple[int, int] = (0, 0)
    run_s: float = 0.0
    """for one picture"""
    memory_bytes: int = 0

    def summary(self) -> str:
        """What model it is, in one line."""
        labels = ", ".join(self.labels[:SHOWN_LABELS]) + (", ..." if len(self.labels) > SHOWN_LABELS else "")
        named = f"{len(self.labels)} labels ({labels})" if labels else "labels are told by their numbers"
        size = f"{self.size[0]}x{self.size[1]}"
        return f"{self.layout}, {size}, {named}, {self.run_s * 1e3:.0f} ms a picture on {self.engine}"


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    box: tuple[float, float, float, float]
    """left, top, width, height in pixels of the frame"""
    score: float
    label: str


class Looked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What is in a frame."""

    dropped: str = ""
    """why nobody looked: no_ring, stale_frame or torn_frame"""
    sights: list[Sight] = []
    run_s: float = 0.0
    memory_bytes: int = 0
