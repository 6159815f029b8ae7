"""Reads the entries of `processors:`: which class each names, what the host shall do with it, and its own arguments.

An entry is a name, or a map of one name to its settings. Those of `Options` are the host's; all others are the keyword
arguments of the constructor. Nothing is made here, so that a check may run where no picture can be read.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from framebus.arguments import convert_arguments, find_argument_problems
from framebus.errors import ConfigError
from framebus.messages import Name
from framebus.plugins import find_processors
from framebus.problems import find_problems
from framebus.processor import AnyProcessor, DeferredProcessor
from framebus.processor_file import find_name_problems, name_of_reference, names_of, read_reference
from framebus.settings import Section
from framebus_services.enrich.lane import Policy

Load = Callable[[str], type[AnyProcessor]]
"""finds a class by its name; raises ConfigError with the reason"""


class Options(Section, frozen=True, kw_only=True):
    """What an entry says to the host."""

    cameras: list[Name] | None = None
    """where it runs; default: everywhere"""
    isolate: bool = False
    """whether it gets a process of its own"""
    queue: Annotated[int, Meta(ge=1, le=1_000)] = 8
    """how many tasks may wait"""
    policy: Policy = Policy.LATEST
    """what becomes of a task for which there is no room, or of the one before it"""
    max_age_ms: Annotated[float, Meta(gt=0.0, le=3_600_000.0)] | None = None
    """a frame that is older when its task would begin is left out"""
    task_limit_s: Annotated[float, Meta(gt=0.0, le=3_600.0)] = 5.0
    """what takes longer hangs, and is replaced"""
    memory_mb: Annotated[int, Meta(ge=64, le=1_048_576)] | None = None
    """of address space, for an isolated one; default: no limit"""


QUEUED_ONLY = ("queue", "policy", "max_age_ms", "task_limit_s")
_KNOWN = tuple(Options.__struct_fields__)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an entry asks for."""

    path: str
    entry: str
    """what the class is found by: a name, or a file"""
    name: str
    """what it is called in counters, logs and answers"""
    kind: type[AnyProcessor]
    options: Options
    settings: dict[str, Any]
    """its own, as they are written"""

    @property
    def is_deferred(self) -> bool:
        return issubclass(self.kind, DeferredProcessor)

    def make(self) -> AnyProcessor:
        """The processor; raises whatever its constructor does."""
        return make(self.kind, self.settings)


@dataclass(frozen=True, kw_only=True)
class Orders:
    """The entries of a configuration, as far as they can be had."""

    orders: list[Order]
    broken: dict[str, str]
    """processors that exist, but can't be loaded: name and reason"""


def read_orders(entries: Sequence[str | dict[str, Any]], load: Load, left_out: Collection[str] = ()) -> Orders:
    """What the entries ask for, without those that are `left_out`. Raises ConfigError with all that is wrong in them;
    a plug-in that can't be loaded is not wrong here, but broken."""
    orders, broken, problems = _read_each(entries, load, left_out)
    if problems:
        raise ConfigError(problems)
    return Orders(orders=orders, broken=dict(broken.values()))


def find_entry_problems(entries: Sequence[str | dict[str, Any]], load: Load) -> list[str]:
    """What is wrong with the entries as far as names and types tell, broken plug-ins too; makes no processor."""
    _, broken, problems = _read_each(entries, load)
    return problems + [f"{path}: {reason}" for path, (_, reason) in broken.items()]


def _read_each(
    entries: Sequence[str | dict[str, Any]], load: Load, left_out: Collection[str] = ()
) -> tuple[list[Order], dict[str, tuple[str, str]], list[str]]:
    """What the entries ask for, by their paths name and reason of what is broken, and all that is wrong."""
    orders: list[Order] = []
    broken: dict[str, tuple[str, str]] = {}
    problems = find_name_problems(entries)
    for number, (entry, called) in enumerate(zip(entries, names_of(entries), strict=True)):
        path = f"processors[{number}]"
        try:
            name, settings = _split(path, entry)
            if called not in left_out and (kind := _load(path, name, load, broken)) is not None:
                orders.append(_read(f"{path}.{name_of_reference(name)}", name, called, kind, settings))
        except ConfigError as error:
            problems += error.problems
    return orders, broken, problems


def _split(path: str, entry: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, dict) and len(entry) != 1:
        raise ConfigError(
            [f"{path}: expected one name with its settings, got {', '.join(map(str, entry)) or 'nothing'}"]
        )
    name, settings = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
    if not isinstance(settings, dict):
        raise ConfigError(
            [f"{path}.{name_of_reference(name)}: expected a map of settings, got {type(settings).__name__}"]
        )
    return name, settings


def _load(path: str, name: str, load: Load, broken: dict[str, tuple[str, str]]) -> type[AnyProcessor] | None:
    try:
        return load(name)
    except ConfigError as error:
        # A name that nobody brings is a mistake of who wrote it; what is there and fails is the plug-in's.
        is_there = name in find_processors() or read_reference(name) is not None
        if not is_there:
            raise ConfigError([f"{path}: {problem}" for problem in error.problems]) from None
        broken[path] = name, "; ".join(problem.removeprefix(f"{name}: ") for problem in error.problems)
        return None


def _read(path: str, entry: str, name: str, kind: type[AnyProcessor], settings: dict[str, Any]) -> Order:
    options = {key: value for key, value in settings.items() if key in _KNOWN}
    own = {key: value for key, value in settings.items() if key not in _KNOWN}
    problems = find_problems(options, Options, path) + _argument_problems(kind, own, path)
    if not problems:
        problems = _pointless(issubclass(kind, DeferredProcessor), options, path)
    if problems:
        raise ConfigError(problems)
    return Order(
        path=path,
        entry=entry,
        name=name,
        kind=kind,
        options=msgspec.convert(options, Options),
        settings=own,
    )


def _pointless(is_deferred: bool, options: Mapping[str, Any], path: str) -> list[str]:
    """A setting that would change nothing is a mistake of who wrote it."""
    is_isolated = bool(options.get("isolate"))
    problems = []
    if not is_deferred and not is_isolated:
        text = "it has no queue, as it works on the loop; with `isolate: true` it gets one"
        problems = [f"{path}.{key}: {text}" for key in QUEUED_ONLY if key in options]
    if not is_isolated and options.get("memory_mb") is not None:
        problems.append(f"{path}.memory_mb: only a process of its own can have a limit; add `isolate: true`")
    return problems


def _argument_problems(kind: type[AnyProcessor], settings: dict[str, Any], path: str) -> list[str]:
    taken = [name for name in inspect.signature(kind).parameters if name in _KNOWN]
    problems = [
        f"{path}: its argument {name} is called like a setting of enrich; give it another name" for name in taken
    ]
    return problems + find_argument_problems(kind, settings, path, _KNOWN)


def make(kind: type[AnyProcessor], settings: dict[str, Any]) -> AnyProcessor:
    """A processor with these settings; raises whatever its constructor does."""
    return kind(**convert_arguments(kind, settings))
