"""What holds for all code of the project: its shape, its imports, its messages."""

import ast
import inspect
import re
from pathlib import Path

import msgspec
import pytest

from framebus import (
    asking,
    detector_settings,
    group_requests,
    job_requests,
    messages,
    requests,
    service_requests,
    settings,
)
from framebus.messages import Message, NewsEnum
from framebus.requests import Request

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for part in ("protocol", "services", "launcher") for path in (ROOT / part).rglob("*.py"))
MAX_LINES = 400
LONGER = {
    "protocol/framebus/messages.py": 420,  # a table: one message beside the other
    "protocol/framebus/worker_keeper.py": 440,  # one state machine under one lock
}


def name_of(path: object) -> str:
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else str(path)


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
    abstract = {Message, Request, requests.Answer, msgspec.Struct, messages.Raw}
    structs = {kind for kind in made if issubclass(kind, msgspec.Struct)}

    assert {kind.__name__ for kind in structs - used - abstract} == set()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_no_longer_than_a_person_reads(path: Path) -> None:
    limit = LONGER.get(name_of(path), MAX_LINES)

    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_are_absolute(path: Path) -> None:
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]

    assert [node.lineno for node in imports if node.level] == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    doc = ast.get_docstring(ast.parse(path.read_text()))

    assert doc, "a module starts with one sentence"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_gives_each_of_its_names_once(path: Path) -> None:
    names: list[str] = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]

    assert sorted(set(names)) == sorted(names)


def test_every_topic_of_the_table_is_published_by_a_service() -> None:
    from framebus.topics import TOPICS

    code = "\n".join(path.read_text() for path in SOURCES)

    assert [row.body.__name__ for row in TOPICS if not re.search(rf"(?<!class ){row.body.__name__}\(", code)] == []
