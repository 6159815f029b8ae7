"""Puts the values of environment variables in the place of `${NAME}`: so passwords need not stand in a file."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_USE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)@")


def substitute(value: Any, environment: Mapping[str, str], problems: list[str], path: str = "") -> Any:
    """The value with all variables in its texts replaced; `$${` stands for `${` itself.

    Missing variables are added to `problems`, each with its path. User and password of an address are percent-quoted,
    so that a password may hold any character.
    """
    if isinstance(value, dict):
        return {
            key: substitute(item, environment, problems, f"{path}.{key}" if path else key)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [substitute(item, environment, problems, f"{path}[{number}]") for number, item in enumerate(value)]
    return _substitute_text(value, environment, problems, path) if isinstance(value, str) else value


def _substitute_text(text: str, environment: Mapping[str, str], problems: list[str], path: str) -> str:
    userinfo = _USERINFO.match(text)
    quoted_until = userinfo.end(1) if userinfo else 0

    def replace(use: re.Match[str]) -> str:
        name = use[1]
        if name is None:
            return "${"
        if not _NAME.fullmatch(name):
            problems.append(f"{path}: ${{...}} takes the name of a variable, as in ${{FRONT_DOOR_PASSWORD}}")
        elif name not in environment:
            problems.append(f"{path}: the environment variable {name} is not set, nor in secrets.env beside the file")
        else:
            return quote(environment[name], safe="") if use.end() <= quoted_until else environment[name]
        return ""

    return _USE.sub(replace, text)
