"""Which object is told to whom: rules by camera, label, zone, score and hours. Pure; the caller brings the time."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from framebus.messages import ObjectEvent, Phase
from framebus.notify_settings import Rule, Target, When, minutes_of, targets_of

MAX_OBJECTS = 5_000
"""that are remembered; of more, those that were seen longest ago are not"""


@dataclass
class _Seen:
    """What has become of one object."""

    rules: set[int] = field(default_factory=set)
    """that it has met"""
    targets: set[str] = field(default_factory=set)
    """that were told of it"""


class ObjectRules:
    """Remembers who was told of what."""

    def __init__(self, rules: list[Rule], targets: dict[str, Target], zone: tzinfo | None) -> None:
        self._rules = [(rule, targets_of(rule, targets)) for rule in rules if rule.when is When.OBJECT]
        self._zone = zone
        self._objects: OrderedDict[str, _Seen] = OrderedDict()
        self._told_s: dict[tuple[int, str, str], float] = {}
        """when each rule told last of a camera and label"""

    @property
    def is_empty(self) -> bool:
        return not self._rules

    def note(self, event: ObjectEvent, now_at_s: float, now_s: float) -> list[str]:
        """An object is there; returns the targets that are told of it now, each once for one object.

        What comes while a rule rests is not told of by that rule, however long it stays.
        """
        seen = self._objects.setdefault(event.id, _Seen())
        self._objects.move_to_end(event.id)
        told: list[str] = []
        for number, (rule, targets) in enumerate(self._rules):
            if number in seen.rules or not fits(rule, event) or not is_within(rule.hours, now_at_s, self._zone):
                continue
            seen.rules.add(number)
            new = [target for target in targets if target not in seen.targets]
            key = (number, event.camera, event.label)
            if new and now_s - self._told_s.get(key, float("-inf")) >= rule.rest_s:
                self._told_s[key] = now_s
                seen.targets.update(new)
                told += new
        if event.phase is Phase.END:
            del self._objects[event.id]
        elif len(self._objects) > MAX_OBJECTS:
            self._objects.popitem(last=False)
        return told


def fits(rule: Rule, event: ObjectEvent) -> bool:
    """Whether a rule is about this object, at any hour."""
    return (
        (rule.cameras is None or event.camera in rule.cameras)
        and (rule.labels is None or event.label.casefold() in {label.casefold() for label in rule.labels})
        and (rule.zones is None or not set(rule.zones).isdisjoint(event.zones))
        and event.score >= rule.min_score
    )


def is_within(hours: str | None, at_s: float, zone: tzinfo | None) -> bool:
    """Whether a clock on the wall in this zone is within the hours: from the first minute, up to the second one."""
    if hours is None:
        return True
    begin, end = minutes_of(hours)
    wall = datetime.fromtimestamp(at_s, zone)
    minute = wall.hour * 60 + wall.minute
    return begin <= minute < end if begin < end else minute >= begin or minute < end
