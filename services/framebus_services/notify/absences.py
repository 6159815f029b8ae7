"""Which camera is away for so long that somebody is told, and when it is back. Pure; the caller brings the time."""

from dataclasses import dataclass, field
from datetime import tzinfo

from framebus.messages import CameraState, CameraStatus
from framebus.notify_settings import Rule, Target, When, targets_of
from framebus_services.notify.rules import is_within

HERE = frozenset({CameraState.ONLINE, CameraState.DEGRADED, CameraState.UPLOAD})
STARTS = "its process is not there"


@dataclass(frozen=True)
class Told:
    """What one target is told of a camera."""

    target: str
    camera: str
    is_back: bool
    since_at_s: float
    """when it went"""
    why: str = ""


@dataclass
class _Away:
    since_s: float
    """boot time"""
    since_at_s: float
    why: str
    rules: set[int] = field(default_factory=set)
    """that have told of it, or rested"""
    targets: set[str] = field(default_factory=set)
    """that know of it"""


class Absences:
    """The cameras of the configuration that are away."""

    def __init__(self, rules: list[Rule], targets: dict[str, Target], cameras: list[str], zone: tzinfo | None) -> None:
        self._rules = [(rule, targets_of(rule, targets)) for rule in rules if rule.when is When.CAMERA]
        self._cameras = frozenset(cameras)
        self._zone = zone
        self._away: dict[str, _Away] = {}
        self._told_s: dict[tuple[int, str], float] = {}
        """when each rule told last of a camera"""

    @property
    def is_empty(self) -> bool:
        return not self._rules

    def note(self, status: CameraStatus, now_at_s: float, now_s: float) -> list[Told]:
        """How a camera is; returns whom to tell that it is back."""
        if status.state not in HERE:
            away_s = max(0.0, now_at_s - status.since_at_s)
            self._note_away(status.camera, now_s - away_s, now_at_s - away_s, status.detail)
            return []
        away = self._away.pop(status.camera, None)
        if away is None:
            return []
        return [Told(target, status.camera, True, away.since_at_s) for target in sorted(away.targets)]

    def note_stale(self, camera: str, now_at_s: float, now_s: float) -> None:
        """The process of a camera died, and has not spoken since."""
        self._note_away(camera, now_s, now_at_s, STARTS)

    def due(self, now_at_s: float, now_s: float) -> list[Told]:
        """Whom to tell of the cameras that are away; to be asked once a second."""
        told = []
        for camera, away in self._away.items():
            for number, (rule, targets) in enumerate(self._rules):
                is_meant = rule.cameras is None or camera in rule.cameras
                if number in away.rules or not is_meant or now_s - away.since_s < rule.away_s:
                    continue
                if not is_within(rule.hours, now_at_s, self._zone):
                    continue
                away.rules.add(number)
                key = (number, camera)
                new = [target for target in targets if target not in away.targets]
                if new and now_s - self._told_s.get(key, float("-inf")) >= rule.rest_s:
                    self._told_s[key] = now_s
                    away.targets.update(new)
                    told += [Told(target, camera, False, away.since_at_s, away.why) for target in new]
        return told

    def _note_away(self, camera: str, since_s: float, since_at_s: float, why: str) -> None:
        if camera not in self._cameras:
            return
        away = self._away.setdefault(camera, _Away(since_s, since_at_s, why))
        away.why = why or away.why
