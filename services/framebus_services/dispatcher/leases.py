"""Who holds which job, and until when: in memory, renewed by beats. Pure; the caller brings the time."""

from dataclasses import dataclass

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import INHERITED_LEASE_S, LEASE_S, JobEvent
from framebus.requests import BeatAnswer, BeatJob

MAX_TICK_GAP_S = 1.0


@dataclass(slots=True)
class _Held:
    fence: int
    until_s: float
    has_beaten: bool
    is_inherited: bool
    is_cancelled: bool = False
    is_over: bool = False
    can_end: bool = True
    progress: tuple[str, float] | None = None


@dataclass(frozen=True)
class Ended:
    """A lease that ran out, and what that means for its job."""

    job_id: str
    fence: int
    event: JobEvent
    detail: str


class Leases:
    """The running jobs of this dispatcher."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._last_tick_s: float | None = None

    @property
    def is_empty(self) -> bool:
        return not self._held

    def begin(self, job_id: str, fence: int, now_s: float, *, is_cancelled: bool = False) -> None:
        """A job was leased, or flagged while it runs."""
        held = self._held.get(job_id)
        if held is not None and held.fence == fence:
            if is_cancelled and not held.is_cancelled:
                held.is_cancelled, held.until_s = True, min(held.until_s, now_s + LEASE_S)
            return
        self._held[job_id] = _Held(fence, now_s + LEASE_S, has_beaten=False, is_inherited=False)

    def inherit(self, job_id: str, fence: int, now_s: float, *, is_cancelled: bool) -> None:
        """A job was running when the last dispatcher died: its worker has time to speak up."""
        self._held[job_id] = _Held(fence, now_s + INHERITED_LEASE_S, False, True, is_cancelled)

    def hold(self, job_id: str) -> None:
        """The worker has handed in its files: it may go on beating, but its lease ends no more."""
        held = self._held.get(job_id)
        if held is not None:
            held.can_end = False

    def end(self, job_id: str) -> None:
        """The job runs no more."""
        self._held.pop(job_id, None)

    def beat(self, beat: BeatJob, now_s: float) -> BeatAnswer:
        """Renew a lease; raises RefusedError `lost` for one that is over."""
        held = self._held.get(beat.id)
        if held is None or held.fence != beat.fence or held.is_over:
            raise RefusedError(ErrorCode.LOST, f"job {beat.id} is no longer yours")
        held.has_beaten = True
        held.progress = (beat.step, max(beat.percent, held.progress[1] if held.progress else 0.0))
        if not held.is_cancelled:  # a cancelled job has to stop: its lease is not renewed
            held.until_s, held.is_inherited = now_s + LEASE_S, False
        return BeatAnswer(cancel=held.is_cancelled)

    def progress_of(self, job_id: str) -> tuple[str, float] | None:
        """Step and percent that the worker told last. May be called from the ledger's thread."""
        held = self._held.get(job_id)
        return held.progress if held is not None else None

    def tick(self, now_s: float) -> list[Ended]:
        """The leases that have run out; told again after 5 s, should the ledger not have been able to write it.

        When we ourselves were away (stopped, suspended), the time that passed is nobody's fault: all get it back.
        To be called at the first lease, and then several times a second until there is none.
        """
        gap_s = 0.0 if self._last_tick_s is None else now_s - self._last_tick_s
        self._last_tick_s = now_s if self._held else None
        ended = []
        for job_id, held in list(self._held.items()):
            if gap_s > MAX_TICK_GAP_S:
                held.until_s += gap_s
            if held.can_end and held.until_s <= now_s:
                held.is_over, held.until_s = True, now_s + LEASE_S
                ended.append(_ended(job_id, held))
        return ended


def _ended(job_id: str, held: _Held) -> Ended:
    if held.is_inherited or not held.has_beaten:
        return Ended(job_id, held.fence, JobEvent.VOID, "its worker never spoke")
    step = held.progress[0] if held.progress else ""
    return Ended(job_id, held.fence, JobEvent.STALLED, f"stalled at {step}" if step else "stalled")
