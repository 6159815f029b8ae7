"""The mqtt process: hears the bus, and tells a broker; the loop never waits for it."""

import logging
from collections.abc import Callable

import msgspec
from msgspec import Struct

from framebus.broker import parse_broker
from framebus.bus import Bus
from framebus.errors import MalformedError
from framebus.events import OPEN_NAME, EndedObject, events_folder
from framebus.messages import (
    CameraStatus,
    ConfigChanged,
    Gone,
    JobBoard,
    MotionBoxes,
    Name,
    ObjectEvent,
    Phase,
)
from framebus.settings import DISCOVERY_PREFIX, MqttProcessSettings, Zones
from framebus_services.mqtt import telling
from framebus_services.mqtt.book import AVAILABLE, Book
from framebus_services.mqtt.cameras import DISCOVERY, Cameras
from framebus_services.mqtt.discovery import Discovery
from framebus_services.mqtt.link import Heard, Link
from framebus_services.mqtt.names import Topics, segment
from framebus_services.mqtt.outbox import Outbox
from framebus_services.mqtt.pictures import Pictures, Wish
from framebus_services.mqtt.publication import Kind, Publication

log = logging.getLogger(__name__)

ENRICH = "enrich"
IN_FLIGHT = 20
"""publications that paho has and the network has not: the others wait here, where newer ones take their place"""
SLOW_S = 10.0
"""a broker that takes nothing for so long is complained of"""
COMPARE_S = 30.0
JOBS_S = 1.0
MAX_OPEN_BYTES = 1024**2


class _Camera(Struct):
    """A camera as it is written; what is not for us is passed over."""

    zones: Zones = {}


