"""Gives the frames of each camera to a detector where one works, and to the eye for motion where none does."""

import logging
from functools import partial
from typing import Protocol

from framebus.bus import Bus
from framebus.detector_settings import DetectorSettings
from framebus.frame import Frame
from framebus.messages import ObjectEvent
from framebus.ring import RingReader
from framebus_services.enrich.looked import Described, Look, Looked
from framebus_services.enrich.lookout import Asked, Calls, Lookout
from framebus_services.enrich.motion import Motion
from framebus_services.enrich.objects import CameraObjects, Moment
from framebus_services.enrich.sights import Gaze
from framebus_services.enrich.tracker import Detection
from framebus_services.enrich.views import views_of

log = logging.getLogger(__name__)

PATIENCE_S = 20.0
"""so long a model may take to load; until then no object starts that would be called `motion`, and end soon"""


class Watched(Protocol):
    """What is kept of a camera."""

    ring: RingReader | None
    objects: CameraObjects


class _Context:
    """What an answer belongs to."""

    def __init__(self, watched: Watched, gaze: Gaze, moment: Moment) -> None:
        self.watched = watched
        self.gaze = gaze
        self.moment = moment


class Attention:
    """The detector of one enrich process, if it has one."""

    def __init__(self, bus: Bus, settings: DetectorSettings | None) -> None:
        self._bus = bus
        self._settings = settings
        self._model: Described | None = None
        self._patience_until_s = bus.clock.boot_s() + PATIENCE_S
        self._complaint = ""
        self._lookout: Lookout | None = None
        if settings is not None:
            calls = Calls(
                seen=lambda asked, looked: bus.call_soon(partial(self._take, asked, looked)),
                dropped=lambda reason, camera: bus.call_soon(partial(self._drop, reason, camera)),
                working=lambda described: bus.call_soon(partial(self._note_working, described)),
                failed=lambda problem: bus.call_soon(partial(self._note_failure, problem)),
            )
            self._lookout = Lookout(settings, bus.clock, calls)
            self._lookout.start()

    @property
    def complaints(self) -> list[str]:
        """What is not well, in sentences."""
        return [self._complaint] if self._complaint else []

    @property
    def is_certain(self) -> bool:
        """Whether it is known of what moves if it is an object: no detector is wanted, or it works."""
        return self._settings is None or (self._model is not None and not self._complaint)

    def stop(self) -> None:
        """End the detector's process."""
        if self._lookout is not None:
            self._lookout.stop()

    def see(self, watched: Watched, frame: Frame, motion: Motion) -> list[ObjectEvent]:
        """Take up a frame; returns the objects that are seen in it.

        A detector needs longer than the frame is new: of what it has seen since the frame before, the boxes are where
        the objects should be by now.
        """
        if self._settings is None or self._lookout is None or self._complaint:
            return watched.objects.see(frame, motion)
        if self._model is None:
            is_late = self._bus.clock.boot_s() > self._patience_until_s
            return watched.objects.see(frame, motion) if is_late else []
        gaze = watched.objects.gaze(frame, motion, self._settings)
        objects = watched.objects.recent(frame)
        if gaze is None or watched.ring is None:
            return objects
        views = views_of(gaze.boxes, frame.width, frame.height, self._model.size)
        look = Look(
            camera=frame.camera,
            ring=str(watched.ring.path),
            number=frame.number,
            size=(frame.width, frame.height),
            views=views,
        )
        context = _Context(watched, gaze, Moment.of(frame))
        boot_s = frame.captured_boot_ns / 1e9
        if not self._lookout.offer(Asked(look=look, captured_boot_s=boot_s, context=context)):
            self._drop("replaced", frame.camera)
        return objects

    def _take(self, asked: Asked, looked: Looked) -> None:
        context: _Context = asked.context
        camera, stats = asked.look.camera, self._bus.stats
        stats.count(f"detector.looks.{camera}")
        stats.observe("detector.run", looked.run_s)
        stats.observe(f"detector.{camera}", max(0.0, self._bus.clock.boot_s() - asked.captured_boot_s))
        for sight in looked.sights:
            if self._settings is not None and sight.score >= self._settings.min_score:
                stats.count(f"detections.{sight.label}")
        detections = [Detection(box=sight.box, score=sight.score, label=sight.label) for sight in looked.sights]
        ring = context.watched.ring
        is_there = ring is not None and str(ring.path) == asked.look.ring
        frame = ring.read(asked.look.number, camera=camera) if ring is not None and is_there else None
        context.watched.objects.see_detected(detections, context.gaze, context.moment, frame)

    def _drop(self, reason: str, camera: str) -> None:
        self._bus.stats.count(f"detector.dropped.{reason}.{camera}")

    def _note_working(self, described: Described) -> None:
        self._model = described
        self._complaint = ""
        self._bus.stats.gauge("detector.working", 1.0)

    def _note_failure(self, problem: str) -> None:
        self._complaint = problem
        self._bus.stats.count("detector.failures")
        self._bus.stats.gauge("detector.working", 0.0)
