"""Processors that are slow, raise, hang, crash or leak in a real group: the frames of the others do not notice."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from framebus.codec import News
from framebus.messages import ServiceState, ServiceStats
from framebus.transport import Listener
from groups import running_group, wait_until
from system.plugged import plug_in

FPS = 25
CAMERA = {
    "source": f"synthetic://?width=320&height=240&fps={FPS}",
    "detect": {"fps": FPS},
    "record": {"enabled": False},
}
PROCESSORS = {
    "quick": "unruly:Quick",
    "slow": "unruly:Slow",
    "unruly": "unruly:Unruly",
    "deferred": "unruly:Deferred",
}


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    plug_in(monkeypatch, tmp_path / "site", PROCESSORS)
    return tmp_path


def config(*processors: str | dict[str, Any]) -> dict[str, Any]:
    enrich = {"processors": list(processors)}
    return {"cameras": {"front": CAMERA}, "services": {"enrich": enrich, "export": False}}


class Meter:
    """The stats of enrich, as they come."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.newest: ServiceStats | None = None
        self.ages_ms: list[float] = []
        """of the frames of `slow` when their tasks began"""

    def count(self, what: str) -> int:
        return self.newest.counters.get(what, 0) if self.newest is not None else 0

    def wait(self, is_so: Any, what: str, limit_s: float = 30.0) -> None:
        """Listen until it is so."""
        end_s = time.monotonic() + limit_s
        while not is_so():
            text = f"{what}: not within {limit_s:.0f} s: {self.newest and self.newest.counters}"
            assert time.monotonic() < end_s, text
            for news in self._listener.wait(0.5):
                self._take(news)

    def _take(self, news: News) -> None:
        stats = news.decode()
        assert isinstance(stats, ServiceStats)
        self.newest = stats
        if (age := stats.latencies.get("processor.slow.age")) is not None:
            self.ages_ms.append(age.p99_ms)

    def assert_nothing_is_lost_without_a_count(self, name: str) -> None:
        assert self.newest is not None
        prefix = f"processor.{name}."
        dropped = sum(count for what, count in self.newest.counters.items() if what.startswith(f"{prefix}dropped."))
        ended = dropped + self.count(f"{prefix}done")
        queued = self.newest.gauges[f"{prefix}queued"]
        # What happened since the loop last looked at the worker is not counted yet: less than a second's frames.
        assert 0 <= self.count(f"{prefix}tasks") - ended - queued < FPS


