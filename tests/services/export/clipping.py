"""Runs export jobs in this process, as the worker would, for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, convert

from framebus import codec
from framebus.clock import FakeClock
from framebus.place import Place
from framebus.requests import LeasedJob
from framebus.runner import Report, RunnerContext
from framebus.settings import ExportSettings
from framebus_services.export.clip import Clip
from framebus_services.export.params import ExportParams
from framebus_services.export.result import ClipResult
from services.export.recorded import START_S

LATER_S = START_S + 7_200.0
UNPACED = ExportSettings(timezone="Europe/Berlin", bandwidth_bytes_per_s=1e12)
"""the clock of these tests stands still: what is paced would wait for ever"""
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
        self.calls = 0
        self.after_calls: tuple[int, Callable[[], object]] | None = None
        self.percents: list[float] = []
        self.when: dict[str, Callable[[], object]] = {}

    def __call__(self, step: str, percent: float, eta_s: float | None = None) -> None:
        if step not in self.steps:
            self.steps.append(step)
            self.when.get(step, lambda: None)()
        self.percents.append(percent)
        self.calls += 1
        if self.after_calls is not None and self.calls >= self.after_calls[0]:
            self.after_calls[1]()
        super().__call__(step, percent, eta_s)


class Made:
    """A clip that was made: its result and files."""

    def __init__(
        self,
        data: Path,
        wanted: ExportParams,
        report: WatchedReport,
        now_at_s: float,
        settings: ExportSettings = UNPACED,
    ) -> None:
        place, clock = Place.at(data.parent / "run", data=data), FakeClock(wall_s=now_at_s)
        raw = msgspec.json.encode(settings)
        output = Clip(RunnerContext(place=place, clock=clock, raw_settings=raw)).run(wanted, report)
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
    settings: ExportSettings = UNPACED,
    **more: Any,
) -> Made:
    """Do an export job; raises what the job raises."""
    return Made(data, params(start, end, **more), report or WatchedReport(data), now_at_s, settings)
