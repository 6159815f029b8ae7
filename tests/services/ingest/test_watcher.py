"""What the system tells of files becomes one word for each."""

import os
import threading
from pathlib import Path

import pytest

from framebus_services.ingest.watcher import Watcher, What


def watcher(root: Path) -> Watcher:
    return Watcher(root, polling_s=None, wake=threading.Event())


OPENED, SEEN, WRITTEN, CLOSED = What


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([SEEN, OPENED, WRITTEN, CLOSED], CLOSED),
        ([SEEN, OPENED, WRITTEN], WRITTEN),
        ([SEEN, OPENED, WRITTEN, CLOSED, WRITTEN], CLOSED),  # its times were set after it was closed
        ([SEEN, OPENED, CLOSED, OPENED, WRITTEN], WRITTEN),  # made empty, and then written
        ([SEEN, OPENED, WRITTEN, CLOSED, OPENED], CLOSED),  # somebody reads it
        ([SEEN], SEEN),
        ([CLOSED], CLOSED),
    ],
)
def test_of_all_that_happened_to_a_file_the_last_that_says_something_counts(
    tmp_path: Path, events: list[What], told: What
) -> None:
    one = watcher(tmp_path)
    for event in events:
        one._note(f"{tmp_path}{os.sep}yard/a.jpg", event)

    assert one.take() == ([("yard/a.jpg", told)], False)


def test_a_file_that_is_only_read_is_no_news(tmp_path: Path) -> None:
    one = watcher(tmp_path)
    one._note(f"{tmp_path}{os.sep}yard/a.jpg", What.OPENED)

    assert one.take() == ([], False)


def test_events_beyond_what_may_wait_are_told_as_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framebus_services.ingest.watcher.MAX_WAITING", 3)
    one = watcher(tmp_path)
    for number in range(5):
        one._note(f"{tmp_path}{os.sep}yard/{number}.jpg", What.CLOSED)

    taken, has_overflown = one.take()

    assert (len(taken), has_overflown) == (3, True)
    assert one.take() == ([], False)
