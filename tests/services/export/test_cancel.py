"""Clips that are cancelled at any moment, in every way of making them: nothing is left behind (P19).

FRAMEBUS_CANCELS sets how many; the seed is printed, and FRAMEBUS_SEED sets it.
"""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from framebus.runner import Stopped, StopReason
from framebus.settings import ExportSettings
from framebus_services.export import bandwidth
from media import make_video
from services.export.clipping import WatchedReport, make_clip
from services.export.recorded import START_S, record

CANCELS = int(os.environ.get("FRAMEBUS_CANCELS", "30"))
SEED = int(os.environ.get("FRAMEBUS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
END_S = START_S + 16.0
MODES: dict[str, dict[str, Any]] = {
    "copy": {},
    "precise": {"precise": True},
    "split": {"on_change": "split"},
    "change-encoded": {"on_change": "encode", "preset": "small"},
    "encode": {"mode": "encode", "preset": "small"},
    "timelapse": {"mode": "timelapse", "speed": 4},
    "instant": {"mode": "timelapse", "speed": 4, "instant": True},
}
ENCODED = ("change-encoded", "encode", "timelapse")


class Often(WatchedReport):
    """Every moment at which a clip may be cancelled counts, not just those that are told."""

    def __init__(self, data: Path, stop_at: int | None = None) -> None:
        super().__init__(data)
        self.asked = 0
        self._stop_at = stop_at

    def __getattribute__(self, name: str) -> Any:
        if name == "stop_reason":  # asked for with every packet and picture
            self.asked += 1
            if self._stop_at is not None and self.asked >= self._stop_at:
                return StopReason.CANCELLED
        return super().__getattribute__(name)


@pytest.fixture
def changing(data: Path, rich_video: Path, tmp_path: Path) -> Path:
    """12 s of pictures, then 4 s of another size."""
    record(data, rich_video)
    make_video(tmp_path / "wide.mp4", seconds=4, width=640, height=360, audio=True)
    record(data, tmp_path / "wide.mp4", start_s=START_S + 12.0)
    return data


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_clip_that_is_cancelled_at_a_random_moment_leaves_nothing(changing: Path) -> None:
    print(f"FRAMEBUS_SEED={SEED}")
    chance = random.Random(SEED)
    moments: dict[str, int] = {}
    for name, mode in MODES.items():
        whole = Often(changing)
        make_clip(changing, START_S, END_S, report=whole, thumbnail=True, **mode)
        whole.remove_temps()
        moments[name] = whole.asked

    steps: set[str] = set()
    for number in range(CANCELS):
        name = list(MODES)[number % len(MODES)]
        report = Often(changing, stop_at=chance.randrange(1, moments[name] + 1))
        with pytest.raises(Stopped):
            make_clip(changing, START_S, END_S, report=report, thumbnail=True, **MODES[name])
        report.remove_temps()
        steps.add(report.told[0])

        assert files_below(changing / "exports") == [], f"{name}, cancelled at {report.told}"

    assert steps & {"copying", "encoding"}


@pytest.mark.parametrize(
    ("name", "step"),
    [
        (name, step)
        for name in MODES
        for step in ("preparing", "encoding" if name in ENCODED else "copying", "verifying")
    ],
)
def test_a_clip_that_is_cancelled_when_a_step_begins_ends_there(changing: Path, name: str, step: str) -> None:
    report = WatchedReport(changing)
    report.when[step] = lambda: report.stop(StopReason.CANCELLED)

    with pytest.raises(Stopped):
        make_clip(changing, START_S, END_S, report=report, **MODES[name])
    report.remove_temps()

    assert report.steps[-1] == step
    assert files_below(changing / "exports") == []


@pytest.mark.parametrize("name", ["copy", "encode"])
def test_a_clip_that_waits_for_its_bandwidth_hears_its_cancel(
    changing: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(bandwidth, "BURST_S", 0.0)  # else these clips, small as they are, would not have to wait
    report = WatchedReport(changing)
    report.after_calls = (30, lambda: report.stop(StopReason.CANCELLED))
    standing_still = ExportSettings(bandwidth_bytes_per_s=100_000.0)  # the clock of these tests does not go on

    with pytest.raises(Stopped):
        make_clip(changing, START_S, END_S, report=report, settings=standing_still, **MODES[name])
    report.remove_temps()

    assert report.calls == 30
    assert files_below(changing / "exports") == []
