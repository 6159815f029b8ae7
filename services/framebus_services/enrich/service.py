"""Looks at each camera's newest frame: tells what moves, which objects live, and what the processors find."""

import logging
import sys
import time
from functools import partial
from pathlib import Path

import cv2

from framebus.bus import Bus
from framebus.codec import News
from framebus.events import EndedObject, Ending
from framebus.frame import Frame
from framebus.messages import ConfigChanged, FrameNotice, MotionBoxes, ObjectEvent, Phase
from framebus.plugin_classes import load_processor
from framebus.requests import AskProcessor
from framebus.ring import RingFormatError, RingReader
from framebus.settings import EnrichedCamera, EnrichProcessSettings
from framebus_services.enrich.archive import Archive
from framebus_services.enrich.attention import Attention
from framebus_services.enrich.configured import SettingsFile, cameras_of
from framebus_services.enrich.diary import Diary
from framebus_services.enrich.expiry import Expiry
from framebus_services.enrich.host import STEP_S, Host
from framebus_services.enrich.motion import Motion, MotionGate
from framebus_services.enrich.objects import CameraObjects, end_of
from framebus_services.enrich.orders import Load
from framebus_services.enrich.seat import Sight

log = logging.getLogger(__name__)

IDLE_S = 10.0
"""a ring without news for so long is closed, so that the memory of a camera that is gone can go"""
TELL_S = 0.1
"""how soon an update that had to wait is told after its time has come"""
STEP_ALONE_S = 1.0
"""how soon new settings are taken, and `framebus status` has a complaint, where no worker is to be looked after"""
OPEN_S = 5.0
"""how often it is written down which objects are there; after a crash they are known up to then"""
STOP_S = 4.5
"""for all of a stop; after 5 s the launcher kills"""
SWITCH_S = 0.0005
HEARD_S = 1.0
"""after so long at the latest the news of a process that starts is heard; what is said before may be lost"""


