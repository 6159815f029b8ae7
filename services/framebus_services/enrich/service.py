"""Looks at each camera's newest frame: tells what moves, and what the processors find."""

import logging
from collections.abc import Mapping
from pathlib import Path

import cv2
import msgspec

from framebus.bus import Bus
from framebus.codec import News
from framebus.frame import Frame
from framebus.messages import ConfigChanged, FrameNotice, MotionBoxes
from framebus.processor import Processor
from framebus.ring import RingFormatError, RingReader
from framebus.settings import EnrichSettings
from framebus_services.enrich.host import BUILT_IN, Host
from framebus_services.enrich.motion import MotionGate

log = logging.getLogger(__name__)

IDLE_S = 10.0
"""a ring without news for so long is closed, so that the memory of a camera that is gone can go"""


class Eye:
    """What is kept of one camera: its ring, what it usually shows, and how far it was seen."""

    def __init__(self) -> None:
        self.gate = MotionGate()
        self.ring: RingReader | None = None
        self.seen_s = 0.0
        self._number = 0

    def open(self, notice: FrameNotice) -> RingReader:
        """The ring that the notice names; raises OSError or RingFormatError."""
        path = Path(notice.ring)
        if self.ring is None or self.ring.path != path:
            self.close()
            self.ring = RingReader.open(path)
        return self.ring

    def skipped(self, number: int) -> int:
        """How many frames lie between the one seen before and this."""
        skipped = max(0, number - self._number - 1) if self._number else 0
        self._number = number
        return skipped

    def close(self) -> None:
        if self.ring is not None:
            self.ring.close()
            self.ring = None
            self._number = 0


class Enrich:
    def __init__(self, bus: Bus, known: Mapping[str, type[Processor]] = BUILT_IN) -> None:
        cv2.setNumThreads(1)  # pictures are small: a second thread costs more than it brings
        self._bus = bus
        self._host = Host(bus.settings(EnrichSettings).processors, bus.stats, bus.clock, known)
        self._eyes: dict[str, Eye] = {}
        bus.on(FrameNotice, self._note)
        bus.on_news("config/", self._update_config)
        bus.every(IDLE_S, self._close_idle)

    def stop(self) -> None:
        """Let the processors finish, and go of the rings."""
        self._host.shutdown()
        for eye in self._eyes.values():
            eye.close()

    def _note(self, notice: FrameNotice) -> None:
        eye = self._eyes.get(notice.camera)
        if eye is None:
            eye = self._eyes[notice.camera] = Eye()
        eye.seen_s = self._bus.clock.boot_s()
        frame = self._read(eye, notice)
        if frame is None:
            return
        stats = self._bus.stats
        stats.count(f"frames.{notice.camera}")
        stats.observe("capture_to_enrich", max(0.0, eye.seen_s - notice.captured_up_s))
        motion = self._find_motion(eye, frame)
        findings = self._host.process(frame)
        if not frame.still_valid():  # the writer came round while we looked: what we saw is of two pictures
            stats.count("dropped.torn_frame")
            return
        if motion is not None:
            self._bus.publish(motion)
        for finding in findings:
            self._bus.publish(finding)

    def _read(self, eye: Eye, notice: FrameNotice) -> Frame | None:
        stats = self._bus.stats
        try:
            ring = eye.open(notice)
        except (OSError, RingFormatError) as error:
            stats.count("dropped.no_ring")
            if stats.counters["dropped.no_ring"] == 1:
                log.warning("camera %s: no ring: %s; more of them are only counted", notice.camera, error)
            return None
        stats.count(f"missed.{notice.camera}", eye.skipped(notice.number))
        frame = ring.read(notice.number, camera=notice.camera)
        if frame is None:
            stats.count("dropped.stale_frame")
        return frame

    def _find_motion(self, eye: Eye, frame: Frame) -> MotionBoxes | None:
        start_s = self._bus.clock.boot_s()
        motion = eye.gate.find(frame.luma, frame.captured_boot_ns / 1e9)
        self._bus.stats.observe("motion", self._bus.clock.boot_s() - start_s)
        if not motion.boxes:
            return None
        return MotionBoxes(
            camera=frame.camera,
            number=frame.number,
            captured_at_s=frame.captured_at_s,
            width=frame.width,
            height=frame.height,
            boxes=motion.boxes,
            area=motion.area,
        )

    def _update_config(self, news: News) -> None:
        changed = news.decode()
        if isinstance(changed, ConfigChanged):
            self._host.update_config(news.topic, msgspec.msgpack.decode(changed.value))

    def _close_idle(self) -> None:
        idle_since_s = self._bus.clock.boot_s() - IDLE_S
        for eye in self._eyes.values():
            if eye.seen_s < idle_since_s:
                eye.close()
