"""Hears of objects and cameras, asks the rules, and has a job made of what somebody is to be told."""

import hashlib
import logging
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Raw

from framebus import codec
from framebus.bus import Bus
from framebus.errors import ConfigError
from framebus.jobs import FINAL
from framebus.messages import CameraStatus, JobView, ObjectEvent
from framebus.notify_settings import NotifyProcessSettings
from framebus.requests import JobAccepted, SubmitJob
from framebus_services.notify.absences import Absences, Told
from framebus_services.notify.contract import NOTIFY, Kind, NotifyParams
from framebus_services.notify.handing_in import HandingIn
from framebus_services.notify.pictures import PictureFiles, take_picture
from framebus_services.notify.rules import ObjectRules
from framebus_services.notify.words import camera_text, object_text

log = logging.getLogger(__name__)

LOOK_S = 1.0
SWEEP_S = 600.0
ASK_S = 3.0
CAMERA_PREFIX = "camera/"


class Companion:
    """What the notify service does beside posting."""

    def __init__(self, bus: Bus, hands: HandingIn | None = None) -> None:
        """`hands` is another's in tests."""
        self._bus = bus
        settings = bus.settings(NotifyProcessSettings)
        zone = zone_of(settings.timezone)
        self._objects = ObjectRules(settings.rules, settings.to, zone)
        self._absences = Absences(settings.rules, settings.to, settings.cameras, zone)
        self._pictures = PictureFiles(bus.place.data)
        self._hands = hands or HandingIn(self._ask, self._pictures, bus.clock.boot_s, self._count_soon)
        if hands is None:
            self._hands.start()
        if not self._objects.is_empty:
            bus.on(ObjectEvent, self._note_object)
        if not self._absences.is_empty:
            bus.on(CameraStatus, self._note_camera)
            bus.on_stale(self._note_stale)
            bus.every(LOOK_S, self._look_for_absent)
        bus.on(JobView, self._note_job, type=NOTIFY.name)
        bus.after(LOOK_S, self._pictures.sweep)
        bus.every(SWEEP_S, self._pictures.sweep)

    def stop(self) -> None:
        """Hand in what waits."""
        self._hands.stop()

    def is_healthy(self) -> bool:
        return self._hands.is_healthy()

    def _note_object(self, event: ObjectEvent) -> None:
        targets = self._objects.note(event, self._bus.clock.wall_s(), self._bus.clock.boot_s())
        if not targets:
            return
        jpeg = take_picture(self._bus.place.shm, event.camera, event.number, self._bus.clock)
        for target in targets:
            params = NotifyParams(
                to=target,
                text=object_text(event),
                kind=Kind.OBJECT,
                camera=event.camera,
                label=event.label,
                score=event.score,
                zones=event.zones,
                object_id=event.id,
                since_at_s=event.since_at_s,
            )
            self._submit(params, event.id, jpeg)

    def _note_job(self, job: JobView) -> None:
        if job.state in FINAL:
            self._pictures.remove(job.id)

    def _note_camera(self, status: CameraStatus) -> None:
        self._tell(self._absences.note(status, self._bus.clock.wall_s(), self._bus.clock.boot_s()))

    def _note_stale(self, topic: str) -> None:
        if topic.startswith(CAMERA_PREFIX):
            camera = topic.removeprefix(CAMERA_PREFIX).rstrip("/")
            self._absences.note_stale(camera, self._bus.clock.wall_s(), self._bus.clock.boot_s())

    def _look_for_absent(self) -> None:
        self._tell(self._absences.due(self._bus.clock.wall_s(), self._bus.clock.boot_s()))

    def _tell(self, news: list[Told]) -> None:
        for told in news:
            params = NotifyParams(
                to=told.target,
                text=camera_text(told, self._bus.clock.wall_s()),
                kind=Kind.BACK if told.is_back else Kind.AWAY,
                camera=told.camera,
                since_at_s=told.since_at_s,
            )
            self._submit(params, f"{told.since_at_s:.0f}", None)

    def _submit(self, params: NotifyParams, what: str, jpeg: bytes | None) -> None:
        job = SubmitJob(
            type=NOTIFY.name,
            id=job_id(params.to, params.kind, params.camera or "", what),
            params=Raw(codec.encode(params)),
            name=f"{params.to}: {params.text}"[:500],
        )
        self._bus.stats.count(f"notifications.{params.to}")
        self._hands.put(job, jpeg)

    def _ask(self, job: SubmitJob) -> JobAccepted:
        return self._bus.ask("dispatcher", job, ASK_S)

    def _count_soon(self, what: str) -> None:
        self._bus.call_soon(partial(self._bus.stats.count, what))


def hear_news(bus: Bus) -> Companion:
    """Begin to hear what somebody may want to be told."""
    return Companion(bus)


def job_id(target: str, kind: Kind, camera: str, what: str) -> str:
    """The id of a notification: the same whenever the same is told to the same target."""
    return hashlib.sha256("\n".join((target, kind, camera, what)).encode()).hexdigest()[:32]


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that name; None is the machine's. Raises ConfigError."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError([f"timezone: {name!r} is not known; write one like Europe/Berlin"]) from None
