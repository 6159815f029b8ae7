"""Which processors run, on which cameras, and the wall between them: what one raises stops none of the others."""

import difflib
import inspect
import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from framebus import codec
from framebus.clock import Clock
from framebus.errors import ConfigError
from framebus.frame import Frame
from framebus.messages import Finding, Name
from framebus.plugins import find_processors, load_processor
from framebus.processor import Processor
from framebus.processor_file import find_name_problems, name_of_reference, read_reference
from framebus.redact import redact
from framebus.settings import find_problems
from framebus.stats import Stats
from framebus_services.processors.brightness import Brightness

log = logging.getLogger(__name__)

BUILT_IN: Mapping[str, type[Processor]] = {"brightness": Brightness}

MAX_FINDINGS = 100
"""of one processor for one frame; a generator without end must not stop the frames"""
LOG_AGAIN_S = 60.0

_CAMERAS = "cameras"  # the one setting that is the host's own: where the processor runs; default: everywhere


@dataclass(frozen=True, kw_only=True)
class _Seat:
    """A processor at work."""

    name: str
    processor: Processor
    cameras: frozenset[str] | None


class Host:
    """The processors of one enrich process."""

    def __init__(
        self,
        entries: Sequence[str | dict[str, Any]],
        stats: Stats,
        clock: Clock,
        known: Mapping[str, type[Processor]],
    ) -> None:
        """`entries` as in `EnrichSettings.processors`. Raises ConfigError with everything that is wrong in them."""
        self._stats = stats
        self._clock = clock
        self._logged_s: dict[tuple[str, ...], float] = {}
        problems = find_name_problems(entries)
        seats = [_make(f"processors[{number}]", entry, known, problems) for number, entry in enumerate(entries)]
        if problems:
            raise ConfigError(problems)
        self._seats = [seat for seat in seats if seat is not None]

    def process(self, frame: Frame) -> list[Finding]:
        """What all processors of this camera find in a frame, in the order of the configuration."""
        found: list[Finding] = []
        for seat in self._seats:
            if seat.cameras is None or frame.camera in seat.cameras:
                start_s = self._clock.boot_s()
                self._guard(seat, partial(_collect, seat, frame, found))
                self._stats.observe(f"processor.{seat.name}", self._clock.boot_s() - start_s)
        return found

    def expire(self, id: str, camera: str) -> None:
        """Tell every processor of this camera that an object has ended."""
        for seat in self._seats:
            if seat.cameras is None or camera in seat.cameras:
                self._guard(seat, partial(seat.processor.expire_object, id, camera))

    def update_config(self, topic: str, payload: object) -> None:
        """Hand a new section of the configuration to every processor."""
        for seat in self._seats:
            self._guard(seat, partial(seat.processor.update_config, topic, payload))

    def shutdown(self) -> None:
        """Let every processor give back what it holds."""
        for seat in self._seats:
            self._guard(seat, seat.processor.shutdown)

    def _guard(self, seat: _Seat, work: Callable[[], object]) -> None:
        try:
            work()
        except (Exception, SystemExit) as error:  # a processor that calls sys.exit() must not end the others
            self._stats.count(f"errors.processor.{seat.name}")
            where = _where(seat.processor, error)
            kind = (seat.name, type(error).__name__, where)
            now_s = self._clock.boot_s()
            if now_s - self._logged_s.get(kind, float("-inf")) >= LOG_AGAIN_S:
                self._logged_s[kind] = now_s
                log.exception("processor %s: %s at %s: %s", *kind, error)


def _collect(seat: _Seat, frame: Frame, found: list[Finding]) -> None:
    findings: object = seat.processor.process_frame(frame)
    if not isinstance(findings, Iterable):
        raise TypeError(f"process_frame returned {type(findings).__name__}: yield each Finding, or return a list")
    for number, finding in enumerate(islice(findings, MAX_FINDINGS + 1)):
        if number == MAX_FINDINGS:
            raise ValueError(f"more than {MAX_FINDINGS} findings for one frame; the rest is left out")
        # One name everywhere: the configuration's, also of a file that was copied from another.
        found.append(msgspec.structs.replace(_checked(finding, frame), processor=seat.name))


def _checked(finding: object, frame: Frame) -> Finding:
    """The finding with its frame's number and time, unless it has its own; raises when readers would refuse it."""
    if not isinstance(finding, Finding):
        raise TypeError(f"a processor must give Finding objects, not {type(finding).__name__}")
    if finding.camera != frame.camera:
        raise ValueError(f"a finding of camera {finding.camera!r} in a frame of {frame.camera!r}; use frame.camera")
    dated = msgspec.structs.replace(
        finding,
        number=frame.number if finding.number is None else finding.number,
        captured_at_s=frame.captured_at_s if finding.captured_at_s is None else finding.captured_at_s,
    )
    data = codec.encode(dated)
    if len(data) > codec.MAX_NEWS_BYTES:
        raise ValueError(f"a finding of {len(data)} bytes; at most {codec.MAX_NEWS_BYTES} are allowed")
    codec.decode_body(data, Finding)
    return dated


