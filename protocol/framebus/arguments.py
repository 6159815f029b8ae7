"""What a class of the user's own may be told in the configuration: the keyword arguments of its constructor, checked
against their annotations.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from framebus.problems import find_problems

Kind = Callable[..., object]


def find_argument_problems(kind: Kind, settings: Mapping[str, Any], path: str, also: Sequence[str] = ()) -> list[str]:
    """All that is wrong with `settings` as arguments of `kind`, each with its path; `also` names others that are known.

    >>> def camera(exposure_us: int) -> None: ...
    >>> find_argument_problems(camera, {"exposure": 3}, "settings")
    ['settings.exposure: unknown setting; did you mean exposure_us?', 'settings.exposure_us: is missing']
    """
    parameters = _parameters(kind)
    problems = []
    for key, value in settings.items():
        if key in parameters:
            problems += find_problems(value, _kind_of(parameters[key]), f"{path}.{key}")
            continue
        close = difflib.get_close_matches(str(key), [*parameters, *also], 1)
        known = f"known are {', '.join([*parameters, *also])}" if parameters or also else "it takes none"
        right = f"did you mean {close[0]}?" if close else known
        problems.append(f"{path}.{key}: unknown setting; {right}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in settings:
            problems.append(f"{path}.{name}: is missing")
    return problems


def convert_arguments(kind: Kind, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without problems, as the annotations of `kind` want them."""
    parameters = _parameters(kind)
    return {key: msgspec.convert(value, _kind_of(parameters[key])) for key, value in settings.items()}


def _parameters(kind: Kind) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind, eval_str=True).parameters


def _kind_of(parameter: inspect.Parameter) -> Any:
    return Any if parameter.annotation is parameter.empty else parameter.annotation
