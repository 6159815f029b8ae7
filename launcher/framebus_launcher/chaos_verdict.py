"""What came of a run of `framebus chaos`: what was seen, and whether a promise was broken. Values in, values out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from framebus.errors import ExitCode
from framebus.jobs import FINAL
from framebus.messages import JobState
from framebus_launcher.chaos_plan import Kind

LATE_S = 0.5
"""a call that takes so much longer than its deadline has outlived it"""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What became of one blow."""

    name: str
    kind: Kind
    back_after_s: float | None
    """from the blow to ready and answering; None: not within the limit"""


@dataclass(kw_only=True)
class Calls:
    """How many calls the client made, and how many of them outlived their deadline."""

    number: int = 0
    late: int = 0

    def note(self, deadline_s: float, took_s: float) -> None:
        self.number += 1
        self.late += took_s > deadline_s + LATE_S

    def add(self, others: "Calls") -> None:
        """Those that another thread made."""
        self.number += others.number
        self.late += others.late


@dataclass(frozen=True, kw_only=True)
class JobFate:
    """What became of a job that was accepted."""

    id: str
    state: JobState | None
    """None: the dispatcher does not know it"""
    files: Sequence[str] = ()
    ends: int | None = None
    """how often it ended, by its history; None: not read"""


@dataclass(kw_only=True)
class Records:
    """All that was seen in one run."""

    seed: int
    seconds: float
    is_cut: bool = False
    """ended by Ctrl-C: jobs may be at work yet"""
    recoveries: list[Recovery] = field(default_factory=list)
    calls: Calls = field(default_factory=Calls)
    fates: list[JobFate] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """submits that were refused, by code"""
    unanswered: int = 0
    """submits that were never answered: nobody knows, nobody was promised anything"""
    subscribers: int = 0
    behind: list[str] = field(default_factory=list)
    """subscribers that do not hold the last state, each with a topic"""
    torn: int = 0
    """news that could not be read"""
    stale: list[str] = field(default_factory=list)
    """news that took back what newer news had said"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The recoveries of one member from one kind of blow."""

    name: str
    kind: Kind
    blows: int
    not_back: int
    p50_s: float | None
    p99_s: float | None
    max_s: float | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The whole table."""

    rows: list[Row]
    accepted: int
    by_state: dict[str, int]
    at_work: int
    """not ended when Ctrl-C came"""
    lost: list[str]
    duplicated: list[str]
    dead: list[str]
    """every one is innocent: all deaths of a run are ordered"""
    broken: list[str]
    """each broken promise in words; empty when all is well"""

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.INTERNAL if self.broken else ExitCode.OK


def judge(records: Records) -> Verdict:
    """The verdict over what was seen."""
    fates = records.fates
    open_jobs = [fate.id for fate in fates if fate.state is not None and fate.state not in FINAL]
    lost = [fate.id for fate in fates if fate.state is None] + ([] if records.is_cut else open_jobs)
    dead = [fate.id for fate in fates if fate.state is JobState.DEAD]
    duplicated = _duplicated(fates)
    rows = _rows(records.recoveries)
    found = [
        (len(lost), "jobs lost"),
        (len(duplicated), "jobs done twice"),
        (len(dead), "innocent jobs dead"),
        (sum(row.not_back for row in rows), "members not back"),
        (records.torn, "news torn"),
        (len(records.stale), "news stale"),
        (len(records.behind), "subscribers behind"),
        (records.calls.late, "calls that outlived their deadline"),
    ]
    return Verdict(
        rows=rows,
        accepted=len(fates),
        by_state=dict(Counter(fate.state.value for fate in fates if fate.state in FINAL)),
        at_work=len(open_jobs) if records.is_cut else 0,
        lost=lost,
        duplicated=duplicated,
        dead=dead,
        broken=[f"{number} {what}" for number, what in found if number],
    )


def _duplicated(fates: Sequence[JobFate]) -> list[str]:
    """Jobs that ended more than once, and those that share a file with another."""
    owners = Counter(file for fate in fates for file in fate.files)
    return [fate.id for fate in fates if (fate.ends or 0) > 1 or any(owners[file] > 1 for file in fate.files)]


def _rows(recoveries: Sequence[Recovery]) -> list[Row]:
    kinds = sorted({(one.name, one.kind) for one in recoveries})
    rows = []
    for name, kind in kinds:
        of_it = [one.back_after_s for one in recoveries if (one.name, one.kind) == (name, kind)]
        back = sorted(seconds for seconds in of_it if seconds is not None)
        rows.append(
            Row(
                name=name,
                kind=kind,
                blows=len(of_it),
                not_back=len(of_it) - len(back),
                p50_s=percentile(back, 0.50),
                p99_s=percentile(back, 0.99),
                max_s=percentile(back, 1.0),
            )
        )
    return rows


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value that this share of the values does not exceed (nearest rank); None where there are none.

    >>> [percentile([0.1, 0.2, 0.3, 9.0], share) for share in (0.5, 0.99)]
    [0.2, 9.0]
    """
    if not ordered:
        return None
    rank = -(-len(ordered) * share // 1)  # rounded up
    return ordered[max(0, int(rank) - 1)]
