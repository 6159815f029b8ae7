"""Makes the tables of protocol/SPEC.md from the code: `python tests/spec/tables.py --write` puts them in.

A table stands between `<!-- table:NAME -->` and `<!-- end -->`.
"""

import ast
import enum
import inspect
import itertools
import re
import struct
import sys
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import FieldInfo

from framebus import (
    bus,
    caller,
    codec,
    errors,
    jobs,
    kept_answers,
    messages,
    place,
    requests,
    retained,
    ring_layout,
    sockets,
    topics,
)
from framebus.names import pattern_of

SPEC = Path(__file__).parents[2] / "protocol" / "SPEC.md"
MARKED = re.compile(r"(<!-- table:([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

UNITS = (
    ("at_s", "s since 1970"),
    ("up_s", "s since boot"),
    ("_s", "s"),
    ("_ms", "ms"),
    ("_us", "µs"),
    ("_ns", "ns"),
    ("_bytes", "bytes"),
    ("percent", "%"),
    ("fps_in", "frames/s"),
    ("fps_out", "frames/s"),
)
PLAIN = {str: "text", int: "integer", float: "number", bool: "boolean", bytes: "bytes", Raw: "any value"}
NAMES = {name: getattr(messages, name) for name in ("Name", "Instance", "JobId")}
NAMED = {pattern_of(get_args(alias)[1]): f"*{name}*" for name, alias in NAMES.items()}

Rows = list[tuple[str, ...]]


def render(text: str) -> str:
    """The text of the specification with its tables as the code has them; raises KeyError for an unknown table."""
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[4]}", text)


# Words for people who do not read Python ----------------------------------------------------------------------------


