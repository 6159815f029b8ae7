"""What a service counts of itself."""

from typing import Any

from framebus.messages import Latency, ServiceStats

MAX_SAMPLES = 1_000


class Stats:
    """Counters, gauges and latencies of one service; read once a second."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.counters: dict[str, int] = {}
        self.gauges: dict[str, float] = {}
        self._samples: dict[str, list[float]] = {}

    def count(self, what: str, number: int = 1) -> None:
        """Add to a counter, named as in `dropped.queue_full`."""
        self.counters[what] = self.counters.get(what, 0) + number

    def gauge(self, what: str, value: float) -> None:
        """Set a value that goes up and down; its unit is in its name."""
        self.gauges[what] = value

    def forget(self, what: str) -> None:
        """What counted this, or anything below it as in `what.more`, is gone."""
        found: list[dict[str, Any]] = [self.counters, self.gauges, self._samples]
        for values in found:
            for name in [name for name in values if name == what or name.startswith(f"{what}.")]:
                del values[name]

    def observe(self, what: str, seconds: float) -> None:
        """Note how long something took."""
        samples = self._samples.setdefault(what, [])
        if len(samples) < MAX_SAMPLES:
            samples.append(seconds)

    def read(self) -> ServiceStats:
        """All of it; percentiles are over what was observed since the last reading."""
        latencies = {what: _latency(samples) for what, samples in self._samples.items() if samples}
        for samples in self._samples.values():
            samples.clear()
        return ServiceStats(
            name=self._name, counters=dict(self.counters), gauges=dict(self.gauges), latencies=latencies
        )


def _latency(samples: list[float]) -> Latency:
    ordered = sorted(samples)
    last = len(ordered) - 1

    def at(share: float) -> float:
        return round(1_000.0 * ordered[round(share * last)], 3)

    return Latency(count=len(ordered), p50_ms=at(0.50), p99_ms=at(0.99))
