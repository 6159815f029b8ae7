"""What is known of each camera, and what of it the broker is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from framebus.clock import Clock
from framebus.events import EndedObject
from framebus.messages import CameraStatus, ObjectEvent
from framebus_services.mqtt import telling
from framebus_services.mqtt.book import Book
from framebus_services.mqtt.discovery import Discovery
from framebus_services.mqtt.names import MAX_LABEL, Topics, segment
from framebus_services.mqtt.presence import Presence

QUIET_S = 10.0
"""nothing has moved for so long: no motion"""
SILENT_S = 5.0
"""each camera says how it is once a second; one of which nothing is heard for so long is not there"""
AGAIN_S = 30.0
"""how often a frame rate is told that has changed, and nothing else has"""
MAX_LABELS = 100
"""of a camera: each is a topic, an entity, and so many more for its zones"""
DISCOVERY = "/discovery"
"""how the names of parts end that Home Assistant reads"""


@dataclass(kw_only=True)
class _Camera:
    zones: list[str]
    heard_s: float
    """when its own process was heard last; at first: when we began to listen"""
    status: CameraStatus | None = None
    told: CameraStatus | None = None
    told_s: float = float("-inf")
    moved_s: float = float("-inf")
    is_moving: bool = False
    presence: Presence = field(default_factory=Presence)


class Cameras:
    """Turns news of cameras into what stands at the broker."""

    def __init__(
        self,
        topics: Topics,
        discovery: Discovery | None,
        book: Book,
        clock: Clock,
        count: Callable[[str], None],
    ) -> None:
        self._topics = topics
        self._discovery = discovery
        self._book = book
        self._clock = clock
        self._count = count
        self._cameras: dict[str, _Camera] = {}

    def __contains__(self, camera: str) -> bool:
        return camera in self._cameras

    @property
    def names(self) -> list[str]:
        return list(self._cameras)

    def set(self, zones_of: Mapping[str, Sequence[str]]) -> list[str]:
        """These are the cameras from now on, each with its zones; returns those that are no more."""
        gone = [camera for camera in self._cameras if camera not in zones_of]
        for camera in gone:
            del self._cameras[camera]
            self._book.take_away(f"{camera}/", self._topics.camera(camera))
            self._book.forget_labels(camera)
        for camera in [camera for camera in self._book.labels if camera not in zones_of]:
            self._book.forget_labels(camera)  # of an earlier life
        for camera, zones in zones_of.items():
            known = self._cameras.get(camera)
            if known is None:
                self._cameras[camera] = _Camera(zones=list(zones), heard_s=self._clock.boot_s())
                self._tell_motion(camera)
                if self._discovery is not None:
                    self._book.say(f"{camera}{DISCOVERY}", *self._discovery.camera(camera))
            elif known.zones == list(zones):
                continue
            else:
                known.zones = list(zones)
            self._tell_counts(camera)
            for label in self._labels(camera):
                self._tell_entities(camera, label)
        return gone

    def kept_topics(self) -> list[str]:
        """What may stand there as an earlier life left it, until there is something newer to say."""
        states = [self._topics.state(camera) for camera in self._cameras]
        pictures = [self._topics.picture(camera, label) for camera in self._cameras for label in self._labels(camera)]
        return states + pictures

    # News ------------------------------------------------------------------------------------------------------------

    def note_status(self, status: CameraStatus) -> None:
        camera = self._cameras.get(status.camera)
        if camera is None:
            return
        camera.heard_s, camera.status = self._clock.boot_s(), status
        if camera.told is None or not telling.is_same(status, camera.told):
            self._tell_state(status.camera)

    def note_motion(self, name: str) -> None:
        camera = self._cameras.get(name)
        if camera is None:
            return
        camera.moved_s = self._clock.boot_s()
        if not camera.is_moving:
            camera.is_moving = True
            self._tell_motion(name)

    def note_object(self, event: ObjectEvent) -> bool:
        """Returns whether it is of a camera of ours."""
        camera = self._cameras.get(event.camera)
        if camera is None:
            return False
        camera.presence.note(event, self._clock.boot_s())
        if not self._note_label(event.camera, event.label):
            self._tell_counts(event.camera)
        return True

    def note_picture(self, camera: str, label: str, jpeg: bytes) -> None:
        if camera in self._cameras:
            self._book.say(f"{camera}/{label}/picture", telling.picture(self._topics, camera, label, jpeg))

    def note_gone(self) -> None:
        """Who looks at the pictures died: nobody knows who is there."""
        for name, camera in self._cameras.items():
            camera.presence.clear()
            self._tell_counts(name)

    def compare(self, name: str, objects: Sequence[EndedObject]) -> None:
        """These are there, as enrich has it on disk."""
        self._cameras[name].presence.compare(objects, self._clock.boot_s())
        for one in objects:
            self._note_label(name, one.label)
        self._tell_counts(name)

    def step(self) -> None:
        """Once a second: what only time changes."""
        now_s = self._clock.boot_s()
        for name, camera in self._cameras.items():
            if camera.is_moving and now_s - camera.moved_s >= QUIET_S:
                camera.is_moving = False
                self._tell_motion(name)
            if now_s - camera.heard_s >= SILENT_S:
                camera.status = None
            is_new = not telling.is_same(camera.status, camera.told) or camera.told_s == float("-inf")
            is_silent = camera.status is None and now_s - camera.heard_s < SILENT_S  # it may speak yet
            if (is_new and not is_silent) or (camera.status is not None and now_s - camera.told_s >= AGAIN_S):
                self._tell_state(name)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _labels(self, camera: str) -> dict[str, str]:
        return self._book.labels.get(camera, {})

    def _note_label(self, camera: str, called: str) -> bool:
        """Returns whether it is a new one, of which all is told then."""
        label, known = segment(called), self._labels(camera)
        if label in known:
            return False
        if len(known) >= MAX_LABELS:
            self._count("dropped.labels")
            return False
        self._book.note_label(camera, label, called[:MAX_LABEL])
        self._tell_counts(camera)
        self._tell_entities(camera, label)
        return True

    def _tell_state(self, name: str) -> None:
        camera = self._cameras[name]
        camera.told, camera.told_s = camera.status, self._clock.boot_s()
        self._book.say(f"{name}/state", telling.state(self._topics, name, camera.status))

    def _tell_motion(self, name: str) -> None:
        self._book.say(f"{name}/motion", telling.motion(self._topics, name, self._cameras[name].is_moving))

    def _tell_entities(self, name: str, label: str) -> None:
        if self._discovery is not None:
            called = self._labels(name)[label]
            documents = self._discovery.label(name, label, called, self._cameras[name].zones)
            self._book.say(f"{name}/{label}{DISCOVERY}", *documents)

    def _tell_counts(self, name: str) -> None:
        camera = self._cameras[name]
        counts = camera.presence.counts()
        told = telling.objects(self._topics, name, camera.zones, self._labels(name), counts)
        self._book.say(f"{name}/objects", *told)
