"""What holds for all code of the project: its shape, its imports, its messages."""

import ast
import inspect
import re
from collections import Counter
from functools import cache
from pathlib import Path

import msgspec
import pytest

from framebus import (
    asking,
    detector_settings,
    group_requests,
    job_requests,
    messages,
    notify_settings,
    requests,
    service_requests,
    settings,
)
from framebus.messages import Message, NewsEnum
from framebus.names import Named
from framebus.requests import Request

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for part in ("protocol", "services", "launcher") for path in (ROOT / part).rglob("*.py"))
MAX_LINES = 400
LONGER = {
    "protocol/framebus/messages.py": 420,  # a table: one message beside the other
}


@cache
def trees() -> dict[str, ast.Module]:
    """Each file of the code, by its path."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in SOURCES}


def struct_classes() -> list[tuple[ast.ClassDef, type]]:
    """The Structs of messages, requests and settings as they are written, and as they are."""
    found = []
    for module in (
        messages,
        asking,
        job_requests,
        group_requests,
        service_requests,
        requests,
        settings,
        detector_settings,
        notify_settings,
    ):
        for node in ast.parse(inspect.getsource(module)).body:
            kind = getattr(module, node.name) if isinstance(node, ast.ClassDef) else None
            if isinstance(node, ast.ClassDef) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                found.append((node, kind))
    return found


@pytest.mark.parametrize(("node", "kind"), struct_classes(), ids=lambda value: getattr(value, "name", ""))
def test_every_struct_says_itself_that_it_is_frozen_and_keyword_only(node: ast.ClassDef, kind: type) -> None:
    said = {word.arg: ast.literal_eval(word.value) for word in node.keywords}

    assert said.get("frozen") is True
    assert said.get("kw_only") is True, "kw_only is not inherited"


def test_every_request_says_itself_that_it_refuses_unknown_fields() -> None:
    silent = [
        node.name
        for node, kind in struct_classes()
        if issubclass(kind, Request) and "forbid_unknown_fields" not in {word.arg for word in node.keywords}
    ]

    assert silent == []


def test_every_set_of_news_has_unknown() -> None:
    sets = [kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, NewsEnum)]

    assert [kind.__name__ for kind in sets if kind is not NewsEnum and "unknown" not in set(kind)] == []


def test_every_message_and_request_is_used_by_a_row_of_a_table() -> None:
    from spec.tables import news_kinds, request_kinds

    used = {*news_kinds(), *request_kinds()}
    made = {kind for module in (messages, requests) for kind in vars(module).values() if isinstance(kind, type)}
    abstract = {Named, Message, Request, requests.Answer, msgspec.Struct, messages.Raw}
    structs = {kind for kind in made if issubclass(kind, msgspec.Struct)}

    assert {kind.__name__ for kind in structs - used - abstract} == set()


def test_a_file_is_no_longer_than_a_person_reads() -> None:
    lines = {name: len((ROOT / name).read_text().splitlines()) for name in trees()}

    assert {name: count for name, count in lines.items() if count > LONGER.get(name, MAX_LINES)} == {}


def test_imports_are_absolute() -> None:
    relative = [
        f"{name}:{node.lineno}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert relative == []


def test_a_module_says_what_it_is_for() -> None:
    assert [name for name, tree in trees().items() if not ast.get_docstring(tree)] == [], "it starts with one sentence"


def test_no_name_of_a_module_is_given_twice() -> None:
    twice = [
        f"{name}: {target}"
        for name, tree in trees().items()
        for target, times in Counter(map(target_of, tree.body)).items()
        if target and times > 1
    ]

    assert twice == []


def target_of(node: ast.stmt) -> str:
    """The name that a line like `LIMIT_S = 5.0` gives."""
    target = (
        node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
    )
    return target.id if isinstance(target, ast.Name) else ""


def test_every_topic_of_the_table_is_published_by_a_service() -> None:
    from framebus.topics import TOPICS

    code = "\n".join(path.read_text() for path in SOURCES)

    assert [row.body.__name__ for row in TOPICS if not re.search(rf"(?<!class ){row.body.__name__}\(", code)] == []
