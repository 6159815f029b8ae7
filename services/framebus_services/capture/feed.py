"""The ring between a camera and its readers, made for the size and format of its pictures; and the notices."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from framebus.clock import Clock
from framebus.frame import PixelFormat
from framebus.messages import Cause, FrameNotice
from framebus.ring import RingSlot, RingSpaceError, RingWriter
from framebus_services.capture.timestamps import Arrival
from framebus_services.capture.trouble import Trouble

SLOTS = 8
RETRY_S = 5.0

OnPicture = Callable[[FrameNotice, float], None]
"""called with the notice, and the seconds from the picture's arrival until it stood in the ring"""
Shape = tuple[int, int, PixelFormat]
"""width, height and format"""


class RingFeed:
    """The ring of one camera, for the reader's thread."""

    def __init__(
        self, camera: str, shm: Path, epoch: int, clock: Clock, on_picture: OnPicture, tally: Counter[str]
    ) -> None:
        self._camera = camera
        self._shm = shm
        self._epoch = epoch
        self._clock = clock
        self._on_picture = on_picture
        self._tally = tally
        self.trouble: Trouble | None = None
        """why there are no pictures"""
        self.ring: RingWriter | None = None
        self._shape: Shape | None = None
        self._retry_at_s = 0.0

    def make_ring(self, shape: Shape) -> RingWriter:
        """The ring for pictures of this shape; each new one is a new epoch. Raises OSError, RingSpaceError too."""
        if self.ring is not None and self._shape == shape:
            return self.ring
        width, height, pixel_format = shape
        path = self._shm / f"{self._camera}.{self._epoch}.ring"
        ring = RingWriter.create(
            path, width=width, height=height, pixel_format=pixel_format, slots=SLOTS, epoch=self._epoch
        )
        self._epoch += 1
        self.close()
        self.ring, self._shape = ring, shape
        return ring

    def put(self, shape: Shape, fill: Callable[[RingSlot], None], pts_us: int, arrival: Arrival) -> None:
        """Let `fill` write a picture into the next slot, and tell of it; where there is no ring it is counted."""
        ring = self._ring_for(shape)
        if ring is None:
            self._tally["dropped.no_ring"] += 1
            return
        slot = ring.begin()
        fill(slot)
        captured_boot_ns = round(arrival.boot_s * 1e9)
        number = ring.commit(slot, pts_us=pts_us, captured_at_s=arrival.wall_s, captured_boot_ns=captured_boot_ns)
        self._tally["pictures"] += 1
        width, height, pixel_format = shape
        notice = FrameNotice(
            camera=self._camera,
            ring=str(ring.path),
            slot=number % SLOTS,
            number=number,
            ring_epoch=ring.epoch,
            width=width,
            height=height,
            format=pixel_format,
            pts_us=pts_us,
            captured_at_s=arrival.wall_s,
            captured_up_s=arrival.boot_s,
        )
        self._on_picture(notice, self._clock.boot_s() - arrival.boot_s)

    def close(self) -> None:
        """Remove the ring."""
        ring, self.ring = self.ring, None
        if ring is not None:
            ring.unlink()
            ring.close()

    def _ring_for(self, shape: Shape) -> RingWriter | None:
        if self.trouble is not None and self._clock.boot_s() < self._retry_at_s:
            return None
        try:
            ring = self.make_ring(shape)
        except RingSpaceError as error:
            self.trouble = Trouble(Cause.NO_SPACE, space_detail(error))
        except OSError as error:
            self.trouble = Trouble(Cause.UNKNOWN, f"no pictures: the ring can't be made: {error.strerror}")
        else:
            self.trouble = None
            return ring
        self._retry_at_s = self._clock.boot_s() + RETRY_S
        return None


def space_detail(error: RingSpaceError) -> str:
    """What is missing, in words, and which setting would help."""
    return (
        f"no pictures: the ring needs {error.needed_bytes} bytes of shared memory, {error.free_bytes} are free; "
        "set a smaller detect.width and detect.height, or enlarge the shared memory"
    )
