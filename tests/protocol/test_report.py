"""Progress as the work tells it: whatever it says, no beat is refused for it."""

from pathlib import Path

import pytest
from msgspec import Raw

from framebus import codec
from framebus.requests import BeatJob, LeasedJob
from framebus.runner import Report


def make_report(exports: Path) -> Report:
    job = LeasedJob(id="a" * 32, type="mine", params=Raw(b"\x80"), attempt=1, fence=1, lease_s=5.0)
    return Report(job, exports, lambda: 0.0)


@pytest.mark.parametrize("eta_s", [-0.1, float("inf"), float("nan"), 1e300, None])
@pytest.mark.parametrize("percent", [-5.0, 40.0, 1_000.0, float("nan")])
@pytest.mark.parametrize("step", ["copying", "x" * 10_000])
def test_progress_out_of_range_is_told_within_its_range(
    tmp_path: Path, step: str, percent: float, eta_s: float | None
) -> None:
    report = make_report(tmp_path)

    report(step, percent, eta_s)

    told_step, told_percent, told_eta_s = report.told
    beat = BeatJob(id="a" * 32, fence=1, step=told_step, percent=told_percent, eta_s=told_eta_s)
    assert codec.decode_body(codec.encode(beat), BeatJob) == beat


def test_percent_never_goes_back(tmp_path: Path) -> None:
    report = make_report(tmp_path)

    report("copying", 40.0)
    report("copying", 20.0)

    assert report.told[1] == 40.0
