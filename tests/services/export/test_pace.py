"""Progress of clips: percent of the whole job, and an estimate of what is left."""

from pathlib import Path

import pytest

from framebus.clock import FakeClock
from framebus_services.export.pace import Eta, Pace
from services.export.clipping import WatchedReport


def test_what_is_left_is_told_from_what_is_done() -> None:
    clock = FakeClock()
    eta = Eta(5.0, clock.boot_s)

    clock.advance(10.0)

    assert eta.seconds(25.0) == pytest.approx(37.5)
    assert eta.seconds(100.0) == 0.0


def test_too_little_tells_nothing() -> None:
    clock = FakeClock()
    eta = Eta(5.0, clock.boot_s)

    clock.advance(0.9)
    at_once = eta.seconds(50.0)
    clock.advance(60.0)

    assert at_once is None
    assert eta.seconds(5.5) is None


def test_parts_of_a_step_fill_its_percents_one_after_the_other(tmp_path: Path) -> None:
    report = WatchedReport(tmp_path)
    whole = Pace(report, "copying", 5.0, 90.0)

    for part in (whole.part(0.0, 0.25), whole.part(0.25, 1.0)):
        part(0.0)
        part(1.0, 1_000_000)

    assert report.percents == pytest.approx([5.0, 26.25, 26.25, 90.0])


def test_another_step_in_its_place_never_goes_back(tmp_path: Path) -> None:
    report = WatchedReport(tmp_path)
    encoding = Pace(report, "encoding", 5.0, 90.0)
    encoding(0.6)

    retry = encoding.part(0.0, 1.0, "encoding_retry")
    retry(0.1)

    assert report.told[:2] == ("encoding_retry", pytest.approx(56.0))
