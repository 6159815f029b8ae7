"""What a camera's status says: made from its connections, its recorder and its ring. No clocks, no threads."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from framebus.messages import CameraState, Cause
from framebus_services.capture.reader import QUIET_S, UNDECODABLE, Link, Phase
from framebus_services.capture.trouble import Trouble

MANY_PACKETS = 5
"""without a frame; one alone may have been held back in a buffer"""
BROKEN_SHARE = 0.1
"""of all frames, from which a picture is called bad"""


@dataclass(frozen=True, kw_only=True)
class LinkReport:
    """One connection at this moment."""

    purpose: str
    link: Link
    frame_age_s: float | None
    """since the last frame; None before the first"""
    idle_packets: int
    """since then"""


NO_TROUBLE = Trouble(Cause.NONE, "")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The state of a camera and why."""

    state: CameraState
    trouble: Trouble = NO_TROUBLE
    retry_at_s: float | None = None


def judge(reports: Sequence[LinkReport], troubles: Sequence[Trouble], broken_share: float = 0.0) -> Verdict:
    """Offline without any frames; degraded when a part fails: one of two connections, recording, ring, pictures."""
    found = [(report, _trouble_of(report)) for report in reports]
    failed = [(report, trouble) for report, trouble in found if trouble is not None]
    if failed and len(failed) == len(reports):
        report, trouble = failed[0]
        return Verdict(state=CameraState.OFFLINE, trouble=trouble, retry_at_s=report.link.retry_at_s)
    if failed:
        report, trouble = failed[0]
        trouble = Trouble(trouble.cause, f"{report.purpose}: {trouble.detail}")
        return Verdict(state=CameraState.DEGRADED, trouble=trouble, retry_at_s=report.link.retry_at_s)
    if any(report.link.phase is Phase.CONNECTING for report in reports):
        return Verdict(state=CameraState.CONNECTING)
    if troubles:
        return Verdict(state=CameraState.DEGRADED, trouble=troubles[0])
    if broken_share >= BROKEN_SHARE:
        trouble = Trouble(Cause.CODEC, "many frames are damaged")
        return Verdict(state=CameraState.DEGRADED, trouble=trouble)
    return Verdict(state=CameraState.ONLINE)


def _trouble_of(report: LinkReport) -> Trouble | None:
    link = report.link
    if link.phase is Phase.DOWN:
        return link.trouble
    if link.phase is Phase.CONNECTING or report.frame_age_s is None or report.frame_age_s < QUIET_S:
        return None
    if report.idle_packets >= MANY_PACKETS:
        return UNDECODABLE
    return Trouble(Cause.STALLED, f"no frame for {QUIET_S:.0f} s")


class Rate:
    """How fast a counter grew over the last seconds."""

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._readings: deque[tuple[float, int]] = deque()

    def note(self, now_s: float, count: int) -> None:
        """A reading of the counter; may be irregular."""
        self._readings.append((now_s, count))
        while len(self._readings) > 2 and now_s - self._readings[1][0] >= self._window_s:
            self._readings.popleft()

    @property
    def grown(self) -> int:
        """By how much, within the window."""
        return self._readings[-1][1] - self._readings[0][1] if self._readings else 0

    @property
    def per_s(self) -> float:
        """As a rate; 0 before the second reading."""
        if len(self._readings) < 2:
            return 0.0
        return round(self.grown / max(1e-3, self._readings[-1][0] - self._readings[0][0]), 2)
