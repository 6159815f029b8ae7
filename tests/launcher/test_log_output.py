"""How the log of a group looks: numbers, levels, JSON; and that a service alone can write JSON too."""

import json
import logging
import subprocess
import sys

import pytest

from framebus.errors import RefusedError
from framebus.logs import JsonFormatter
from framebus.requests import GetLogs
from framebus_launcher.log_output import json_log
from framebus_launcher.logbook import Logbook, OwnLines

CANARY = "hunter2canary"


def test_each_line_is_an_object_and_lines_of_a_traceback_keep_the_level() -> None:
    written: list[str] = []
    show = json_log(written.append)

    for name, line in (
        ("a", "ready"),
        ("a", "ERROR it failed"),
        ("b", "WARNING slow"),
        ("a", "Traceback (most recent call last):"),
        ("a", 'ValueError: "x"'),
        ("a", "INFO better"),
    ):
        show(name, line)

    records = [json.loads(line) for line in written]
    assert [(one["service"], one["level"], one["text"]) for one in records] == [
        ("a", "INFO", "ready"),
        ("a", "ERROR", "it failed"),
        ("b", "WARNING", "slow"),
        ("a", "ERROR", "Traceback (most recent call last):"),
        ("a", "ERROR", 'ValueError: "x"'),
        ("a", "INFO", "better"),
    ]


def test_a_record_with_its_traceback_is_one_line_of_json_without_credentials() -> None:
    try:
        raise ValueError(f"rtsp://me:{CANARY}@h/")
    except ValueError:
        record = logging.LogRecord("x.y", logging.ERROR, __file__, 1, "job %s failed", ("7",), sys.exc_info())

    line = JsonFormatter("export").format(record)

    told = json.loads(line)
    assert "\n" not in line
    assert (told["service"], told["level"], told["logger"]) == ("export", "ERROR", "x.y")
    assert told["text"].startswith("job 7 failed\nTraceback")
    assert "rtsp://***@h/" in told["text"]


@pytest.mark.parametrize("supervised", [{}, {"NOTIFY_SOCKET": "/nowhere"}])
def test_a_service_alone_writes_json_when_it_is_asked_to(supervised: dict[str, str]) -> None:
    code = "import logging; from framebus.logs import log_to_stderr; log_to_stderr('mine'); logging.info('hi %s', 1)"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"FRAMEBUS_LOG_FORMAT": "json", **supervised},
        capture_output=True,
        text=True,
        timeout=20,
    )

    told = json.loads(done.stderr)
    assert (told["service"], told["level"], told["text"]) == ("mine", "INFO", "hi 1")


def test_numbers_grow_over_all_members_and_the_oldest_lines_go() -> None:
    book = Logbook(lambda: 5.0, first=1_000)
    book.open("a")
    book.open("b")

    for number in range(150):
        book.add("a", [f"a{number}", f"again{number}"])
        book.add("b", [f"b{number}"])
    book.add("nobody", ["x"])
    answer = book.read(GetLogs(limit=500))
    later = book.read(GetLogs(after=answer.next))

    assert (len(answer.lines), answer.lines[-1].number, answer.next) == (350, 1_449, 1_449)
    assert [line.number for line in answer.lines] == sorted(line.number for line in answer.lines)
    assert (later.lines, later.next) == ([], 1_449)


def test_the_launchers_own_lines_are_in_the_book_and_a_member_that_is_gone_is_not() -> None:
    book = Logbook(lambda: 5.0, first=1)
    book.open("a")
    handler = OwnLines(book.add)

    handler.handle(logging.LogRecord("x", logging.INFO, __file__, 1, f"rtsp://me:{CANARY}@h/\nsecond", (), None))
    book.add("a", ["gone soon"])
    book.forget("a")

    assert [line.text for line in book.read(GetLogs()).lines] == ["INFO rtsp://***@h/", "second"]
    with pytest.raises(RefusedError, match="no service a; there are launcher"):
        book.read(GetLogs(name="a"))
