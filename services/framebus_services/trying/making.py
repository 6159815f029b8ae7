"""Makes the processor that is tried: its class by file or name, its settings as `key=value`."""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from framebus.errors import ConfigError
from framebus.plugin_classes import load_processor
from framebus.problems import find_problems
from framebus.processor import AnyProcessor


def make_processor(reference: str, given: Sequence[str]) -> AnyProcessor:
    """The processor with these settings; raises ConfigError with all that is wrong in them."""
    kind = load_processor(reference)
    parameters = inspect.signature(kind, eval_str=True).parameters
    values: dict[str, Any] = {}
    problems: list[str] = []
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            problems.append(f"--set {text}: write it as --set key=value")
        elif key not in parameters:
            close = difflib.get_close_matches(key, parameters, 1)
            known = f"known are {', '.join(parameters)}" if parameters else "it takes none"
            problems.append(f"--set {key}: unknown setting; {f'did you mean {close[0]}?' if close else known}")
        else:
            values[key] = _read(value)
    kinds = {name: _kind_of(parameter) for name, parameter in parameters.items()}
    for key, value in values.items():
        problems += find_problems(value, kinds[key], f"--set {key}")
    problems += [f"--set {name}=... is missing" for name in _needed(parameters) if name not in values]
    if problems:
        raise ConfigError(problems)
    try:
        return kind(**{key: msgspec.convert(value, kinds[key]) for key, value in values.items()})
    except (ValueError, TypeError, OSError) as error:
        raise ConfigError([f"{reference}: {error}"]) from None


def _read(text: str) -> Any:
    """JSON where it is any, as in 3, true or [1, 2]; else the text itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _kind_of(parameter: inspect.Parameter) -> Any:
    return Any if parameter.annotation is parameter.empty else parameter.annotation


def _needed(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    return [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
