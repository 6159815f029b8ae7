"""What a service counts of itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framebus import codec
from framebus.messages import Latency, ServiceStats
from framebus.service import StatsTeller
from framebus.stats import MAX_SAMPLES, Stats
from framebus.testing import FakeBus


def test_counters_add_up_and_gauges_hold_the_last_value() -> None:
    stats = Stats("export")
    stats.count("dropped.queue_full")
    stats.count("dropped.queue_full", 4)
    stats.gauge("queue_depth", 7.0)
    stats.gauge("queue_depth", 3.0)

    read = stats.read()

    assert read == ServiceStats(name="export", counters={"dropped.queue_full": 5}, gauges={"queue_depth": 3.0})


def test_percentiles_are_of_what_was_observed() -> None:
    stats = Stats("export")
    for number in range(1, 101):
        stats.observe("commit", number / 1_000)

    assert stats.read().latencies == {"commit": Latency(count=100, p50_ms=51.0, p99_ms=99.0)}


def test_percentiles_are_of_what_came_since_the_last_reading() -> None:
    stats = Stats("export")
    stats.observe("commit", 1.0)
    stats.read()

    stats.observe("commit", 0.002)

    assert stats.read().latencies == {"commit": Latency(count=1, p50_ms=2.0, p99_ms=2.0)}
    assert stats.read().latencies == {}


def test_a_reading_does_not_change_when_counting_goes_on() -> None:
    stats = Stats("export")
    stats.count("done")
    read = stats.read()

    stats.count("done")

    assert read.counters == {"done": 1}


def test_samples_are_bounded() -> None:
    stats = Stats("export")

    for _ in range(3 * MAX_SAMPLES):
        stats.observe("commit", 0.001)

    assert stats.read().latencies["commit"].count == MAX_SAMPLES


@given(st.lists(st.floats(0.0, 1_000.0), min_size=1, max_size=50))
def test_percentiles_lie_between_the_least_and_the_greatest(samples: list[float]) -> None:
    stats = Stats("export")
    for sample in samples:
        stats.observe("work", sample)

    latency = stats.read().latencies["work"]

    assert round(1_000 * min(samples), 3) <= latency.p50_ms <= latency.p99_ms <= round(1_000 * max(samples), 3)


@pytest.mark.parametrize("name", ["export", "capture@front"])
def test_a_reading_passes_over_the_wire(name: str) -> None:
    stats = Stats(name)
    stats.count("done")
    stats.observe("work", 0.5)
    read = stats.read()

    assert codec.decode_body(codec.encode(read), ServiceStats) == read


def test_stats_that_change_are_told_each_second_and_others_every_five() -> None:
    bus = FakeBus("export")
    StatsTeller(bus)
    bus.every(1.0, lambda: bus.stats.count("turns") if bus.clock.boot_s() < start_s + 4.5 else None)
    start_s = bus.clock.boot_s()

    bus.advance(seconds=4.5)
    while_it_changes = len(bus.sent)
    bus.advance(seconds=10.5)

    assert while_it_changes == 4
    assert len(bus.sent) - while_it_changes == 3


def test_stats_are_told_each_second_while_somebody_asks_for_them_by_name() -> None:
    bus = FakeBus("export")
    StatsTeller(bus)
    bus.advance(seconds=1.0)

    bus.receive_subscription("stats/export/")
    before = len(bus.sent)
    bus.advance(seconds=3.0)
    bus.receive_unsubscription("stats/export/")
    bus.advance(seconds=3.0)

    assert len(bus.sent) - before == 3