class Mqtt:
    """Between the bus and one broker."""

    def __init__(self, bus: Bus, make_link: Callable[..., Link] = Link) -> None:
        """`make_link` as `Link`. Raises ConfigError for an address or a file with certificates that is none."""
        self._bus = bus
        settings = bus.settings(MqttProcessSettings)
        address = parse_broker(settings.url)
        self._shown = address.shown
        self._topics = topics = Topics(settings.topic)
        prefix = DISCOVERY_PREFIX if settings.discovery is True else settings.discovery
        discovery = Discovery(prefix, topics) if prefix else None
        self._outbox = Outbox(bus.stats.count)
        self._book = Book(bus.place.data, address.shown, self._send)
        self._cameras = Cameras(topics, discovery, self._book, bus.clock, bus.stats.count)
        self._pictures = Pictures(bus, self._cameras.note_picture)
        self._boards: dict[str, JobBoard] = {}
        self._is_up = False
        self._was_up = False
        self._complaint = ""
        self._dead_enrich = 0
        """the last life of enrich that is known to have ended: its file is not believed until the next one speaks"""
        self._is_enrich_dead = False
        self._moved_s = 0.0
        """when the broker took something last, or was offered the first"""
        self._book.say(AVAILABLE, telling.available(topics))
        self._cameras.set(settings.cameras)
        self._compare()
        self._link = make_link(
            address,
            client=self._book.client,
            will=telling.available(topics, telling.OFFLINE),
            birth_topic=discovery.birth_topic if discovery else None,
            ca=settings.ca,
            heard=Heard(up=self._up, down=self._down, sent=self._sent, unsent=self._unsent, birth=self._birth),
            soon=bus.call_soon,
        )
        bus.on(CameraStatus, self._cameras.note_status)
        bus.on(MotionBoxes, self._note_motion)
        bus.on(ObjectEvent, self._note_object)
        bus.on(Gone, self._note_gone)
        bus.on(JobBoard, self._note_board)
        bus.on(ConfigChanged, self._note_cameras, section="cameras")
        bus.every(JOBS_S, self._step)
        bus.every(COMPARE_S, self._compare)
        self._link.start()

    def is_healthy(self) -> bool:
        """A broker that is away is no illness of ours: only a connection that nobody looks after is."""
        return self._link.is_alive

    def stop(self) -> None:
        """Say that nothing is told any more."""
        self._is_up = False
        self._link.stop(telling.available(self._topics, telling.OFFLINE))
        self._book.write()

    # News ------------------------------------------------------------------------------------------------------------

    def _note_motion(self, boxes: MotionBoxes) -> None:
        self._is_enrich_dead = False
        self._cameras.note_motion(boxes.camera)

    def _note_object(self, event: ObjectEvent) -> None:
        self._is_enrich_dead = False
        if not self._cameras.note_object(event) or event.phase not in (Phase.START, Phase.END):
            return
        has_ended = event.phase is Phase.END
        self._send(telling.event(self._topics, event))
        self._pictures.wish(Wish(camera=event.camera, label=segment(event.label), ended=event.id if has_ended else ""))

    def _note_gone(self, gone: Gone) -> None:
        if gone.src == ENRICH and gone.incarnation > self._dead_enrich:  # it is told of more than once
            self._dead_enrich, self._is_enrich_dead = gone.incarnation, True
            self._cameras.note_gone()

    def _note_board(self, board: JobBoard) -> None:
        self._boards[board.type] = board

    def _note_cameras(self, changed: ConfigChanged) -> None:
        try:
            cameras = msgspec.msgpack.decode(changed.value, type=dict[Name, _Camera])
        except msgspec.MsgspecError as error:
            raise MalformedError("body", f"config/cameras/: {error}") from None
        for camera in self._cameras.set({name: list(camera.zones) for name, camera in cameras.items()}):
            self._pictures.forget(camera)

    def _step(self) -> None:
        self._cameras.step()
        if self._boards:
            self._book.say("jobs", telling.jobs(self._topics, self._boards))
        self._pump()
        self._book.write()
        is_slow = self._is_up and self._link.in_flight and self._bus.clock.boot_s() - self._moved_s > SLOW_S
        self._complain("it takes nothing" if is_slow else "" if self._is_up else self._complaint)
        gauges = {"connected": self._is_up, "topics": len(self._book), "waiting": len(self._outbox)}
        for name, value in gauges.items():
            self._bus.stats.gauge(name, float(value))

    def _compare(self) -> None:
        """What was lost of the news of objects is made up for."""
        for camera in self._cameras.names if not self._is_enrich_dead else ():
            self._cameras.compare(camera, self._open_objects(camera))

    def _open_objects(self, camera: str) -> list[EndedObject]:
        """Who is there for enrich."""
        try:
            with (events_folder(self._bus.place.data, camera) / OPEN_NAME).open("rb") as file:
                return msgspec.json.decode(file.read(MAX_OPEN_BYTES), type=list[EndedObject])
        except (OSError, msgspec.MsgspecError):
            return []

    # The broker ------------------------------------------------------------------------------------------------------

    def _send(self, publication: Publication) -> None:
        self._outbox.put(publication, self._bus.clock.boot_s())
        self._bus.call_soon(self._pump)

    def _pump(self) -> None:
        """Hand over what the connection takes now."""
        if not self._is_up or not len(self._outbox):
            return
        self._book.write()
        now_s = self._bus.clock.boot_s()
        if not self._link.in_flight:
            self._moved_s = now_s
        while self._link.in_flight < IN_FLIGHT and (publication := self._outbox.take(now_s)) is not None:
            if not self._link.publish(publication):
                self._unsent(publication)
                return  # we shall hear of it

    def _up(self) -> None:
        if self._complaint or not self._was_up:
            log.info("connected to %s; %d topics are told", self._shown, len(self._book))
        self._bus.stats.count("connections")
        self._is_up = self._was_up = True
        self._moved_s = self._bus.clock.boot_s()
        self._complain("")
        self._outbox.forget_states()
        self._book.say_all(kept=[*self._cameras.kept_topics(), self._topics.jobs])

    def _down(self, why: str) -> None:
        self._is_up = False
        if why != self._complaint:  # each reason once; it is tried again and again
            log.warning("%s: %s; tried again, at most every 30 s", self._shown, why)
        self._complain(why)

    def _complain(self, why: str) -> None:
        self._complaint = why
        self._bus.complaint = f"broker {self._shown}: {why}" if why else ""

    def _sent(self, publication: Publication) -> None:
        self._moved_s = self._bus.clock.boot_s()
        self._bus.stats.count(f"published.{publication.kind.value}s")
        if not publication.payload:
            self._book.note_ended(publication.topic)
        self._pump()

    def _unsent(self, publication: Publication) -> None:
        if publication.kind is Kind.EVENT:  # states are all told again
            self._outbox.put(publication, self._bus.clock.boot_s())

    def _birth(self) -> None:
        log.info("Home Assistant is there; its entities are told again")
        self._book.say_again(DISCOVERY)
