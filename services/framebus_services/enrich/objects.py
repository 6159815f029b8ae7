"""The objects of one camera: told when they start, move and end, and kept when they have ended."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from framebus.clock import Clock
from framebus.detector_settings import DetectorSettings
from framebus.events import EndedObject, Ending, make_id
from framebus.frame import Frame
from framebus.messages import Box, ObjectEvent, Phase
from framebus.settings import EnrichedCamera
from framebus.throttle import Throttle
from framebus_services.enrich.archive import Archive
from framebus_services.enrich.areas import zones_of
from framebus_services.enrich.motion import Motion
from framebus_services.enrich.regions import Regions
from framebus_services.enrich.shots import Shot, take_if_better
from framebus_services.enrich.sights import Gaze, Sights
from framebus_services.enrich.tracker import Changes, Detection, Track

UPDATE_S = 0.5
"""of each object an update is told at most so often"""
LOOKS = 2
"""objects of which a better picture is looked for in one frame"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When and where a picture was taken, which may be gone from the ring by now."""

    camera: str
    number: int
    captured_at_s: float
    captured_boot_s: float
    width: int
    height: int

    @classmethod
    def of(cls, frame: Frame) -> "Moment":
        return cls(
            camera=frame.camera,
            number=frame.number,
            captured_at_s=frame.captured_at_s,
            captured_boot_s=frame.captured_boot_ns / 1e9,
            width=frame.width,
            height=frame.height,
        )


@dataclass(eq=False, kw_only=True, slots=True)
class _Live:
    """An object that is there."""

    event: ObjectEvent
    """the newest: of the start, or not told yet"""
    size: tuple[int, int]
    zones: list[str]
    """all that it stood in"""
    updates: Throttle = field(default_factory=lambda: Throttle(UPDATE_S))
    shot: Shot | None = None


