"""Reads the configuration of a Frigate: its cameras as ours, and every line that has no place here, with the reason.

What was used is marked; what is not marked at the end was left. So nothing is dropped in silence.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from framebus.addresses import find_address_problem
from framebus.errors import ConfigError
from framebus.messages import NAME_PATTERN
from framebus.problems import find_problems
from framebus.settings import Area, Camera
from framebus_launcher.document import read_document
from framebus_launcher.frigate_left import reason_of
from framebus_launcher.frigate_mqtt import take_mqtt
from framebus_launcher.imported import VARIABLE, Imported, is_below

_RESTREAM = re.compile(r"rtsp://(?:127\.0\.0\.1|localhost)(?::8554)?/([^/?#]+)$")
DEFAULT_KEEP_DAYS = 10.0
"""of what Frigate keeps because of an object"""
OBJECTS_NOTE = (
    "an object is here what goes from one place to another; people and cars with a detector, which "
    "services.enrich.detector names"
)


def read_frigate(path: Path) -> Imported:
    """What can be taken of a Frigate's file; raises ConfigError when it is none."""
    document = read_document(path)
    if document.problems:
        raise ConfigError([document.locate(problem) for problem in document.problems])
    value = document.value
    if not isinstance(value, dict) or not isinstance(value.get("cameras") or None, dict):
        raise ConfigError([f"{path}: has no cameras; is it the configuration of a Frigate?"])
    found = Imported(document)
    for name in value["cameras"]:
        _take_camera(found, str(name))
    found.broker = take_mqtt(found)
    _leave_the_rest(found)
    return found


def _take_camera(found: Imported, name: str) -> None:
    path = f"cameras.{name}"
    ours = _our_name(name)
    if not ours or ours in found.cameras:
        found.leave(path, "no name for it can be made of this one: rename it there")
        return
    if found.peek(f"{path}.enabled") is False:
        found.leave(path, "is switched off; framebus has no such switch: leave it out, or write it in by hand")
        return
    found.get(f"{path}.enabled")
    streams = _take_streams(found, path)
    if not streams:
        return
    camera: dict[str, Any] = {"source": streams.get("record") or streams["detect"]}
    detect = _take_detect(found, path)
    if streams.get("detect", camera["source"]) != camera["source"]:
        detect = {"source": streams["detect"], **detect}
    parts = {
        "detect": detect,
        "record": _take_record(found, path, has_stream="record" in streams),
        "zones": _take_zones(found, path),
        "masks": _take_masks(found, path),
    }
    camera |= {key: part for key, part in parts.items() if part}
    if problems := find_problems(camera, Camera):
        found.leave(path, "; ".join(problems))
        return
    if ours != name:
        found.notes.append(f"camera {name} is called {ours} here")
    found.cameras[ours], found.paths[ours] = camera, path


def _take_streams(found: Imported, path: str) -> dict[str, str]:
    """The addresses by their roles; none, and a reason, where framebus cannot open what is needed."""
    streams: dict[str, str] = {}
    inputs = found.peek(f"{path}.ffmpeg.inputs")
    for number, _ in enumerate(inputs if isinstance(inputs, list) else []):
        at = f"{path}.ffmpeg.inputs[{number}]"
        roles = found.peek(f"{at}.roles")
        wanted = [role for role in _words(roles) if role in ("detect", "record") and role not in streams]
        source = found.peek(f"{at}.path")
        if not wanted or not isinstance(source, str):
            found.leave(at, reason_of(f"{at}.roles"))
            continue
        source, origin = _unfolded(found, source)
        if problem := find_address_problem(source):
            found.leave(at, problem)
            continue
        found.taken |= {f"{at}.path", *origin}
        streams |= dict.fromkeys(wanted, source)
        for index, role in enumerate(roles if isinstance(roles, list) else [roles]):
            if role in wanted:
                found.taken.add(f"{at}.roles[{index}]" if isinstance(roles, list) else f"{at}.roles")
    if not streams:
        found.leave(path, "has no stream that framebus can open")
    return streams


def _unfolded(found: Imported, source: str) -> tuple[str, list[str]]:
    """The camera's own address behind a restream of go2rtc; and the settings that were used for it."""
    origin: list[str] = []
    restream = _RESTREAM.match(source)
    if restream is not None:
        at = f"go2rtc.streams.{restream[1]}"
        value = found.peek(at)
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str) and re.match(r"(?:rtsps?|https?)://", first):
            source = first.partition("#")[0]
            origin = [f"{at}[0]" if isinstance(value, list) else at]
    return VARIABLE.sub(r"${\1}", source), origin


def _take_detect(found: Imported, path: str) -> dict[str, Any]:
    detect = {}
    for key in ("width", "height", "fps"):
        value = found.get(f"{path}.detect.{key}", f"detect.{key}")
        if value is not None:
            detect[key] = value
            found.get(f"detect.{key}")  # what the camera says wins over it
    for at in (f"{path}.detect.enabled", "detect.enabled"):
        if found.peek(at) is False:
            found.leave(at, "motion is always looked for; `services: {enrich: off}` switches it off for all")
        else:
            found.get(at)
    return detect


