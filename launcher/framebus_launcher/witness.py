"""What the demo's story sees of the group: who is ready, what the camera sends, what was recorded.

What has not come yet is None, as `Observer.wait_for` wants it.
"""

import time
from collections.abc import Sequence

from framebus.errors import FramebusError
from framebus.jobs import FINAL
from framebus.messages import (
    CameraState,
    CameraStatus,
    Cause,
    JobView,
    MotionBoxes,
    ServiceState,
    ServiceStats,
    ServiceStatus,
)
from framebus.place import Place
from framebus.recordings import list_segments
from framebus_launcher.observer import Observer

HOPELESS = (Cause.AUTH, Cause.DNS, Cause.REFUSED, Cause.NOT_FOUND, Cause.CODEC, Cause.NO_SPACE, Cause.UNKNOWN)
"""causes that do not heal by themselves; unknown is what code of the user's own raises"""
LOOKED_BACK_S = 120.0
"""for the last segment before a kill"""


class StoryError(FramebusError):
    """The demo could not go on; the text says why."""


class Witness:
    """Looks at the news and the recordings of one camera's group."""

    def __init__(self, place: Place, camera: str, news: Observer) -> None:
        self._place = place
        self._camera = camera
        self._news = news

    def service(self, name: str) -> ServiceStatus | None:
        return self._news.newest(f"service/{name}/", ServiceStatus)

    def are_ready(self, names: Sequence[str]) -> bool | None:
        """True when all of them are; raises StoryError when one is broken."""
        states = [self.service(name) for name in names]
        broken = [status for status in states if status is not None and status.state is ServiceState.BROKEN]
        if broken:
            raise StoryError(f"{broken[0].name} is broken: {broken[0].reason}")
        return True if all(status is not None and status.state is ServiceState.READY for status in states) else None

    def states(self, names: Sequence[str]) -> str:
        """How they are, as a sentence."""
        states = {name: self.service(name) for name in names}
        return ", ".join(f"{name} is {status.state if status else 'unknown'}" for name, status in states.items())

    def has_stopped(self, name: str) -> bool | None:
        status = self.service(name)
        return True if status is not None and status.state is ServiceState.STOPPED else None

    def back(self, name: str, old: ServiceStatus) -> ServiceStatus | None:
        """The service, when it is ready in a life after `old`."""
        status = self.service(name)
        is_new = status is not None and status.state is ServiceState.READY and status.incarnation > old.incarnation
        return status if is_new else None

    def restarts(self, name: str) -> int:
        status = self.service(name)
        return status.restarts if status else 0

    def camera(self) -> CameraStatus | None:
        return self._news.newest(f"camera/{self._camera}/", CameraStatus)

    def online(self, since_at_s: float = 0.0) -> CameraStatus | None:
        """The camera, when it came online since and frames stand in its ring."""
        status = self.camera()
        is_online = status is not None and status.state is CameraState.ONLINE and status.ring_bytes > 0
        return status if status is not None and is_online and status.since_at_s >= since_at_s else None

    def online_or_hopeless(self) -> CameraStatus | None:
        """A camera that answers `wrong password` is not waited for; one that is silent may be starting."""
        status = self.camera()
        is_hopeless = status is not None and status.state is CameraState.OFFLINE and status.cause in HOPELESS
        return status if is_hopeless else self.online()

    def latency(self) -> ServiceStats | None:
        """What enrich counted, when it has measured how long frames take to it."""
        stats = self._news.newest("stats/enrich/", ServiceStats)
        return stats if stats is not None and "capture_to_enrich" in stats.latencies else None

    def motion(self) -> MotionBoxes | None:
        return self._news.newest(f"motion/{self._camera}/", MotionBoxes)

    def job(self, job_id: str) -> JobView | None:
        return self._news.newest(f"job/export/{job_id}/", JobView)

    def ended(self, ids: Sequence[str]) -> list[JobView] | None:
        """The jobs, when all of them have ended."""
        jobs = [self.job(job_id) for job_id in ids]
        ended = [job for job in jobs if job is not None and job.state in FINAL]
        return ended if len(ended) == len(ids) else None

    def has_recorded(self, length_s: float) -> bool | None:
        """True when the recording of the last hour began so long ago."""
        now_s = time.time()
        segments = list_segments(self._place.data, self._camera, now_s - 3_600, now_s)
        return True if segments and now_s - segments[0].start_ms / 1_000 > length_s else None

    def recording_gap_s(self, killed_at_s: float) -> float | None:
        """What is missing between the last segment before the kill and the first after it; None while that is open."""
        segments = list_segments(self._place.data, self._camera, killed_at_s - LOOKED_BACK_S, time.time())
        after = [segment for segment in segments if segment.start_ms >= 1_000 * killed_at_s]
        ends = [segment.end_ms for segment in segments if segment not in after and segment.end_ms is not None]
        is_whole = all(segment in after or not segment.is_open for segment in segments)
        return max(0.0, (after[0].start_ms - max(ends)) / 1_000) if after and ends and is_whole else None
