"""Finds everything that is wrong with a value that shall become a Struct, each thing with its path.

msgspec alone stops at the first error; this walks structs and maps field by field.
"""

import difflib
import types
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from framebus.settings import STDOUT, Notify


def find_problems(value: object, kind: Any, path: str = "") -> list[str]:
    """Everything that is wrong with `value` as a `kind`, each with its path, as in `cameras.front.detect.fps: ...`."""
    if get_origin(kind) is Annotated and _is_container(get_args(kind)[0]):
        kind, *metas = get_args(kind)
        if problem := _length_problem(value, metas):
            return [f"{path or 'file'}: {problem}"]
    if get_origin(kind) in (Union, types.UnionType):
        if value is None and type(None) in get_args(kind):
            return []
        if isinstance(value, bool) and bool in get_args(kind):
            return []
        structs = [option for option in get_args(kind) if _is_struct(option)]
        texts = [option for option in get_args(kind) if _is_text(option)]
        if structs and texts and not isinstance(value, dict):
            kind = texts[0]
        elif len(structs) == 1:
            kind = structs[0]
    if _is_struct(kind):
        return _struct_problems(value, kind, path)
    if get_origin(kind) is dict:
        return _map_problems(value, kind, path)
    if _is_list_of_structs(kind) and isinstance(value, list):
        items = [find_problems(item, get_args(kind)[0], f"{path}[{number}]") for number, item in enumerate(value)]
        return [problem for problems in items for problem in problems]
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return [f"{path or 'file'}: {_in_words(str(error), kind)}"]
    return []


_PATTERNS = {
    "[smhd]": "expected a number and s, m, h or d, as in 7d",
    "(MB|GB|TB)": "expected a number and MB, GB or TB, as in 800GB",
    "24:00": "expected two times of the day, as in 22:00-06:00",
    "https?://[^": "expected an address that begins with http:// or https://, without spaces",
    "x00": "expected one line of text",
}
"""what a part of a regular expression stands for"""


def _in_words(said: str, kind: Any) -> str:
    """What msgspec says, with what would be right where it does not: no regular expressions, and the choices."""
    said = said.replace(" - at `$", " - at `")
    if "matching regex" in said:
        said = next((words for part, words in _PATTERNS.items() if part in said), said)
    if said.startswith("Invalid enum value") and isinstance(kind, type) and issubclass(kind, StrEnum):
        return f"{said.removeprefix('Invalid enum value ')} is not known; it is one of {', '.join(kind)}"
    if said.startswith("Invalid enum value") and kind == Notify:
        return f"{said.removeprefix('Invalid enum value ')} is not known; it is true, false or {STDOUT}"
    return said


def _is_container(kind: Any) -> bool:
    return get_origin(kind) is dict or _is_struct(kind) or _is_list_of_structs(kind)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _is_text(kind: Any) -> bool:
    return get_origin(kind) is Annotated and get_args(kind)[0] is str


def _is_list_of_structs(kind: Any) -> bool:
    return get_origin(kind) is list and _is_struct(get_args(kind)[0])


def _length_problem(value: object, metas: list[Any]) -> str | None:
    length = len(value) if isinstance(value, dict | list) else 0
    for meta in metas:
        if isinstance(meta, Meta) and meta.max_length is not None and length > meta.max_length:
            return f"has {length} entries; at most {meta.max_length} are allowed"
        if isinstance(meta, Meta) and meta.min_length is not None and length < meta.min_length:
            return f"has {length} entries; at least {meta.min_length} is needed"
    return None


def _struct_problems(value: object, kind: type[Struct], path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path or 'file'}: expected a map of settings, got {_shown(value)}"]
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    problems = []
    for key in value:
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, 1)
            right = f"did you mean {close[0]}?" if close else f"known are {', '.join(fields)}"
            problems.append(f"{_join(path, key)}: unknown setting; {right}")
    for name, field in fields.items():
        if name in value:
            problems += find_problems(value[name], hints[field.name], _join(path, name))
        elif field.required:
            problems.append(f"{_join(path, name)}: is missing")
    if not problems and hasattr(kind, "__post_init__"):  # what fields say together
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            problems.append(f"{path or 'file'}: {error}")
    return problems


def _map_problems(value: object, kind: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path or 'file'}: expected a map, got {_shown(value)}"]
    key_kind, item_kind = get_args(kind)
    problems = []
    for key, item in value.items():
        try:
            msgspec.convert(key, key_kind)
        except msgspec.ValidationError:
            problems.append(f"{_join(path, key)}: a name has at most 32 of a-z, 0-9, _ and -, a letter or digit first")
        problems += find_problems(item, item_kind, _join(path, key))
    return problems


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _shown(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
