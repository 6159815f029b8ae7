"""Runs export jobs in this process, as the worker would, for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Raw, convert

from framebus import codec
from framebus.clock import FakeClock
from framebus.place import Place
from framebus.requests import LeasedJob
from framebus.runner import Report, RunnerContext
from framebus_services.export.clip import Clip
from framebus_services.export.contract import ClipResult, ExportParams
from services.export.recorded import START_S

LATER_S = START_S + 7_200.0
JOB_ID = "0123456789abcdef" * 2


def params(start: float | str, end: float | str, **more: Any) -> ExportParams:
    return convert({"camera": "front", "start": start, "end": end, "thumbnail": False, **more}, ExportParams)


class WatchedReport(Report):
    """Keeps what was told, and does what the test wants when a step begins."""

    def __init__(self, data: Path, name: str | None = None) -> None:
        job = LeasedJob(
            id=JOB_ID, type="export", params=Raw(codec.encode({})), name=name, attempt=1, fence=1, lease_s=5.0
        )
        super().__init__(job, data / "exports", FakeClock().boot_s)
        self.steps: list[str] = []
        self.percents: list[float] = []
        self.when: dict[str, Callable[[], object]] = {}

    def __call__(self, step: str, percent: float, eta_s: float | None = None) -> None:
        if step not in self.steps:
            self.steps.append(step)
            self.when.get(step, lambda: None)()
        self.percents.append(percent)
        super().__call__(step, percent, eta_s)


def _clip_runner(data: Path, now_at_s: float) -> Clip:
    place, clock = Place.at(data.parent / "run", data=data), FakeClock(wall_s=now_at_s)
    return Clip(RunnerContext(place=place, clock=clock, raw_settings=b'{"timezone": "Europe/Berlin"}'))


class Made:
    """A clip that was made: its result and files."""

    def __init__(self, data: Path, wanted: ExportParams, report: WatchedReport, now_at_s: float) -> None:
        output = _clip_runner(data, now_at_s).run(wanted, report)
        self.report = report
        self.result: ClipResult = output.result
        self.files = list(output.files)
        self.path = report.temps[self.files[-1]]


def make_clip(
    data: Path,
    start: float | str,
    end: float | str,
    *,
    report: WatchedReport | None = None,
    now_at_s: float = LATER_S,
    **more: Any,
) -> Made:
    """Do an export job; raises what the job raises."""
    return Made(data, params(start, end, **more), report or WatchedReport(data), now_at_s)
