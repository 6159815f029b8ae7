"""A configuration file as plain values: YAML or TOML, with the line of each setting and all that is wrong with it."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from framebus.errors import ConfigError
from framebus.redact import redact

MERGE = "tag:yaml.org,2002:merge"
COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
# What a parser quotes may be a password; only its own words, of a few characters or in angle brackets, may be shown.
_SHOWN = re.compile(r"""(?:[^'"]|'(?:[^']{1,3}|<[a-z ]+>)'|"[^"]{1,3}")*""")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*"|\s#.*""")
_PLACE = re.compile(r" \(at [a-z0-9 ,]+\)$")

_BEGUN = {
    "could not find expected ':'": "a ':' is missing, as in `cameras:`",
    "flow mapping: expected": "here begins a { that is not closed: a } or a comma is missing",
    "flow sequence: expected": "here begins a [ that is not closed: a ] or a comma is missing",
    "quoted scalar: found unexpected end": "here begins a text in quotes that does not end",
}
"""what a parser finds wrong only later, and what to say of the line where it began"""
_THERE = {
    "mapping values are not allowed": "a ':' that does not belong here: has the line above lost its own, or is this "
    "one indented too far? A text with ': ' in it goes into quotes",
    "character '\\t'": "a tab; indent with spaces",
    "that cannot start any token": "a text that begins with such a character goes into quotes",
    "but found '<stream end>'": "the file ends too early: a } or a ] is missing",
    "expected <block end>": "this line is indented otherwise than those above it",
}

_EXPECTED = re.compile(r"Expected `([a-z |]+)`(?:, got `([a-z]+)`)?")
_TYPES = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_TYPES |= {"array": "a list", "object": "a map of settings", "null": "nothing"}


@dataclass(kw_only=True)
class Document:
    """What stands in a file; `problems` are as in `cameras.front.source: ...`, without file and line."""

    file: str
    value: Any
    lines: dict[str, int] = field(default_factory=dict)
    """line of each setting, by its path"""
    problems: list[str] = field(default_factory=list)

    def locate(self, problem: str) -> str:
        """The problem with file and line before it, and no credentials in it."""
        path = problem.partition(": ")[0]
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        line = f":{self.lines[path]}" if path else ""
        return redact(f"{self.file}{line}: {_EXPECTED.sub(_of_types, problem)}")


def read_document(path: Path) -> Document:
    """Read a file; raises ConfigError when it can't be read, or is neither YAML nor TOML."""
    return parse_document(path, read_text(path))


def read_text(path: Path) -> str:
    """The text of a file; raises ConfigError when it can't be read."""
    try:
        return path.read_bytes().decode()  # and not as text: line ends stay as they are
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from None


def parse_document(path: Path, text: str) -> Document:
    """What stands in the text of a file; raises ConfigError when it is neither YAML nor TOML."""
    return _read_toml(str(path), text) if is_toml(path) else _read_yaml(str(path), text)


def is_toml(path: Path) -> bool:
    return path.suffix == ".toml"


def _read_toml(file: str, text: str) -> Document:
    try:
        return Document(file=file, value=tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{file}: {_hide(str(error))}"]) from None


def _read_yaml(file: str, text: str) -> Document:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        document = Document(file=file, value={})
        if node is not None:
            document.value = _Builder(loader, document).build(node, "", ())
        return document
    except yaml.MarkedYAMLError as error:
        raise ConfigError([f"{file}{_bare_use(error, text) or _mistake(error)}"]) from None
    except yaml.YAMLError:
        raise ConfigError([f"{file}: holds characters that YAML does not allow"]) from None
    finally:
        loader.dispose()


def _mistake(error: yaml.MarkedYAMLError) -> str:
    """Its line and what is wrong there, where we know in the words of who writes and not of who reads the file."""
    said = f"{error.context}: {error.problem}"
    begun = next((words for sign, words in _BEGUN.items() if sign in said), None)
    mark = error.context_mark if begun is not None else error.problem_mark or error.context_mark
    line = f":{mark.line + 1}" if mark is not None else ""
    known = next((words for sign, words in _THERE.items() if sign in said), None)
    # The error's own text would show the line, and with it what may be a password.
    return f"{line}: {begun or known or _hide(error.problem or 'is no YAML')}"


def _bare_use(error: yaml.MarkedYAMLError, text: str) -> str | None:
    """Its line and the mend, where a brace of `${NAME}` was taken for one of the file's own."""
    if error.context_mark is None or error.problem_mark is None or "flow" not in (error.context or ""):
        return None
    lines = text.splitlines()
    for number in range(error.context_mark.line, min(error.problem_mark.line + 1, len(lines))):
        if "${" in _QUOTED.sub("", lines[number]):
            return f":{number + 1}: an address with ${{NAME}} goes into quotes where it stands within {{ }} or [ ]"
    return None


class _Builder:
    """Turns nodes into values. Keys are text as written, so that `on:` and `1:` are names like any other."""

    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader = loader
        self._document = document

    def build(self, node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> Any:
        if node in above:
            self._note(path, "refers to itself")
            return None
        if isinstance(node, yaml.MappingNode | yaml.SequenceNode) and node.tag not in COLLECTIONS:
            self._note(path, "tags are not supported")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._build_map(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return self._build_list(node, path, (*above, node))
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._note(path, "is not readable; put it in quotes")
            return None

    def _build_map(self, node: yaml.MappingNode, path: str, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(path, f"line {line}: a name is expected before the colon")
                continue
            key = str(key_node.value)
            inner = f"{path}.{key}" if path else key
            if key_node.tag == MERGE:
                merged |= self._build_merged(value_node, path, above)
            elif key in own:
                first = self._document.lines[inner]
                self._document.lines[inner] = line
                self._note(inner, f"stands here for the second time; the first is in line {first}")
            else:
                self._document.lines[inner] = line
                own[key] = self.build(value_node, inner, above)
        return merged | own

    def _build_merged(self, node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        value = self.build(node, path, above)
        merged: dict[str, Any] = {}
        for one in reversed(value if isinstance(value, list) else [value]):  # the first of a list wins
            if isinstance(one, dict):
                merged |= one
            else:
                self._note(path, "<< takes a map, or a list of maps")
        return merged

    def _build_list(self, node: yaml.SequenceNode, path: str, above: tuple[yaml.Node, ...]) -> list[Any]:
        values = []
        for number, item in enumerate(node.value):
            inner = f"{path}[{number}]"
            self._document.lines[inner] = item.start_mark.line + 1
            values.append(self.build(item, inner, above))
        return values

    def _note(self, path: str, text: str) -> None:
        self._document.problems.append(f"{path or 'file'}: {text}")


def _of_types(said: re.Match[str]) -> str:
    """The types of a checker in the words of who writes the file."""
    wanted = " or ".join(_TYPES.get(one, one) for one in said[1].split(" | "))
    return f"expected {wanted}{f', got {_TYPES.get(said[2], said[2])}' if said[2] else ''}"


def _hide(text: str) -> str:
    shown = _SHOWN.match(text)
    if shown is None or shown[0] == text:
        return text
    place = _PLACE.search(text)
    return f"{shown[0]}...{place[0] if place else ''}"
