"""`notify: stdout`: the words of sd_notify as lines of output, for languages that have no datagram sockets of Unix."""

import pytest

from framebus.messages import ServiceStatus
from framebus.problems import find_problems
from framebus.settings import Plugin
from framebus_launcher.notices import is_notice
from framebus_launcher.tail import Tail
from groups import running_group, wait_until

BEATS_FOR_A_WHILE = "echo READY=1; echo STATUS=at work; echo hello; sleep 1; echo WATCHDOG=1; exec sleep 60"


def test_words_for_the_launcher_are_heard_and_neither_kept_nor_shown() -> None:
    tail, heard = Tail(), []

    shown = tail.feed(b"READY=1\nhello\nWATCHDOG=1\nSTATUS=busy\nWATCHDOG", heard.append) + tail.feed(
        b"=1\nbye\n", heard.append
    )

    assert heard == [b"READY=1", b"WATCHDOG=1", b"STATUS=busy", b"WATCHDOG=1"]
    assert shown == list(tail.lines) == ["hello", "bye"]


def test_a_service_that_speaks_by_its_socket_may_print_such_words() -> None:
    tail = Tail()

    assert tail.feed(b"READY=1\n") == ["READY=1"]


@pytest.mark.parametrize("line", [b"", b"READY=0", b"XREADY=1", b"READY=1 ", b"WATCHDOG=11", b"status=x"])
def test_other_lines_are_no_words_for_the_launcher(line: bytes) -> None:
    assert not is_notice(line)


@pytest.mark.parametrize("notify", [True, False, "stdout"])
def test_a_row_says_where_it_speaks(notify: object) -> None:
    assert find_problems({"command": ["x"], "notify": notify}, Plugin) == []


def test_another_place_to_speak_at_is_refused_with_the_one_that_there_is() -> None:
    problems = find_problems({"command": ["x"], "notify": "stderr"}, Plugin)

    assert problems == ["notify: 'stderr' is not known; it is true, false or stdout"]


def at_work(status: ServiceStatus) -> ServiceStatus | None:
    return status if status.reason else None  # said after it was ready


def test_a_program_that_prints_its_beats_is_ready_and_suspected_when_they_stop() -> None:
    row = {"command": ["sh", "-c", BEATS_FOR_A_WHILE], "notify": "stdout"}
    with running_group({"services": {"export": False, "enrich": False, "shell": row}}) as group:
        group.await_ready("shell")
        status = wait_until(lambda: at_work(group.services()["shell"]), "it says what it does")
        suspected = wait_until(lambda: "shell has not beaten for 3 s" in group.log.read_text(), "suspected", 8.0)

        assert status.reason == "at work"
        assert suspected
        assert "hello" in group.log.read_text()
        assert "WATCHDOG" not in group.log.read_text()