class CameraObjects:
    """What lives in one camera's picture."""

    def __init__(
        self,
        camera: str,
        settings: EnrichedCamera,
        *,
        gone_s: float,
        clock: Clock,
        publish: Callable[[ObjectEvent], None],
        archive: Archive,
    ) -> None:
        """`publish` tells an event."""
        self._camera = camera
        self._settings = settings
        self._zones = settings.zones
        self._gone_s = gone_s
        self._clock = clock
        self._publish = publish
        self._archive = archive
        self._regions: Regions | None = None
        self._sights: Sights | None = None
        """where a detector looks, in place of the regions"""
        self._size = (0, 0)
        self._seen_s = 0.0
        self._live: dict[int, _Live] = {}
        self._recent: set[int] = set()
        """numbers of the tracks that a detector saw since the last frame"""
        self._look_from = 0

    @property
    def is_empty(self) -> bool:
        return not self._live

    def see(self, frame: Frame, motion: Motion) -> list[ObjectEvent]:
        """Take up what moves in a frame, where nobody says what it is; returns the objects that are seen in it."""
        moment = self._begin(frame)
        if self._sights is not None:  # the detector failed
            self.end_all(Ending.GONE)
        if self._regions is None:
            self._regions = Regions(width=frame.width, gone_s=self._gone_s)
        boxes = np.array([(part.box.x, part.box.y, part.box.width, part.box.height) for part in motion.parts], float)
        fills = [part.fill for part in motion.parts]
        return self._take(self._regions.see(boxes, fills, moment.captured_boot_s), moment, frame)

    def gaze(self, frame: Frame, motion: Motion, detector: DetectorSettings) -> Gaze | None:
        """Where a detector is to look in a frame; None: nothing moves, and who is there stands."""
        moment = self._begin(frame)
        if self._regions is not None:  # the detector is there again
            self.end_all(Ending.GONE)
        if self._sights is None:
            self._sights = Sights(
                size=self._size, gone_s=self._gone_s, sure=detector.min_score, masks=self._settings.masks
            )
        self.tell_due()
        return self._sights.gaze(motion.boxes, moment.captured_boot_s)

    def see_detected(self, detections: Sequence[Detection], gaze: Gaze, moment: Moment, frame: Frame | None) -> None:
        """Take up what a detector saw where it looked; `frame` is None when the ring does not hold it any more."""
        if self._sights is None or gaze.sights is not self._sights:  # the camera was changed meanwhile
            return
        changes = self._sights.see(detections, gaze, moment.captured_boot_s)
        self._take(changes, moment, frame)
        self._recent.update(track.number for track in (*changes.started, *changes.seen))

    def recent(self, frame: Frame) -> list[ObjectEvent]:
        """The objects that a detector saw since this was asked last, where they should be in this frame."""
        numbers, self._recent = self._recent & self._live.keys(), set()
        if not numbers or self._sights is None:
            return []
        moment = Moment.of(frame)
        places = self._sights.places(moment.captured_boot_s)
        return [
            msgspec.structs.replace(
                self._live[number].event,
                box=_clipped(places[number], frame.width, frame.height),
                captured_at_s=frame.captured_at_s,
                number=frame.number,
            )
            for number in sorted(numbers)
        ]

    def tell_due(self) -> None:
        """Tell the newest of the objects whose last update is long enough ago; end those of a camera that is silent."""
        now_s = self._clock.boot_s()
        for live in self._live.values():
            if live.updates.is_due(now_s):
                live.updates.release(now_s)
                self._publish(live.event)
        if self._live and now_s - self._seen_s > self._gone_s:
            self.end_all(Ending.GONE)

    def end_all(self, ending: Ending) -> None:
        """No object is there any more."""
        was_empty = self.is_empty
        for number in list(self._live):
            self._end(number, ending)
        self._regions = self._sights = None
        self._recent.clear()
        if not was_empty:
            self.note_open()

    def note_open(self) -> None:
        """Write down who is there, for the process after this one, should it die."""
        self._archive.note_open(self._camera, [_ended(live, Ending.LOST) for live in self._live.values()])

    # Inside ----------------------------------------------------------------------------------------------------------

    def _begin(self, frame: Frame) -> Moment:
        self._seen_s = self._clock.boot_s()
        if self._size != (frame.width, frame.height):
            self.end_all(Ending.GONE)
            self._size = (frame.width, frame.height)
        return Moment.of(frame)

    def _take(self, changes: Changes, moment: Moment, frame: Frame | None) -> list[ObjectEvent]:
        for track in changes.started:
            self._start(track, moment)
        for track in changes.seen:
            live = self._live[track.number]
            live.event = self._event_of(track, moment, live.event)
            live.zones += [zone for zone in live.event.zones if zone not in live.zones]
            live.updates.note(self._clock.boot_s())
        for track in changes.ended:
            self._end(track.number, Ending.GONE)
        if frame is not None:
            self._look(frame, [track.number for track in changes.seen])
        self.tell_due()
        if changes.started or changes.ended:
            self.note_open()
        return [self._live[track.number].event for track in (*changes.started, *changes.seen)]

    def _start(self, track: Track, frame: Moment) -> None:
        since_at_s = frame.captured_at_s - (frame.captured_boot_s - track.first_s)
        event = ObjectEvent(
            camera=frame.camera,
            id=make_id(since_at_s, secrets.randbits(24)),
            phase=Phase.START,
            label=track.label,
            score=track.score,
            box=_clipped(track.box, frame.width, frame.height),
            since_at_s=since_at_s,
            captured_at_s=frame.captured_at_s,
            number=frame.number,
            width=frame.width,
            height=frame.height,
        )
        event = msgspec.structs.replace(event, zones=zones_of(self._zones, event.box, frame.width, frame.height))
        live = self._live[track.number] = _Live(event=event, size=self._size, zones=list(event.zones))
        live.updates.release(self._clock.boot_s())
        self._publish(event)

    def _event_of(self, track: Track, frame: Moment, before: ObjectEvent) -> ObjectEvent:
        box = _clipped(track.box, frame.width, frame.height)
        return msgspec.structs.replace(
            before,
            phase=Phase.UPDATE,
            label=track.label,
            score=track.score,
            box=box,
            captured_at_s=frame.captured_at_s,
            number=frame.number,
            zones=zones_of(self._zones, box, frame.width, frame.height),
        )

    def _end(self, number: int, ending: Ending) -> None:
        live = self._live.pop(number)
        self._publish(msgspec.structs.replace(live.event, phase=Phase.END))
        self._archive.add(_ended(live, ending), live.shot)

    def _look(self, frame: Frame, numbers: list[int]) -> None:
        """Look for better pictures of a few of these objects, in turn."""
        taken: list[tuple[_Live, Shot]] = []
        for offset in range(min(LOOKS, len(numbers))):
            live = self._live.get(numbers[(self._look_from + offset) % len(numbers)])
            shot = take_if_better(frame, live.event.box, live.shot) if live is not None else None
            if live is not None and shot is not None:
                taken.append((live, shot))
        self._look_from += LOOKS
        if taken and frame.still_valid():
            for live, shot in taken:
                live.shot = shot


def end_of(event: EndedObject) -> ObjectEvent:
    """The news that an object of an earlier process has ended."""
    return ObjectEvent(
        camera=event.camera,
        id=event.id,
        phase=Phase.END,
        label=event.label,
        score=event.score,
        box=event.box,
        since_at_s=event.start_at_s,
        captured_at_s=event.end_at_s,
        number=event.number,
        zones=event.zones[-32:],
        width=event.width,
        height=event.height,
    )


def _ended(live: _Live, ending: Ending) -> EndedObject:
    event = live.event
    return EndedObject(
        camera=event.camera,
        id=event.id,
        label=event.label,
        score=round(event.score, 3),
        start_at_s=round(event.since_at_s, 3),
        end_at_s=round(max(event.captured_at_s, event.since_at_s), 3),
        ending=ending,
        zones=live.zones,
        box=event.box,
        width=live.size[0],
        height=live.size[1],
        number=event.number,
    )


def _clipped(box: tuple[float, float, float, float], width: int, height: int) -> Box:
    """The box in whole pixels, at least one, within the picture."""
    x, y = min(max(0, round(box[0])), width - 1), min(max(0, round(box[1])), height - 1)
    right, bottom = min(round(box[0] + box[2]), width), min(round(box[1] + box[3]), height)
    return Box(x=x, y=y, width=max(1, right - x), height=max(1, bottom - y))
