"""Changes one setting in the text of a YAML file and leaves everything else, comments included, as it was.

Only the characters of that setting are replaced, by the marks that the parser gives. What comes out is read again and
compared with what was meant: what cannot be changed so (a value that an anchor shares, say) is refused, never guessed.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from framebus.errors import ConfigError
from framebus_launcher.document import parse_document

Part = str | int
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class EditError(Exception):
    """The text cannot be changed that way; says why."""


def parse_path(path: str) -> list[Part]:
    """The parts of a path; raises EditError.

    >>> parse_path("services.enrich.processors[0]")
    ['services', 'enrich', 'processors', 0]
    """
    if not re.fullmatch(r"[^.\[\]]+(?:\.[^.\[\]]+|\[\d+\])*", path):
        raise EditError(f"{path!r} is no path; write one as in cameras.front.detect.fps")
    return [name or int(number) for name, number in _PART.findall(path)]


def find_value(value: Any, parts: Sequence[Part]) -> Any:
    """What stands at a path; raises LookupError."""
    for part in parts:
        if not isinstance(value, list if isinstance(part, int) else dict):
            raise KeyError(part)
        value = value[part]  # type: ignore[index]  # of a list part is a number, as we have just seen
    return value


def with_value(value: Any, parts: Sequence[Part], new: Any) -> Any:
    """A copy of `value` with `new` at a path, whose maps are made where they are missing; None removes it.

    Raises EditError where the path leads through something else, or to nothing that could be removed.
    """
    part, *rest = parts
    if isinstance(part, int):
        if not isinstance(value, list) or part >= len(value):
            raise EditError(f"there is no item [{part}]; to add one, set the whole list")
        changed = with_value(value[part], rest, new) if rest else new
        return [*value[:part], *([] if changed is None else [changed]), *value[part + 1 :]]
    if not isinstance(value, dict) and value is not None:
        raise EditError(f"{part} cannot be set there: what stands there is no map of settings")
    known = value or {}
    if new is None and part not in known:
        raise EditError(f"there is no {part} that could be removed")
    if rest:
        return {**known, part: with_value(known.get(part), rest, new)}
    return {key: item for key, item in {**known, part: new}.items() if key != part or new is not None}


def edit_yaml(path: Path, text: str, parts: Sequence[Part], new: Any) -> str:
    """The text with `new` at a path, or without it where `new` is None; raises EditError."""
    before = parse_document(path, text).value
    wanted = with_value(before, parts, new)
    try:
        edited = _change(text, before, wanted)
    except yaml.YAMLError:
        raise EditError("the value holds what YAML has no words for") from None
    try:
        document = parse_document(path, edited)
    except ConfigError:
        document = None
    if document is None or document.problems or document.value != wanted:
        raise EditError("it is written in a way that cannot be changed from here (an anchor?): edit the file by hand")
    return edited


def _change(text: str, before: Any, wanted: Any) -> str:
    """One change after the other, each in the text that the one before left, until nothing differs."""
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or not root.value:
        head = text if not text.strip() or text.endswith("\n") else f"{text}\n"
        return head + _block(wanted, 0) if wanted else text
    return _apply(text, _changes(text, root, before, wanted))


Change = tuple[int, int, str]
"""the characters from, to, and what stands there then"""


def _apply(text: str, changes: list[Change]) -> str:
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _changes(text: str, node: yaml.MappingNode, before: Any, wanted: dict[str, Any]) -> list[Change]:
    """What differs between a map as it stands and as it is wanted."""
    pairs = {str(key.value): (key, value) for key, value in node.value}
    gone = [name for name in before if name not in wanted]
    added = {name: item for name, item in wanted.items() if name not in before}
    changes: list[Change] = []
    for name, item in wanted.items():
        if name in before and _differ(item, before[name]):
            if name not in pairs:  # it comes by `<<`; here is its own
                added[name] = item
            else:
                changes += _replace(text, *pairs[name], before[name], item)
    for name in gone:
        if name in pairs:
            changes.append(_cut(text, node, pairs[name], is_last=list(pairs)[-1] == name))
    if added:
        changes.append(_insert(text, node, added, gone))
    return changes


def _replace(text: str, key: yaml.Node | None, value: yaml.Node, before: Any, wanted: Any) -> list[Change]:
    """A value, of the pair with `key`, or an item of a list."""
    if isinstance(before, dict) and isinstance(wanted, dict) and before.keys() & wanted.keys():
        assert isinstance(value, yaml.MappingNode)
        return _changes(text, value, before, wanted)
    if isinstance(before, list) and isinstance(wanted, list) and len(before) == len(wanted):
        items = zip(value.value, before, wanted, strict=True)
        found = [_replace(text, None, node, was, item) for node, was, item in items if _differ(was, item)]
        return [change for changes in found for change in changes]
    start, end = value.start_mark.index, _end(text, value)
    if key is not None and not before and _is_deep(wanted) and _begins_line(text, key):
        return _unfold(text, key, end, wanted)
    if key is not None and _is_block(value):
        start = _after_colon(text, key)
    elif key is not None and start == end:  # `key:` and nothing
        start = end = _after_colon(text, key)
    before_it = "" if text[start - 1 : start].isspace() or text[start - 1] in "[," else " "
    return [(start, end, before_it + _flow(wanted))]


def _unfold(text: str, key: yaml.Node, end: int, wanted: dict[str, Any]) -> list[Change]:
    """Nothing, or `{}`, becomes lines of its own below the key; a comment beside the key stays there."""
    after = _after_colon(text, key)
    line_end = text.find("\n", end)
    at = len(text) if line_end < 0 else line_end
    block = _block(wanted, key.start_mark.column + 2).removesuffix("\n")
    return [(after, max(after, end), ""), (at, at, f"\n{block}")]


def _begins_line(text: str, key: yaml.Node) -> bool:
    start = key.start_mark.index
    return not text[text.rfind("\n", 0, start) + 1 : start].strip()


def _differ(one: Any, other: Any) -> bool:
    """Also 1, 1.0 and true do."""
    return bool(one != other or type(one) is not type(other))


def _insert(text: str, node: yaml.MappingNode, added: dict[str, Any], gone: list[str]) -> Change:
    if node.flow_style:
        at = node.end_mark.index - 1
        inner = text[node.start_mark.index + 1 : at].rstrip()
        at = node.start_mark.index + 1 + len(inner)
        is_first = not inner or inner.endswith(",") or len(gone) == len(node.value)
        return (at, at, ("" if is_first else ", ") + _flow(added)[1:-1])
    at = text.find("\n", _end(text, node))
    indented = _block(added, node.value[0][0].start_mark.column)
    return (len(text), len(text), f"\n{indented}") if at < 0 else (at + 1, at + 1, indented)


def _cut(text: str, parent: yaml.MappingNode, pair: tuple[yaml.Node, yaml.Node], *, is_last: bool) -> Change:
    key, value = pair
    start, end = key.start_mark.index, max(key.end_mark.index, _end(text, value))
    if parent.flow_style:
        rest = re.match(r"\s*,\s*", text[end:])
        if rest is not None:
            return start, end + rest.end(), ""
        return text.rfind(",", 0, start) if is_last and len(parent.value) > 1 else start, end, ""
    line_end = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if line_end < 0 else line_end + 1, ""


def _end(text: str, node: yaml.Node) -> int:
    """Where the last character of a value is; the parser's own mark of a block stands where the next thing begins."""
    if _is_block(node) and isinstance(node, yaml.CollectionNode) and node.value:
        last = node.value[-1]
        if isinstance(last, tuple):
            return max(int(last[0].end_mark.index) + 1, _end(text, last[1]))
        return _end(text, last)
    end = int(node.end_mark.index)
    return int(node.start_mark.index) + len(text[node.start_mark.index : end].rstrip())


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _after_colon(text: str, key: yaml.Node) -> int:
    return text.index(":", key.end_mark.index) + 1


def _flow(value: Any) -> str:
    """The value on one line; quoted as within braces, where it may have to stand."""
    dumped = yaml.safe_dump([value], default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return str(dumped).strip()[1:-1]


def _block(value: dict[str, Any], column: int) -> str:
    """Maps of maps on lines of their own, the innermost in braces, as people write them."""
    lines = ""
    for name, item in value.items():
        lines += " " * column + _flow(name) + ":"
        lines += f"\n{_block(item, column + 2)}" if _is_deep(item) else f" {_flow(item)}\n"
    return lines


def _is_deep(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(inner, dict | list) for inner in value.values())