def _take_record(found: Imported, path: str, *, has_stream: bool) -> dict[str, Any]:
    """For how long by what it shows, and whether at all: a Frigate records only where it is told to."""
    is_on = found.get(f"{path}.record.enabled", "record.enabled")
    found.get("record.enabled")
    if not is_on or not has_stream:
        return {"enabled": False}
    mode = found.get(f"{path}.record.retain.mode", "record.retain.mode") or "all"
    found.get("record.retain.mode")
    retained = _days(found, path, ("record.retain.days",)) or 0.0
    always = _days(found, path, ("record.continuous.days",)) or (retained if mode == "all" else 0.0)
    moving = max(always, _days(found, path, ("record.motion.days",)) or 0.0, retained if mode == "motion" else 0.0)
    kinds = ("alerts", "detections", "events")
    kept = [_days(found, path, (f"record.{kind}.retain.days", f"record.{kind}.retain.default")) for kind in kinds]
    objects = max((one for one in kept if one is not None), default=DEFAULT_KEEP_DAYS)
    days = {"all": always, "motion": moving, "objects": max(moving, objects, retained)}
    keep = {kind: f"{one:g}d" for kind, one in days.items()}
    if always == days["objects"]:
        return {"keep": keep["all"]}
    if OBJECTS_NOTE not in found.notes:
        found.notes.append(OBJECTS_NOTE)
    return {"keep": keep}


def _days(found: Imported, path: str, keys: Iterable[str]) -> float | None:
    """Of the camera, else of all; only what is then used counts as taken."""
    for key in keys:
        for at in (f"{path}.{key}", key):
            value = found.peek(at)
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.taken.add(at)
                found.get(key)
                return float(value)
    return None


def _take_zones(found: Imported, path: str) -> dict[str, Any]:
    zones: dict[str, Any] = {}
    given = found.peek(f"{path}.zones")
    for name in given if isinstance(given, dict) else {}:
        at = f"{path}.zones.{name}"
        ours = _our_name(str(name))
        points = _points(found, path, found.peek(f"{at}.coordinates"))
        if isinstance(points, str) or not ours or ours in zones:
            found.leave(at, points if isinstance(points, str) else "no name for it can be made of this one")
            continue
        found.get(f"{at}.coordinates")
        zones[ours] = {"points": points}
        if ours != name:
            found.notes.append(f"{path}: zone {name} is called {ours} here")
    return zones


def _take_masks(found: Imported, path: str) -> list[dict[str, Any]]:
    masks = []
    given = found.peek(f"{path}.motion.mask")
    is_many = isinstance(given, list) and any(isinstance(one, str) and one.count(",") > 1 for one in given)
    for number, mask in enumerate(given if is_many else [given] if given else []):
        at = f"{path}.motion.mask[{number}]" if is_many else f"{path}.motion.mask"
        points = _points(found, path, mask)
        if isinstance(points, str):
            found.leave(at, points)
            continue
        found.taken.add(at)
        masks.append({"points": points})
    return masks


def _points(found: Imported, path: str, coordinates: Any) -> list[list[float]] | str:
    """The corners as parts of the picture, or why there are none."""
    try:
        numbers = [float(word) for word in ",".join(map(str, _listed(coordinates))).split(",")]
    except ValueError:
        numbers = []
    if len(numbers) < 6 or len(numbers) % 2:
        return "its coordinates are no corners that framebus understands"
    if max(numbers) > 1.0:
        size = [found.peek(f"{path}.detect.{key}") or found.peek(f"detect.{key}") for key in ("width", "height")]
        if not all(isinstance(side, int) and side > 0 for side in size):
            return "its coordinates are pixels, and detect.width and detect.height do not tell of how many"
        numbers = [number / size[index % 2] for index, number in enumerate(numbers)]
    points = [[round(min(1.0, max(0.0, one)), 4) for one in pair] for pair in zip(*[iter(numbers)] * 2, strict=True)]
    problems = find_problems({"points": points}, Area)
    return problems[0] if problems else points


def _leave_the_rest(found: Imported) -> None:
    """Whatever is not marked, as high up as nothing below it is."""
    touched = found.taken | found.left.keys()
    above = {path[: match.start()] for path in touched for match in re.finditer(r"[.\[]", path)}
    for path in found.document.lines:
        is_known = path in above or any(is_below(path, one) for one in (*found.left, *found.taken))
        if not is_known and not _is_empty(found.peek(path)):
            found.left[path] = reason_of(path)


def _is_empty(value: Any) -> bool:
    return value is None or value in ({}, [])


def _words(value: Any) -> list[str]:
    return [str(one) for one in _listed(value)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _our_name(name: str) -> str:
    """As it may be called here; empty where nothing is left of it."""
    made = re.sub(r"[^a-z0-9_-]+", "_", name.lower()).strip("_-")[:32]
    return made if re.fullmatch(NAME_PATTERN, made) else ""


def variables_of(cameras: Mapping[str, dict[str, Any]], broker: str = "") -> set[str]:
    """The variables that the addresses of these cameras, and that of the broker, use."""
    sources = [
        source for one in cameras.values() for source in (one["source"], one.get("detect", {}).get("source", ""))
    ]
    sources.append(broker)
    return {name for source in sources for name in re.findall(r"\$\{([A-Za-z0-9_]+)\}", source)}
