"""What is wrong with the rules of `notify` that their types do not tell: names of nobody, settings without effect."""

import time
from typing import Any

import msgspec

from framebus.notify_settings import PLACEHOLDER, PLACEHOLDERS, Form, NotifySettings, Rule, When, as_notify_settings
from framebus.settings import EnrichSettings, Settings

PATH = "services.notify"
OF_OBJECTS = ("labels", "zones", "min_score")
"""settings of a rule that a camera does not have"""
MOTION = "motion"
"""the label of what moves, where there is no detector"""


def find_rule_problems(section: object, cameras: object) -> list[str]:
    """Each with its path; none for a section whose types are wrong, which are told already."""
    try:
        settings = as_notify_settings(section)
    except msgspec.ValidationError:
        return []
    assert isinstance(section, dict)
    known = cameras if isinstance(cameras, dict) else {}
    problems = _target_problems(settings)
    for number, rule in enumerate(settings.rules):
        path = f"{PATH}.rules[{number}]"
        named = [rule.to] if isinstance(rule.to, str) else rule.to or []
        problems += _unknown(f"{path}.to", "target", named, settings.to)
        problems += _unknown(f"{path}.cameras", "camera", rule.cameras or [], known)
        problems += _setting_problems(path, rule, section["rules"][number])
        zones = {zone for name in rule.cameras or known for zone in _zones_of(known.get(name))}
        problems += _unknown(f"{path}.zones", "zone", rule.zones or [], sorted(zones))
    return problems


def find_rule_warnings(settings: Settings) -> list[str]:
    """Rules that will never tell anything, as it is now."""
    section = settings.services.get("notify")
    if not isinstance(section, dict):
        return []
    enrich = settings.services.get("enrich", True)
    told = as_notify_settings(section)
    rules = [(f"{PATH}.rules[{n}]", rule) for n, rule in enumerate(told.rules)] or [(PATH, Rule())]
    return [*_hour_warnings(settings, rules), *_label_warnings(rules, enrich)]


def _hour_warnings(settings: Settings, rules: list[tuple[str, Rule]]) -> list[str]:
    """A container that nobody told where it is counts the hours of Greenwich."""
    if settings.timezone or time.timezone != 0 or time.daylight:
        return []
    mend = "the clock of this machine is UTC; write `timezone: Europe/Vienna`, or where you are"
    return [f"{path}.hours: {mend}" for path, rule in rules if rule.hours is not None]


def _label_warnings(rules: list[tuple[str, Rule]], enrich: Any) -> list[str]:
    of_objects = [(path, rule) for path, rule in rules if rule.when is When.OBJECT]
    if enrich is False or enrich is None:
        return [f"{path}: enrich is off, so that no object is ever seen" for path, _ in of_objects]
    detector = msgspec.convert({} if enrich is True else enrich, EnrichSettings).detector
    labels = [MOTION] if detector is None else detector.only
    if labels is None:
        return []
    why = "without a detector what moves is called motion" if detector is None else f"the detector tells {labels} only"
    seen = {label.casefold() for label in labels}
    return [
        f"{path}.labels: {label} is never seen: {why}"
        for path, rule in of_objects
        for label in rule.labels or []
        if label.casefold() not in seen
    ]


def _target_problems(settings: NotifySettings) -> list[str]:
    problems = []
    for name, target in settings.to.items():
        path = f"{PATH}.to.{name}"
        if target.without_picture is not None:
            problems += _unknown(f"{path}.without_picture", "target", [target.without_picture], settings.to)
        if target.fields and target.form is Form.PICTURE:
            problems.append(f"{path}.fields: a body that is the picture has none; write headers")
        for part, texts in (("headers", target.headers), ("fields", target.fields)):
            for key, text in texts.items():
                unknown = [f"{{{use}}}" for use in PLACEHOLDER.findall(text) if use not in PLACEHOLDERS]
                if unknown:
                    there = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
                    problems.append(f"{path}.{part}.{key}: {unknown[0]} is not known; there are {there}")
    return problems


def _setting_problems(path: str, rule: Rule, written: Any) -> list[str]:
    problems = []
    if rule.when is When.CAMERA:
        named = [name for name in OF_OBJECTS if name in written]
        problems += [f"{path}.{name}: is of objects; a rule with `when: camera` has none" for name in named]
    elif "away_s" in written:
        problems.append(f"{path}.away_s: is of cameras; write `when: camera`, too")
    if rule.hours is not None:
        begin, _, end = rule.hours.partition("-")
        if begin == end:
            problems.append(f"{path}.hours: {rule.hours} holds no time; leave it out for the whole day")
    return problems


def _unknown(path: str, what: str, named: Any, known: Any) -> list[str]:
    there = ", ".join(map(str, known)) or "none"
    return [f"{path}: there is no {what} {name}; there are {there}" for name in named if name not in known]


def _zones_of(camera: object) -> list[str]:
    zones = camera.get("zones") if isinstance(camera, dict) else None
    return list(zones) if isinstance(zones, dict) else []
