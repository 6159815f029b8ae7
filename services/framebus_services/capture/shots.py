"""Puts the pictures of a source of the user's own into the ring as they come; scaled or thinned only where asked."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from framebus.clock import Clock
from framebus.frame import PixelFormat, Pixels
from framebus.frame import planes as planes_of
from framebus.ring import RingSlot, RingWriter
from framebus.settings import Detect
from framebus_services.capture.feed import OnPicture, RingFeed, Shape
from framebus_services.capture.plugin import PluginSource, Shot
from framebus_services.capture.sampling import FrameGate, picture_size
from framebus_services.capture.timestamps import Arrival
from framebus_services.capture.trouble import PluginError, Trouble

OLDEST_S = 60.0
"""A capture time that lies further back than that, or ahead, is no time of this clock."""
MOST_META = 32


class Shots:
    """The ring of one camera and what fills it; for the reader's thread."""

    def __init__(self, camera: str, detect: Detect, shm: Path, epoch: int, clock: Clock, on_picture: OnPicture) -> None:
        self._detect = detect
        self.tally: Counter[str] = Counter()
        self.meta: dict[str, float] = {}
        """the newest numbers of each name that the source tells of its pictures"""
        self._feed = RingFeed(camera, shm, epoch, clock, on_picture, self.tally)
        self._gate: FrameGate | None = None
        self._last_boot_s = 0.0

    @property
    def ring(self) -> RingWriter | None:
        return self._feed.ring

    @property
    def trouble(self) -> Trouble | None:
        """Why there are no pictures."""
        return self._feed.trouble

    def open(self, beat: Callable[[], None]) -> None:
        """Load what scales, so that no picture waits for it; the ring is made when the shape of pictures is known."""
        if self._detect.width or self._detect.height:
            import cv2  # noqa: PLC0415  as for a snapshot

            cv2.setNumThreads(1)

    def begin(self, source: PluginSource) -> None:
        """A connection was made; its pictures follow."""
        self._gate = FrameGate(self._detect.fps) if self._detect.fps else None

    def take(self, shot: Shot, arrival: Arrival, /) -> bool:
        """Put a picture into the ring."""
        self.tally["frames"] += 1
        self._note_meta(shot)
        if self._gate is not None and not self._gate.passes(arrival.boot_s):
            return True
        shape = scaled_shape(shot.shape, self._detect)
        taken = self._captured(shot, arrival)
        pts_us = round(taken.boot_s * 1e6) if shot.pts_us is None else int(shot.pts_us)
        self._feed.put(shape, partial(_fill, shot, shape), pts_us, taken)
        return True

    def end(self) -> None:
        """The connection is gone."""

    def close(self) -> None:
        """The process ends: the ring goes."""
        self._feed.close()

    def _captured(self, shot: Shot, arrival: Arrival) -> Arrival:
        """When the picture was taken, as far as its source knows; never before the picture before."""
        boot_s = arrival.boot_s
        if shot.captured_at_s is not None:
            ago_s = arrival.wall_s - shot.captured_at_s
            if 0.0 <= ago_s < OLDEST_S:
                boot_s -= ago_s
            else:
                self.tally["mended.captured_at"] += 1
        boot_s = max(boot_s, self._last_boot_s)
        self._last_boot_s = boot_s
        return Arrival(arrival.wall_s - (arrival.boot_s - boot_s), boot_s)

    def _note_meta(self, shot: Shot) -> None:
        for name, value in shot.meta.items():
            is_number = isinstance(value, int | float) and math.isfinite(value)
            if is_number and (name in self.meta or len(self.meta) < MOST_META):
                self.meta[str(name)[:40]] = float(value)
            else:
                self.tally["dropped.meta"] += 1


def scaled_shape(shape: Shape, detect: Detect) -> Shape:
    """The shape in the ring; raises PluginError when a mosaic is to be scaled, which would mix its colours."""
    width, height, pixel_format = shape
    if not (detect.width or detect.height):
        return shape
    size = picture_size(width, height, detect)
    if pixel_format is PixelFormat.BAYER_RGGB8 and size != (width, height):
        raise PluginError("pictures of BAYER_RGGB8 can't be scaled; leave out detect.width and detect.height")
    return (*size, pixel_format)


def _fill(shot: Shot, shape: Shape, slot: RingSlot) -> None:
    if shape == shot.shape:
        np.copyto(slot.pixels, shot.pixels)
    elif shape[2] is PixelFormat.I420:
        flat = np.ascontiguousarray(shot.pixels, np.uint8).reshape(-1)
        for source, target in zip(planes_of(flat, shot.shape[0], shot.shape[1]), slot.planes, strict=True):
            _scale(source, target)
    else:
        _scale(shot.pixels, slot.pixels)


def _scale(source: Pixels, target: Pixels) -> None:
    import cv2  # noqa: PLC0415  loaded by now

    np.copyto(target, cv2.resize(source, (target.shape[1], target.shape[0]), interpolation=cv2.INTER_AREA))