def _where(processor: Processor, error: BaseException) -> str:
    """File and line of the processor's own code, or where else it happened."""
    steps = traceback.extract_tb(error.__traceback__)
    own = getattr(sys.modules.get(type(processor).__module__), "__file__", None)
    step = next((step for step in reversed(steps) if step.filename == own), steps[-1])
    return f"{step.filename}:{step.lineno}"


def find_entry_problems(entries: Sequence[str | dict[str, Any]], known: Mapping[str, type[Processor]]) -> list[str]:
    """What is wrong with the entries as far as names and types tell; makes no processor."""
    problems = find_name_problems(entries)
    for number, entry in enumerate(entries):
        _read(f"processors[{number}]", entry, known, problems)
    return problems


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What an entry asks for."""

    path: str
    name: str
    kind: type[Any]
    cameras: list[str] | None
    arguments: dict[str, Any]


def _read(
    path: str, entry: str | dict[str, Any], known: Mapping[str, type[Processor]], problems: list[str]
) -> _Order | None:
    """What an entry asks for; or None, and what is wrong is added to `problems`."""
    if isinstance(entry, dict) and len(entry) != 1:
        problems.append(f"{path}: expected one name with its settings, got {', '.join(map(str, entry)) or 'nothing'}")
        return None
    reference, settings = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
    try:
        kind = _load(reference, known)
    except ConfigError as error:
        problems += [f"{path}: {problem}" for problem in error.problems]
        return None
    name = name_of_reference(reference)
    path = f"{path}.{name}"
    if not isinstance(settings, dict):
        problems.append(f"{path}: expected a map of settings, got {type(settings).__name__}")
        return None
    cameras = settings.get(_CAMERAS)
    own = {key: value for key, value in settings.items() if key != _CAMERAS}
    wrong = find_problems(cameras, list[Name] | None, f"{path}.{_CAMERAS}") + _argument_problems(kind, own, path)
    if wrong:
        problems += wrong
        return None
    return _Order(path=path, name=name, kind=kind, cameras=cameras, arguments=_converted(kind, own))


def _load(reference: str, known: Mapping[str, type[Processor]]) -> type[Any]:
    """The class that an entry names; raises ConfigError."""
    if reference in known:
        return known[reference]
    if reference in find_processors() or read_reference(reference) is not None:
        return load_processor(reference)
    close = difflib.get_close_matches(reference, known, 1)
    likely = f"; did you mean {close[0]}?" if close else ""
    names = ", ".join(sorted({*known, *find_processors()}))
    raise ConfigError([f"unknown processor {redact(reference)[:40]!r}; known are {names}{likely}"])


def _make(
    path: str, entry: str | dict[str, Any], known: Mapping[str, type[Processor]], problems: list[str]
) -> _Seat | None:
    """The seat that an entry asks for; or None, and what is wrong is added to `problems`."""
    order = _read(path, entry, known, problems)
    if order is None:
        return None
    try:
        processor = order.kind(**order.arguments)
    except (ValueError, TypeError, OSError) as error:
        problems.append(f"{order.path}: {error}")
        return None
    cameras = None if order.cameras is None else frozenset(order.cameras)
    return _Seat(name=order.name, processor=processor, cameras=cameras)


def _parameters(kind: type[Processor]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind, eval_str=True).parameters


def _kind_of(parameter: inspect.Parameter) -> Any:
    return Any if parameter.annotation is parameter.empty else parameter.annotation


def _argument_problems(kind: type[Processor], settings: dict[str, Any], path: str) -> list[str]:
    parameters = _parameters(kind)
    problems = []
    for key, value in settings.items():
        if key in parameters:
            problems += find_problems(value, _kind_of(parameters[key]), f"{path}.{key}")
            continue
        close = difflib.get_close_matches(str(key), parameters, 1)
        right = f"did you mean {close[0]}?" if close else f"known are {', '.join([*parameters, _CAMERAS])}"
        problems.append(f"{path}.{key}: unknown setting; {right}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in settings:
            problems.append(f"{path}.{name}: is missing")
    return problems


def _converted(kind: type[Processor], settings: dict[str, Any]) -> dict[str, Any]:
    parameters = _parameters(kind)
    return {key: msgspec.convert(value, _kind_of(parameters[key])) for key, value in settings.items()}
