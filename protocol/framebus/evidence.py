"""What was heard of one camera for a moment, and what its services counted meanwhile: the ground of `framebus.why`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from framebus.codec import News
from framebus.errors import MalformedError
from framebus.messages import (
    CameraState,
    CameraStatus,
    ConfigChanged,
    FrameNotice,
    Gone,
    Latency,
    Message,
    ServiceStats,
    ServiceStatus,
)
from framebus.settings import Camera


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The stats of one service, and when they were told."""

    stats: ServiceStats
    epoch: int
    up_s: float
    """boot time"""


class Meter:
    """What one service counted between two readings; nothing where one is missing, or it began anew in between."""

    def __init__(self, before: Reading | None, after: Reading | None) -> None:
        self._before, self._after = before, after
        self.span_s: float | None = None
        """seconds between the readings"""
        if before is not None and after is not None and before.epoch == after.epoch and after.up_s > before.up_s:
            self.span_s = after.up_s - before.up_s

    @property
    def is_heard(self) -> bool:
        return self._after is not None

    def grown(self, counter: str) -> int:
        """By how much a counter grew."""
        if self.span_s is None or self._before is None or self._after is None:
            return 0
        return max(0, self._after.stats.counters.get(counter, 0) - self._before.stats.counters.get(counter, 0))

    def rate_hz(self, counter: str) -> float | None:
        """How fast a counter grew; None where that cannot be said."""
        return None if self.span_s is None else self.grown(counter) / self.span_s

    def reasons(self, prefix: str, suffix: str) -> dict[str, int]:
        """By how much the counters `<prefix><reason><suffix>` grew, by reason; those that did not are left out."""
        found = {}
        for counter in self.counters:
            if counter.startswith(prefix) and counter.endswith(suffix):
                reason = counter[len(prefix) : len(counter) - len(suffix)]
                if reason and "." not in reason and (number := self.grown(counter)):
                    found[reason] = number
        return found

    @property
    def counters(self) -> Mapping[str, int]:
        return {} if self._after is None else self._after.stats.counters

    @property
    def gauges(self) -> Mapping[str, float]:
        return {} if self._after is None else self._after.stats.gauges

    @property
    def latencies(self) -> Mapping[str, Latency]:
        return {} if self._after is None else self._after.stats.latencies


@dataclass(kw_only=True)
class Evidence:
    """What is known of a camera; each part may be missing. Feed it with news for two seconds or so."""

    camera: str
    status: CameraStatus | None = None
    told_at_s: float = 0.0
    """wall time of the status"""
    fault: CameraStatus | None = None
    """the last one that was heard of it being offline"""
    is_stale: bool = False
    """the camera's process died and has not spoken since"""
    services: dict[str, ServiceStatus] = field(default_factory=dict)
    """empty where no launcher runs"""
    settings: Camera | None = None
    """as they are written; None where they are not known"""
    picture: tuple[int, int] | None = None
    """width and height of the frames in the ring"""
    renewed: set[str] = field(default_factory=set)
    """services that began anew while we looked"""
    before: dict[str, Reading] = field(default_factory=dict)
    after: dict[str, Reading] = field(default_factory=dict)
    _epoch: int = field(default=0, init=False)
    """of the status"""
    _gone: int = field(default=0, init=False)
    """the last life of the camera's process that is over"""

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        own = (f"camera/{self.camera}/", f"frame/{self.camera}/", f"gone/{self.capture}/")
        return (*own, f"stats/{self.capture}/", "stats/enrich/", "service/", "config/cameras/")

    @property
    def capture(self) -> str:
        """The service that has this camera."""
        return f"capture@{self.camera}"

    @property
    def has_rates(self) -> bool:
        """Whether each service that told its counters has told them twice."""
        return all(self.meter(name).span_s is not None for name in self.after)

    def note(self, news: News) -> None:
        """Take one piece of news; what is malformed or of something else is passed over."""
        try:
            message = news.decode()
        except MalformedError:
            return
        if isinstance(message, ServiceStats):
            self._note_stats(news, message)
        elif isinstance(message, ServiceStatus):
            self.services[message.name] = message
        elif isinstance(message, ConfigChanged):
            self._note_settings(message)
        else:
            self._note_camera(message, news)

    def note_all(self, news: Iterable[News]) -> None:
        for one in news:
            self.note(one)

    def meter(self, service: str) -> Meter:
        """What a service counted meanwhile."""
        return Meter(self.before.get(service), self.after.get(service))

    def _note_camera(self, message: Message, news: News) -> None:
        if isinstance(message, CameraStatus) and message.camera == self.camera:
            self.status, self.told_at_s, self._epoch = message, news.head.at_s, news.head.epoch
            self.is_stale = self._epoch <= self._gone
            if message.state is CameraState.OFFLINE:
                self.fault = message
        elif isinstance(message, FrameNotice) and message.camera == self.camera:
            self.picture = (message.width, message.height)
        elif isinstance(message, Gone) and message.src == self.capture:  # told each second, also of a life long past
            self._gone = max(self._gone, message.incarnation)
            self.is_stale = self._epoch <= self._gone

    def _note_stats(self, news: News, stats: ServiceStats) -> None:
        last = self.after.get(stats.name)
        if last is not None and last.epoch == news.head.epoch and news.head.up_s <= last.up_s:
            return  # a replay
        # Latencies are of the last second that had any: an idle one does not hide those before.
        latencies = {**last.stats.latencies, **stats.latencies} if last is not None else stats.latencies
        reading = Reading(
            stats=msgspec.structs.replace(stats, latencies=latencies), epoch=news.head.epoch, up_s=news.head.up_s
        )
        self.after[stats.name] = reading
        first = self.before.get(stats.name)
        if first is not None and first.epoch != reading.epoch:
            self.renewed.add(stats.name)
        if first is None or first.epoch != reading.epoch:
            self.before[stats.name] = reading

    def _note_settings(self, changed: ConfigChanged) -> None:
        try:
            cameras = msgspec.msgpack.decode(changed.value, type=dict[str, msgspec.Raw])
            self.settings = msgspec.msgpack.decode(cameras[self.camera], type=Camera)
        except (KeyError, msgspec.MsgspecError):
            self.settings = None  # it is written with ${NAME} where a number is wanted: then it is not known
