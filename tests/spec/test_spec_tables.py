"""The specification says what the code does: its tables, its topics' text, and its plug-in in plain pyzmq."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from framebus import messages, requests, topics
from framebus.messages import Finding
from framebus.place import Place
from framebus.requests import Ping
from framebus.transport import SocketBus
from framebus_services.dispatcher.proxy import Proxy
from protocol.loops import turn_until
from protocol.noticed import notice
from spec import tables

TEXT = tables.SPEC.read_text()


def test_the_tables_of_the_specification_are_those_of_the_code() -> None:
    assert tables.render(TEXT) == TEXT, "run python tests/spec/tables.py --write and look at the change"


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_stands_in_the_specification_once(name: str) -> None:
    assert TEXT.count(f"<!-- table:{name} -->\n") == 1


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        tables.render("<!-- table:nonsense -->\n<!-- end -->")


def test_a_changed_table_is_found() -> None:
    old = TEXT.replace("| `frame/<", "| `frames/<")

    rendered = tables.render(old)

    assert old != TEXT
    assert rendered == TEXT


@pytest.mark.parametrize(
    ("field", "kind", "unit"),
    [
        ("start_at_s", messages.AtS, "s since 1970"),
        ("captured_up_s", messages.UpS, "s since boot"),
        ("wait_s", float, "s"),
        ("p99_ms", float, "ms"),
        ("rss_bytes", int, "bytes"),
        ("pts_us", int, "µs"),
        ("x", messages.Pixels, "pixels"),
        ("count", int, ""),
    ],
)
def test_units_come_from_the_names_of_fields(field: str, kind: object, unit: str) -> None:
    assert tables.unit_of(field, kind) == unit


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (messages.Count, "0 to below 2^53"),
        (messages.Text, "at most 500 characters"),
        (messages.Name | None, "*Name*"),
        (list[messages.Name], "each *Name*"),
        (dict[str, messages.Count], "values 0 to below 2^53"),
    ],
)
def test_ranges_are_told_in_plain_words(kind: object, words: str) -> None:
    assert tables.range_of(kind) == words


def test_types_are_told_in_plain_words() -> None:
    assert tables.type_name(dict[str, list[messages.Box]] | None) == "map of text to list of Box or nil"


def test_every_message_of_the_topic_table_says_what_it_is() -> None:
    assert [row.body.__name__ for row in topics.TOPICS if not tables.doc_of(row.body)] == []


def test_the_plug_in_of_the_specification_works(place: Place, tmp_path: Path) -> None:
    source = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[-1]
    script = tmp_path / "counter.py"
    script.write_text(source)
    proxy, watcher = Proxy(place), SocketBus("capture@front", place=place)
    found: list[Finding] = []
    watcher.on(Finding, found.append)
    watcher.every(0.02, lambda: watcher.publish(notice()))
    process = subprocess.Popen([sys.executable, script], env=place.to_environment())

    try:
        turn_until(lambda: bool(found), watcher)
        pong = watcher.ask("counter", Ping())
    finally:
        process.kill()
        process.wait()
        watcher.close()
        proxy.close()
        Path(place.door("counter").removeprefix("ipc://")).unlink(missing_ok=True)

    assert found[0].camera == "front"
    assert pong.pid == process.pid
    assert len(source.splitlines()) <= 40


def test_methods_are_named_after_what_they_are_about() -> None:
    assert [row.name for row in requests.METHODS if not re.fullmatch(r"[a-z]+(\.[a-z]+)?", row.name)] == []