class Eye:
    """What is kept of one camera: its ring, what it usually shows, and how far it was seen."""

    def __init__(self, gate: MotionGate, objects: CameraObjects, diary: Diary) -> None:
        self.gate = gate
        self.objects = objects
        self.diary = diary
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
    def __init__(self, bus: Bus, load: Load = load_processor) -> None:
        cv2.setNumThreads(1)  # pictures are small: a second thread costs more than it brings
        self._bus = bus
        self._settings = bus.settings(EnrichProcessSettings)
        # So soon a processor that computes in pure Python on a thread gives way to the loop.
        sys.setswitchinterval(SWITCH_S)
        self._host = Host(bus, self._settings.processors, load)
        self._eyes: dict[str, Eye] = {}
        self._will_tell = False
        self._attention = Attention(bus, self._settings.detector)
        data = bus.place.data
        self._cameras = self._settings.cameras
        keep_s = {name: camera.keep_s for name, camera in self._cameras.items()}
        self._expiry = Expiry(data, keep_s, bus.clock)
        self._archive = Archive(data, self._expiry, self._count_soon)
        if keep_s:
            self._archive.start()
        for camera in keep_s:
            self._end_lost(camera, self._archive.left_open(camera))
        bus.on(FrameNotice, self._note)
        bus.on_news("config/", self._update_config)
        bus.every(IDLE_S, self._close_idle)
        bus.every(OPEN_S, self._note_open)
        bus.answer_later(AskProcessor, self._host.ask)
        self._host.start()
        self._file = SettingsFile(bus.settings_file)
        self._looks_alone = not self._host.has_workers
        self._looking = bus.every(STEP_ALONE_S if self._looks_alone else STEP_S, self._look_after)
        self._look_after()

    def stop(self) -> None:
        """Let the objects end and the processors finish, and go of the rings."""
        end_s = time.monotonic() + STOP_S
        self._attention.stop()
        for eye in self._eyes.values():
            eye.objects.end_all(Ending.STOPPED)
        self._host.shutdown()
        for eye in self._eyes.values():
            eye.close()
        self._archive.stop(max(0.5, end_s - time.monotonic()))

    def _note(self, notice: FrameNotice) -> None:
        eye = self._eyes.get(notice.camera)
        if eye is None:
            eye = self._eyes[notice.camera] = self._make_eye(notice.camera)
        eye.seen_s = self._bus.clock.boot_s()
        frame = self._read(eye, notice)
        if frame is None:
            return
        stats = self._bus.stats
        stats.count(f"frames.{notice.camera}")
        stats.observe("capture_to_enrich", max(0.0, eye.seen_s - notice.captured_up_s))
        motion = self._find_motion(eye, frame)
        if not frame.still_valid():  # the writer came round while we looked: what we saw is of two pictures
            self._drop("torn_frame", notice.camera)
            return
        if motion.boxes:
            self._bus.publish(_boxes_of(motion, frame))
        start_s = self._bus.clock.boot_s()
        objects = self._attention.see(eye, frame, motion)
        eye.diary.note(frame.captured_at_s, motion, objects, is_certain=self._attention.is_certain)
        stats.observe("objects", self._bus.clock.boot_s() - start_s)
        if not self._host.process(Sight(frame=frame, ring=notice.ring, objects=objects)):
            self._drop("torn_frame", notice.camera)
        stats.observe(f"frame.{notice.camera}", max(0.0, self._bus.clock.boot_s() - notice.captured_up_s))

    def _make_eye(self, camera: str) -> Eye:
        settings = self._cameras.get(camera, EnrichedCamera())
        objects = CameraObjects(
            camera,
            settings,
            gone_s=self._settings.gone_s,
            clock=self._bus.clock,
            publish=self._tell_object,
            archive=self._archive,
        )
        return Eye(MotionGate(settings.masks), objects, Diary(partial(self._archive.note_shown, camera)))

    def _read(self, eye: Eye, notice: FrameNotice) -> Frame | None:
        stats = self._bus.stats
        try:
            ring = eye.open(notice)
        except (OSError, RingFormatError) as error:
            self._drop("no_ring", notice.camera)
            if stats.counters[f"dropped.no_ring.{notice.camera}"] == 1:
                log.warning("camera %s: no ring: %s; more of them are only counted", notice.camera, error)
            return None
        stats.count(f"missed.{notice.camera}", eye.skipped(notice.number))
        frame = ring.read(notice.number, camera=notice.camera)
        if frame is None:
            self._drop("stale_frame", notice.camera)
        return frame

    def _drop(self, reason: str, camera: str) -> None:
        self._bus.stats.count(f"dropped.{reason}.{camera}")

    def _look_after(self) -> None:
        self._host.step()
        settings = self._file.look()
        if settings is not None and settings.processors != self._settings.processors:
            self._settings = settings
            self._host.take(settings.processors)
        if self._looks_alone is self._host.has_workers:
            self._looks_alone = not self._looks_alone
            self._looking.cancel()
            self._looking = self._bus.every(STEP_ALONE_S if self._looks_alone else STEP_S, self._look_after)
        self._bus.complaint = "; ".join([*self._attention.complaints, *self._host.complaints])

    def _find_motion(self, eye: Eye, frame: Frame) -> Motion:
        start_s = self._bus.clock.boot_s()
        motion = eye.gate.find(frame.luma, frame.captured_boot_ns / 1e9)
        self._bus.stats.observe("motion", self._bus.clock.boot_s() - start_s)
        return motion

    def _tell_object(self, event: ObjectEvent) -> None:
        self._bus.publish(event)
        self._bus.stats.count(f"objects.{event.phase.value}")
        if event.phase is Phase.START and (eye := self._eyes.get(event.camera)) is not None:
            eye.diary.note_start(event)
        if event.phase is Phase.END:
            self._host.expire(event.id, event.camera)
        elif not self._will_tell:
            self._will_tell = True
            self._bus.after(TELL_S, self._tell_due)

    def _tell_due(self) -> None:
        """As long as there are objects."""
        for eye in self._eyes.values():
            eye.objects.tell_due()
        self._will_tell = any(not eye.objects.is_empty for eye in self._eyes.values())
        if self._will_tell:
            self._bus.after(TELL_S, self._tell_due)

    def _note_open(self) -> None:
        for eye in self._eyes.values():
            if not eye.objects.is_empty:
                eye.objects.note_open()

    def _end_lost(self, camera: str, lost: list[EndedObject]) -> None:
        """Keep what was there when the process before this one died, and tell its end when somebody can hear it."""
        for event in lost:
            self._archive.add(event, None)
            self._bus.after(HEARD_S, partial(self._tell_object, end_of(event)))
        if lost:
            self._archive.note_open(camera, [])
            log.info("camera %s: enrich died while objects were there: %d; they have ended", camera, len(lost))

    def _count_soon(self, what: str) -> None:
        self._bus.call_soon(partial(self._bus.stats.count, what))

    def _update_config(self, news: News) -> None:
        changed = news.decode()
        if isinstance(changed, ConfigChanged):
            if changed.section == "cameras":
                known_keep_s = {name: camera.keep_s for name, camera in self._cameras.items()}
                self._take_cameras(cameras_of(changed, known_keep_s))
            self._host.update_config(news.topic, changed.value)

    def _take_cameras(self, cameras: dict[str, EnrichedCamera]) -> None:
        """Cameras come and go, zones and masks change: who is not concerned is not touched."""
        for name in self._cameras.keys() | cameras.keys():
            if cameras.get(name) == self._cameras.get(name):
                continue
            if (eye := self._eyes.pop(name, None)) is not None:  # what it saw does not fit the new areas
                eye.objects.end_all(Ending.STOPPED)
                eye.close()
            if name in cameras:
                self._expiry.watch(name, cameras[name].keep_s)
                self._archive.start()
        self._cameras = cameras

    def _close_idle(self) -> None:
        idle_since_s = self._bus.clock.boot_s() - IDLE_S
        for eye in self._eyes.values():
            if eye.seen_s < idle_since_s:
                eye.close()


def _boxes_of(motion: Motion, frame: Frame) -> MotionBoxes:
    return MotionBoxes(
        camera=frame.camera,
        number=frame.number,
        captured_at_s=frame.captured_at_s,
        width=frame.width,
        height=frame.height,
        boxes=motion.boxes,
        area=motion.area,
    )
