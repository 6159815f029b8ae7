"""One row of `framebus.why`: what a stage of a camera's way does, what it lost, and the words for both."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from framebus.evidence import Evidence
from framebus.messages import Latency, ServiceState, ServiceStatus

ENOUGH = 0.9
"""of the wanted rate: below it a stage is too slow"""
WORDS = {
    "missed": "were replaced by newer ones before it looked",
    "no_ring": "had no ring in shared memory",
    "stale_frame": "were overwritten before it read them",
    "torn_frame": "were overwritten while it looked",
    "decode": "could not be decoded",
    "late": "came too late to be worth decoding",
    "corrupt": "were damaged on the way",
    "no_dts": "had no time",
    "not_recorded": "were not recorded",
    "before_key_frame": "came before a key frame",
    "refused_by_file": "were refused by the file",
    "audio": "of sound were left out",
    "replaced": "gave way to newer ones",
    "oldest": "were the oldest of a full queue",
    "refused": "were refused by a full queue",
    "too_old": "were too old when their turn came",
    "stale": "were gone from the ring when their turn came",
    "lost": "were lost with a worker that died",
    "quarantined": "had killed a worker before",
    "shutdown": "were left at a stop",
    "failed": "could not be looked at",
    "not_encoded": "were not encoded in time",
}
"""what became of frames, by the reason that is counted"""


class Stage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of the way from a source to the disk."""

    name: str
    rate_hz: float | None = None
    wanted_hz: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    drops: dict[str, int] = {}
    """what was lost while we looked, by reason"""
    notes: list[str] = []
    """what the configuration asked for, and what cannot be said"""
    trouble: str = ""
    """what is not well, with the mend; empty when all is well"""
    is_broken: bool = False
    """it does not do its work at all; else it only does less than it should"""


def drop_words(drops: Mapping[str, int]) -> str:
    """Drops as people say it.

    >>> drop_words({"missed": 3, "decode": 1})
    '3 were replaced by newer ones before it looked, 1 could not be decoded'
    """
    return ", ".join(f"{number} {WORDS.get(reason, reason)}" for reason, number in drops.items())


def silence(evidence: Evidence, name: str) -> str:
    """Why nothing is heard of a service."""
    service = evidence.services.get(name)
    if service is None:
        where = "the launcher has no such service" if evidence.services else "no launcher runs here that would know why"
        return f"nothing is heard of {name}; {where}"
    if service.state is ServiceState.READY:
        return f"nothing is heard of {name}, which runs: it hangs, or the dispatcher does; framebus status"
    reason = f": {service.reason}" if service.reason else ""
    mend = f"; framebus start {name}" if service.state in (ServiceState.STOPPED, ServiceState.BROKEN) else ""
    return f"{name} is {service.state.value}{reason}{mend}"


def renewal(evidence: Evidence, name: str) -> str:
    """That a service began anew while we looked, with what ended it; empty when it did not."""
    if name not in evidence.renewed:
        return ""
    service = evidence.services.get(name)
    return f"{name} began anew while we looked{last_end(service) if service is not None else ''}"


def last_end(service: ServiceStatus) -> str:
    """What ended the life of a service before this one; empty when it was a stop in good order.

    >>> last_end(ServiceStatus(name="x", state=ServiceState.READY, since_at_s=0.0, restarts=1, signal=9))
    ', last after signal 9'
    """
    if not service.restarts:
        return ""
    if service.hung_s is not None:
        return f", last when it {killed_by(service)}"
    return f", last after {killed_by(service) or f'exit code {service.exit_code}'}"


def killed_by(service: ServiceStatus) -> str:
    """What killed it last; empty when it ended by itself. Who was killed since it hung did not just get a signal.

    >>> killed_by(ServiceStatus(name="x", state=ServiceState.READY, since_at_s=0.0, signal=9, hung_s=6.0))
    'hung: no beat for 6.0 s'
    """
    if service.hung_s is not None:
        return f"hung: no beat for {service.hung_s:.1f} s"
    return f"signal {service.signal}" if service.signal else ""


def is_slow(rate_hz: float | None, wanted_hz: float | None) -> bool:
    """Half a frame a second is what counting over two seconds cannot tell."""
    return rate_hz is not None and wanted_hz is not None and rate_hz < ENOUGH * wanted_hz - 0.5


def timed(stage: Stage, latency: Latency | None) -> Stage:
    """The stage with how long its work takes, where that is known."""
    if latency is None:
        return stage
    return msgspec.structs.replace(stage, p50_ms=latency.p50_ms, p99_ms=latency.p99_ms)


def times(number: int) -> str:
    """How often.

    >>> times(1), times(3)
    ('once', '3 times')
    """
    return "once" if number == 1 else f"{number} times"