def waited_s(pids: Sequence[int]) -> float:
    """For how long the main threads of these processes were ready to run, and others had the processor."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) for pid in pids) / 1e9


def test_beside_a_slow_processor_a_fast_one_sees_every_frame_and_three_kills_from_outside_blame_nobody(
    plugged: Path,
) -> None:
    with running_group(config("quick", {"slow": {"takes_s": 0.2}})) as group:
        group.await_ready()
        pids = [pid for status in group.services().values() if (pid := status.pid)]
        with Listener(group.place, "stats/enrich/") as listener:
            meter = Meter(listener)
            meter.wait(lambda: meter.count("processor.slow.done") >= 15, "the slow one works")
            busy_frames = waited_s(pids) * FPS
        with Listener(group.place, "finding/slow/") as listener:
            for _ in range(3):
                life = group.services()["enrich"].incarnation
                wait_until(lambda life=life: any(news.head.epoch == life for news in listener.wait(0.5)), "it works")
                group.await_back("enrich", group.kill("enrich"))
        log, reason = group.log.read_text(), group.services()["enrich"].reason

    assert log.count("enrich was killed from outside: no processor that was at work is to blame") == 3
    assert reason == ""
    assert meter.count("processor.quick.done") == meter.count("frames.front") >= 2 * FPS
    # A loop that waited for the slow one would miss four frames for each of its tasks; a machine that has no processor
    # free for the camera, the dispatcher or enrich makes it miss some, too.
    assert meter.count("missed.front") <= 1 + min(busy_frames, meter.count("processor.slow.done"))
    assert statistics.median(meter.ages_ms) < 300.0
    assert meter.count("processor.slow.dropped.replaced.front") > 50
    meter.assert_nothing_is_lost_without_a_count("slow")


def test_processors_that_raise_hang_crash_and_leak_are_replaced_and_the_others_see_every_frame(plugged: Path) -> None:
    misdeeds: dict[str, dict[str, Any]] = {
        "unruly": {"how": "raise"},
        "unruly-2": {"how": "segfault", "isolate": True},
        "unruly-3": {"how": "exit", "isolate": True},
        "unruly-4": {"how": "exit"},
        "deferred": {"how": "hang", "task_limit_s": 1},
        "deferred-2": {"how": "leak", "isolate": True, "memory_mb": 700},
        "deferred-3": {"how": "hang", "isolate": True, "task_limit_s": 1},
        "deferred-4": {"how": "raise"},
        "deferred-5": {"how": "exit"},
    }
    marks = {name: plugged / f"{name}.mark" for name in misdeeds}
    processors = [{name.partition("-")[0]: {**how, "mark": str(marks[name])}} for name, how in misdeeds.items()]
    replaced = [name for name, how in misdeeds.items() if how["how"] not in ("raise", "exit")]
    always = {"unruly": {"how": "exit", "every": 5}}
    with running_group(config(*processors, always, "quick")) as group:
        group.await_ready()
        pid = group.services()["enrich"].pid
        with Listener(group.place, "stats/enrich/") as listener:
            meter = Meter(listener)
            are_back = lambda: all(mark.with_suffix(".back").exists() for mark in marks.values())  # noqa: E731
            meter.wait(are_back, "all are replaced, and work again")
            meter.wait(lambda: all(meter.count(f"processor.{name}.restarts") for name in replaced), "it is counted")
        assert group.services()["enrich"].pid == pid

    assert meter.count("processor.quick.done") == meter.count("frames.front")
    assert meter.count("processor.unruly-5.errors") >= meter.count("frames.front") // 10
    for name, mark in marks.items():
        assert mark.with_suffix(".back").stat().st_mtime - mark.stat().st_mtime < 7.0, name
    for name in replaced:
        assert meter.count(f"processor.{name}.dropped.lost.front") == 1
        meter.assert_nothing_is_lost_without_a_count(name)
    for name in marks.keys() - replaced:  # what is raised is caught: nobody needs another in its place
        errors, restarts = meter.count(f"processor.{name}.errors"), meter.count(f"processor.{name}.restarts")
        assert (name, errors, restarts) == (name, 1, 0)


@pytest.mark.parametrize(("name", "how"), [("unruly", "hang"), ("unruly", "segfault"), ("deferred", "segfault")])
def test_enrich_is_back_within_seven_seconds_of_a_processor_in_its_process_and_names_it(
    plugged: Path, name: str, how: str
) -> None:
    mark = plugged / "mark"
    with running_group(config({name: {"how": how, "every": 10, "mark": str(mark)}})) as group:
        group.await_ready("dispatcher", "capture@front")
        wait_until(mark.exists, "it misbehaves")
        at_s = mark.stat().st_mtime

        def is_back() -> bool:
            status = group.services().get("enrich")
            return status is not None and status.restarts == 1 and status.state is ServiceState.READY

        wait_until(is_back, "enrich is back")
        took_s = time.time() - at_s
        log = group.log.read_text()

    assert took_s < 7.0
    assert f"enrich died while processor {name} looked at frame" in log


def test_a_processor_that_costs_enrich_three_lives_is_left_out_and_the_rest_goes_on(plugged: Path) -> None:
    with running_group(config({"unruly": {"how": "segfault", "every": 1}}, "quick")) as group:
        group.await_ready("dispatcher", "capture@front")
        with Listener(group.place, "stats/enrich/") as listener:
            meter = Meter(listener)
            meter.wait(lambda: meter.count("processor.quick.done") > FPS, "the other one works")
        told = wait_until(lambda: group.services()["enrich"].reason, "status says so")
        assert group.services()["enrich"].restarts == 3

    assert told.startswith("processor unruly is left out: enrich died 3 times while it worked")
