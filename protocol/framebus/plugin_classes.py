"""Loads the classes that installed packages and files of the user's own add to framebus; raises ConfigError with the
reason. What only names them, and the job types that the dispatcher loads, is in `framebus.plugins`.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, cast

from msgspec import Struct

from framebus.analyser import Analyser
from framebus.arguments import convert_arguments, find_argument_problems
from framebus.bus import Bus
from framebus.errors import ConfigError
from framebus.jobs import JobType
from framebus.plugins import ANALYSERS, JOBS, PROCESSORS, SERVICES, find_processors, load_only
from framebus.processor import AnyProcessor, BaseProcessor
from framebus.processor_class import load_processor_file
from framebus.processor_file import read_reference
from framebus.redact import redact
from framebus.runner import AnyJobRunner, JobRunner


def load_job_runner(name: str) -> type[AnyJobRunner]:
    """The runner at an entry point; raises ConfigError with the reason when it can't be had."""
    loaded, whence = load_only(JOBS, "runner", name)
    if not isinstance(loaded, type) or not issubclass(loaded, JobRunner):
        raise ConfigError([f"{whence} is no JobRunner; the entry point names a class derived from framebus.JobRunner"])
    if not isinstance(getattr(loaded, "contract", None), JobType):
        raise ConfigError([f"{whence} has no contract; give it `contract = ...`, a framebus.JobType"])
    return loaded


def load_service(name: str) -> Callable[[Bus], object]:
    """What makes the service at an entry point, given its bus; raises ConfigError with the reason."""
    loaded, whence = load_only(SERVICES, "service", name)
    if not callable(loaded):
        raise ConfigError([f"{whence} is no service; the entry point names a class or function that takes a Bus"])
    settings_type = getattr(loaded, "settings_type", None)
    if settings_type is not None and not (isinstance(settings_type, type) and issubclass(settings_type, Struct)):
        raise ConfigError([f"{whence} has a settings_type that is no msgspec.Struct"])
    return cast(Callable[[Bus], object], loaded)


def load_processor(reference: str) -> type[AnyProcessor]:
    """The class of a processor: of an installed package by its name, or of a file as in `./mine.py:Lights`.

    Raises ConfigError with the reason.
    """
    file = read_reference(reference)
    if file is not None:
        return load_processor_file(file)
    known = sorted(find_processors())
    if reference not in known:
        close = difflib.get_close_matches(reference, known, 1)
        likely = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError([f"unknown processor {redact(reference)[:40]!r}; known are {', '.join(known)}{likely}"])
    loaded, whence = load_only(PROCESSORS, "processor", reference)
    if not isinstance(loaded, type) or not issubclass(loaded, BaseProcessor):
        raise ConfigError([f"{whence} is no processor; derive it from framebus.Processor or DeferredProcessor"])
    return loaded  # type: ignore[return-value]  # the two kinds are all that there are


def load_analyser(name: str, settings: Mapping[str, Any]) -> Analyser:
    """The analyser that an installed package brings, with these settings; raises ConfigError with the reason."""
    kind, whence = load_only(ANALYSERS, "analyser", name)
    if not isinstance(kind, type) or not issubclass(kind, Analyser):
        raise ConfigError([f"{whence} is no analyser; derive it from framebus.analyser.Analyser"])
    if problems := find_argument_problems(kind, settings, f"analysers.{name}"):
        raise ConfigError(problems)
    try:
        return kind(**convert_arguments(kind, settings))
    except (ValueError, TypeError, OSError) as error:
        raise ConfigError([f"analysers.{name}: {error}"]) from None
