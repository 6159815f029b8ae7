"""When a dead service is started again. Values in, values out: no clocks, no processes."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from framebus.errors import ExitCode
from framebus.settings import Restart
from framebus.throttle import backoff_s

EARLY_S = 10.0
"""a death sooner after READY than this counts"""
PROBE_S = 60.0
"""how often a broken service is tried again"""
NOT_AGAIN = frozenset({ExitCode.USAGE, ExitCode.PERMISSION, ExitCode.CONFIGURATION})
"""exits that another start would only repeat"""


@dataclass(frozen=True, kw_only=True)
class Death:
    """How a process ended, and how far it had come."""

    at_s: float
    ready_for_s: float | None = None
    """None: it was never ready"""
    exit_code: int | None = None
    signal: int | None = None

    @property
    def is_early(self) -> bool:
        """Whether it speaks against starting again. Who was ready and then exits with 0 has finished, not failed."""
        if self.ready_for_s is None:
            return True
        return self.ready_for_s < EARLY_S and self.exit_code != ExitCode.OK


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is remembered of a service's early deaths."""

    in_a_row: int = 0
    early_at_s: tuple[float, ...] = ()
    is_broken: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What to do after a death."""

    record: Record
    wait_s: float | None
    """None: not started again unless asked"""


def judge(record: Record, death: Death, policy: Restart, rng: Callable[[], float] = random.random) -> Verdict:
    """When to start again after an unasked `death`.

    At once after a good life, soon else, later with each early death in a row, or as a rare probe.
    """
    if death.exit_code in NOT_AGAIN:
        return Verdict(record=replace(record, is_broken=True), wait_s=None)
    if not death.is_early:
        has_lived = death.ready_for_s is not None and death.ready_for_s >= EARLY_S
        return Verdict(record=Record(), wait_s=0.0 if has_lived else policy.base_s)
    recent = (*(at_s for at_s in record.early_at_s if death.at_s - at_s < policy.within_s), death.at_s)
    record = Record(
        in_a_row=record.in_a_row + 1,
        early_at_s=recent[-policy.deaths :],
        is_broken=record.is_broken or len(recent) >= policy.deaths,
    )
    if record.is_broken:
        return Verdict(record=record, wait_s=PROBE_S)
    wait_s = backoff_s(record.in_a_row, base_s=policy.base_s, factor=policy.factor, limit_s=policy.limit_s, rng=rng)
    return Verdict(record=record, wait_s=wait_s)


def prospect(name: str, verdict: Verdict, policy: Restart) -> str:
    """What becomes of a service that is broken, and who has to do something."""
    if verdict.wait_s is None:
        return f"not started again; mend it, then `framebus start {name}` reads its settings anew"
    return f"{policy.deaths} early deaths in {policy.within_s:g} s; tried again every {PROBE_S:.0f} s"