def type_name(kind: Any) -> str:
    """A type in plain words, as in `list of Box` or `map of text to integer`."""
    if get_origin(kind) is Annotated:
        return type_name(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(type_name(option) for option in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {type_name(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        key, value = get_args(kind)
        return f"map of {type_name(key)} to {type_name(value)}"
    if kind is type(None):
        return "nil"
    if kind is Any:
        return "any value"
    return PLAIN.get(kind) or str(kind.__name__)


def range_of(kind: Any) -> str:
    """What values of a type are allowed, in plain words; empty when all of the type are."""
    options = [option for option in get_args(kind) if option is not type(None)]
    if get_origin(kind) in (Union, types.UnionType):
        return ", ".join(filter(None, map(range_of, options)))
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        words = [NAMED.get(pattern_of(meta)) or _meta_range(meta, inner) for meta in metas if isinstance(meta, Meta)]
        return ", ".join(filter(None, [*words, range_of(inner)]))
    if get_origin(kind) is list:
        return f"each {inner}" if (inner := range_of(options[0])) else ""
    if get_origin(kind) is dict:
        return f"values {inner}" if (inner := range_of(options[1])) else ""
    return ""


def _meta_range(meta: Meta, kind: Any) -> str:
    if (pattern := pattern_of(meta)) is not None:
        return f"matches `{pattern.removesuffix(messages.END)}`, without a line end"
    what = {str: " characters", bytes: " bytes"}.get(kind, " entries")
    if meta.min_length is not None and meta.min_length == meta.max_length:
        return f"{meta.min_length}{what}"
    least = meta.min_length if meta.min_length is not None else meta.ge if meta.ge is not None else meta.gt
    most = meta.max_length if meta.max_length is not None else meta.le if meta.le is not None else meta.lt
    unit = what if meta.max_length is not None or meta.min_length is not None else ""
    if most is None:
        return f"at least {number(least)}{unit}" if least is not None else ""
    below = "below " if meta.lt is not None else ""
    return f"at most {number(most)}{unit}" if least is None else f"{number(least)} to {below}{number(most)}{unit}"


def number(value: float) -> str:
    """A number as people write it: 2^53, 10^11, 65,535."""
    if value == 2**53:
        return "2^53"
    if value in (1e9, 1e11):
        return f"10^{len(str(int(value))) - 1}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def unit_of(field: str, kind: Any) -> str:
    """The unit that a field's name or type tells of."""
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if messages.Pixels in options:
        return "pixels"
    if bool in options:
        return ""
    return next((unit for suffix, unit in UNITS if field.endswith(suffix)), "")


def need_of(field: FieldInfo) -> str:
    """Whether a field must be there, or what stands for it when it is not."""
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value == messages.NIL:
        return "nil"
    if isinstance(value, enum.Enum):
        return f"`{value.value}`"
    if isinstance(value, Struct):
        return "its defaults"
    return f"`{msgspec.json.encode(value).decode()}`"


@cache
def notes_of(module: str) -> dict[tuple[str, str], str]:
    """What the source says of each field: the text that follows it, by class and field."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    notes = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for before, after in itertools.pairwise(node.body):
                if (
                    isinstance(before, ast.AnnAssign)
                    and isinstance(before.target, ast.Name)
                    and isinstance(after, ast.Expr)
                    and isinstance(after.value, ast.Constant)
                ):
                    notes[node.name, before.target.id] = " ".join(str(after.value.value).split())
    return notes


def doc_of(kind: type) -> str:
    """The first words of a class, or nothing."""
    own = kind.__dict__.get("__doc__")
    return " ".join(own.split()) if own and not own.startswith("An enum") else ""


# Tables -------------------------------------------------------------------------------------------------------------


def table(heads: tuple[str, ...], rows: Rows) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def struct_section(kind: type[Struct], title: str = "") -> str:
    """One Struct: heading, what it is, and its fields."""
    notes = notes_of(kind.__module__)
    rows = [
        (
            f"`{field.encode_name}`",
            type_name(field.type),
            unit_of(field.name, field.type),
            range_of(field.type),
            need_of(field),
            notes.get((kind.__name__, field.name), ""),
        )
        for field in msgspec.structs.fields(kind)
    ]
    said = doc_of(kind)
    body = (
        table(("field", "type", "unit", "range", "default", "meaning"), rows) if rows else "No fields: an empty map.\n"
    )
    return f"### {title or kind.__name__}\n\n{said + chr(10) * 2 if said else ''}{body}"


def parts_of(kind: Any) -> Iterator[Any]:
    """The Structs and enums within a type, itself included, each before what it holds."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        yield kind
    elif isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from parts_of(field.type)
    else:
        for inner in get_args(kind):
            yield from parts_of(inner)


def news_kinds() -> list[Any]:
    """All Structs and enums of news, in the order of the topic table."""
    return list(dict.fromkeys(part for row in topics.TOPICS for part in parts_of(row.body)))


def request_kinds() -> list[Any]:
    """All Structs and enums of requests and answers that are not news, in the order of the method table."""
    every = (part for row in requests.METHODS for kind in (row.request, row.answer) for part in parts_of(kind))
    return [kind for kind in dict.fromkeys(every) if kind not in news_kinds()]


def head_kinds() -> list[type[Struct]]:
    return [codec.Head, codec.RequestHead, codec.AnswerHead, codec.ErrorBody]


def _sections(kinds: list[Any]) -> str:
    return "\n".join(struct_section(kind) for kind in kinds if issubclass(kind, Struct))


def _names() -> str:
    rows = []
    notes = _alias_notes()
    for name, alias in NAMES.items():
        inner, *metas = get_args(alias)
        words = ", ".join(_meta_range(meta, inner) for meta in metas if isinstance(meta, Meta))
        rows.append((f"*{name}*", type_name(inner), words, notes.get(name, "")))
    return table(("name", "type", "range", "meaning"), rows)


def _alias_notes() -> dict[str, str]:
    body = ast.parse(inspect.getsource(messages)).body
    return {
        before.targets[0].id: str(after.value.value)
        for before, after in itertools.pairwise(body)
        if isinstance(before, ast.Assign)
        and isinstance(before.targets[0], ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }


def _topics() -> str:
    rows = [
        (
            f"`{row.pattern.replace('{', '<').replace('}', '>')}`",
            row.body.__name__,
            row.publisher,
            row.rate,
            "retained" if row.is_retained else "",
            row.when_full.value,
        )
        for row in topics.TOPICS
    ]
    return table(("topic", "body", "from", "rate", "kept", "when a reader is slow"), rows)


def _methods() -> str:
    rows = [
        (f"`{row.name}`", row.service, row.request.__name__, row.answer.__name__, doc_of(row.request))
        for row in requests.METHODS
    ]
    return table(("method", "answered by", "request", "answer", "meaning"), rows)


def _enums() -> str:
    kinds = [kind for kind in [*news_kinds(), *request_kinds()] if issubclass(kind, enum.Enum)]
    rows = [(f"{kind.__name__}", ", ".join(f"`{value.value}`" for value in kind), doc_of(kind)) for kind in kinds]
    return table(("set", "values", "meaning"), rows)


def _codes() -> str:
    return "".join(f"- `{code.value}`\n" for code in errors.ErrorCode)


def _exits() -> str:
    return table(("code", "name"), [(str(int(code)), code.name.lower()) for code in errors.ExitCode])


def _limits() -> str:
    rows = [
        ("frames of a message, counted before decoding", f"{codec.MAX_FRAMES}"),
        ("topic", f"{number(codec.MAX_TOPIC_BYTES)} bytes"),
        ("head", f"{number(codec.MAX_HEAD_BYTES)} bytes"),
        ("body of news", f"{number(codec.MAX_NEWS_BYTES)} bytes"),
        ("body of retained news", f"{number(codec.MAX_RETAINED_BYTES)} bytes"),
        ("frame of news, blob included (MAXMSGSIZE)", f"{number(codec.MAX_NEWS_MESSAGE_BYTES)} bytes"),
        ("body of a request (MAXMSGSIZE)", f"{number(codec.MAX_REQUEST_BYTES)} bytes"),
        ("body and blob of an answer (MAXMSGSIZE)", f"{number(codec.MAX_ANSWER_BYTES)} bytes"),
        ("rows of an answer", f"{requests.MAX_ROWS}"),
        ("topics of a beacon", f"{retained.MAX_BEACON_TOPICS}"),
        ("answers kept by a door", f"{number(kept_answers.MAX_KEPT)}"),
        (
            f"of these, those up to {number(kept_answers.LARGE_BYTES)} bytes, in all",
            f"{number(kept_answers.MAX_SMALL_BYTES)} bytes",
        ),
        ("of these, larger ones, in all", f"{number(kept_answers.MAX_LARGE_BYTES)} bytes"),
        ("topics whose `seq` a publisher remembers", f"{number(bus.MAX_SEQS)}"),
        ("result of a job", f"{number(jobs.MAX_RESULT_BYTES)} bytes"),
        ("path of an ipc socket", f"{place.MAX_IPC_PATH_BYTES} bytes"),
        ("high-water mark of every socket", f"{number(sockets.HIGH_WATER_MARK)} messages"),
    ]
    return table(("what", "at most"), rows)


def _timing() -> str:
    rows = [
        ("beacon after a change", f"{retained.BEACON_SOON_S:g} s"),
        ("beacon after that one", f"{retained.BEACON_AGAIN_S:g} s"),
        ("beacon otherwise, every", f"{retained.BEACON_S:g} s"),
        ("replay to a subscriber", f"{retained.REPLAY_AT_ONCE} topics every {1_000 * retained.REPLAY_EVERY_S:g} ms"),
        ("reconnect, first try after", f"{sockets.RECONNECT_MS} ms"),
        ("reconnect, later tries at most every", f"{sockets.RECONNECT_MAX_MS} ms"),
        ("request sent again, first after", f"{caller.FIRST_RESEND_S:g} s"),
        ("request sent again, doubling up to every", f"{caller.RESEND_S:g} s"),
        ("deadline of a request, default", f"{_default_deadline_s():g} s"),
        ("deadline of a request, at most", f"{codec.MAX_DEADLINE_S:g} s"),
        ("an answer is kept for its repeats", f"{kept_answers.KEEP_S:g} s"),
        ("lease of a job", f"{jobs.LEASE_S:g} s"),
    ]
    return table(("what", "value"), rows)


def _default_deadline_s() -> float:
    return float(inspect.signature(bus.Bus.ask).parameters["deadline_s"].default)


_C_TYPES = {"s": "bytes", "I": "u32", "Q": "u64", "q": "i64", "d": "f64"}


def _layout(form: str, names: list[str], first_byte: int) -> Rows:
    rows = []
    at = first_byte
    for name, (length, code) in zip(names, re.findall(r"(\d*)([a-zA-Z])", form), strict=True):
        rows.append((str(at), f"{length} bytes" if length else _C_TYPES[code], f"`{name}`"))
        at += struct.calcsize(f"<{length}{code}")
    return rows


def _ring_header() -> str:
    names = ["magic", "version", "slots", "slot_size", "epoch", "width", "height", "stride", "format"]
    rows = _layout(ring_layout.HEADER.format, names, 0) + _layout("Q", ["newest"], 8 * ring_layout.NEWEST_WORD)
    return table(("byte", "type", "field"), rows)


def _ring_slot() -> str:
    rows = _layout("QQ", ["sequence", "number"], 0)
    rows += _layout(ring_layout.META.format, ["pts_us", "captured_at_s", "captured_boot_ns", "length", "checksum"], 16)
    return table(("byte", "type", "field"), [*rows, (str(ring_layout.SLOT_HEADER_BYTES), "bytes", "the picture")])


TABLES: dict[str, Callable[[], str]] = {
    "names": _names,
    "heads": lambda: _sections(head_kinds()),
    "topics": _topics,
    "messages": lambda: _sections(news_kinds()),
    "methods": _methods,
    "requests": lambda: _sections(request_kinds()),
    "enums": _enums,
    "error-codes": _codes,
    "exit-codes": _exits,
    "limits": _limits,
    "timing": _timing,
    "ring-header": _ring_header,
    "ring-slot": _ring_slot,
}


if __name__ == "__main__":
    rendered = render(SPEC.read_text())
    if "--write" in sys.argv[1:]:
        SPEC.write_text(rendered)
    elif rendered != SPEC.read_text():
        raise SystemExit("protocol/SPEC.md is not as the code is; look at the change, then run with --write")
