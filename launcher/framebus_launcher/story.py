"""What the demo tells: it asks the running group like any client would, breaks it, and measures what comes of that."""

import os
import shutil
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from msgspec import Raw

import framebus
from framebus import codec
from framebus.causes import said_of
from framebus.errors import RefusedError
from framebus.jobs import FINAL
from framebus.messages import CameraState, JobState, JobView
from framebus.place import Place
from framebus.requests import JobAccepted, ListJobs, StartService, StopService, SubmitJob
from framebus_launcher.client import GroupClient
from framebus_launcher.observer import Observer
from framebus_launcher.output import files_of, is_terminal, result_of, size
from framebus_launcher.page_link import GATEWAY, page_link
from framebus_launcher.teller import Teller
from framebus_launcher.witness import StoryError, Witness

CLIP_S = 10.0
START_LIMIT_S = 30.0
ONLINE_LIMIT_S = 20.0
MOTION_LIMIT_S = 10.0
RECORD_LIMIT_S = 60.0
JOB_LIMIT_S = 60.0
BACK_LIMIT_S = 15.0
SHOWN_LEAD_S = 0.05
SERVICES = ("dispatcher", "export", "enrich")
"""that the story needs; the page comes with them where there is one"""
LATE_SERVICES = ("ingest", "analysis")
"""start when the cameras are ready; the story is told without them"""


class Story:
    """One telling; `tell()` runs in a thread beside the group. Raises StoryError when the group fails its part."""

    def __init__(self, place: Place, camera: str, clips: Path, teller: Teller, *, has_page: bool) -> None:
        self._place = place
        self._services = (*SERVICES, GATEWAY) if has_page else SERVICES
        self._camera = camera
        self._capture = f"capture@{camera}"
        self._clips = clips
        self._teller = teller
        self._accepted: list[str] = []
        self.saved: list[Path] = []
        """the clips that were copied to where they stay"""

    def tell(self) -> int:
        """From the first process to the last clip; returns how many jobs were lost or done twice."""
        with Observer(self._place) as self._news:
            self._sees = Witness(self._place, self._camera, self._news)
            self._await_services()
            with GroupClient(self._place.run) as self._group:
                self._show_frames()
                self._show_late_services()
                self._show_motion()
                self._make_clip()
                return self._break_it()

    # The parts of the story -------------------------------------------------------------------------------------------

    def _await_services(self) -> None:
        for names in (self._services, (self._capture,)):
            ready = self._news.wait_for(partial(self._sees.are_ready, names), START_LIMIT_S)
            if ready is None:
                raise StoryError(f"not ready after {START_LIMIT_S:.0f} s: {self._sees.states(names)}")
            if names == self._services:
                self._teller.tell("ready", "  ".join(names))
                if (link := page_link(self._place)) is not None:
                    self._teller.tell("page", link)

    def _show_frames(self) -> None:
        status = self._news.wait_for(self._sees.online_or_hopeless, ONLINE_LIMIT_S)
        if status is None or status.state is not CameraState.ONLINE:
            status = status or self._sees.camera()
            why = said_of(status.cause, status.detail, status.source) if status else "it says nothing"
            raise StoryError(f"the camera does not come online: {why}")
        with framebus.RingReader.open(_found(framebus.newest_ring(self._place.shm, self._camera), "its ring")) as ring:
            picture = f"{ring.width}x{ring.height}, {status.codec.upper()}"
            self._teller.tell(
                "ready", f"{picture}; ring of {ring.slots} frames, {size(status.ring_bytes)}", self._capture
            )
        stats = self._news.wait_for(self._sees.latency, ONLINE_LIMIT_S)
        if stats is not None:
            latency = stats.latencies["capture_to_enrich"]
            self._teller.tell("frame", f"capture to enrich {latency.p50_ms:.1f} ms, copied once", self._camera)

    def _show_late_services(self) -> None:
        if self._news.wait_for(partial(self._sees.are_ready, LATE_SERVICES), START_LIMIT_S):
            self._teller.tell("ready", "  ".join(LATE_SERVICES))

    def _show_motion(self) -> None:
        motion = self._news.wait_for(self._sees.motion, MOTION_LIMIT_S)
        if motion is not None and motion.boxes:
            box = max(motion.boxes, key=lambda one: one.width * one.height)
            text = f"{box.width}x{box.height} at ({box.x}, {box.y}) in frame {motion.number}"
            self._teller.tell("motion", text, self._camera)

    def _make_clip(self) -> None:
        if is_terminal():
            self._teller.say(f"A clip needs {CLIP_S:.0f} s of recording; a moment.")
        if self._news.wait_for(partial(self._sees.has_recorded, CLIP_S + 0.5), RECORD_LIMIT_S) is None:
            raise StoryError(f"nothing was recorded within {RECORD_LIMIT_S:.0f} s")
        self._teller.tell("clip", f"asking for the last {CLIP_S:.0f} s", self._camera)
        started_s = time.monotonic()
        now_s = time.time()
        accepted = self._submit(now_s - CLIP_S, now_s, "demo")
        took_ms = 1_000.0 * (time.monotonic() - started_s)
        line = "first in line" if accepted.position == 1 else f"number {accepted.position} in line"
        self._teller.tell(f"job {accepted.id[:4]}", f"queued; on disk and answered in {took_ms:.1f} ms, {line}")
        job = self._follow(accepted.id)
        self._save(job)

    def _break_it(self) -> int:
        self._ask_launcher(StopService(name="export"))
        if self._news.wait_for(partial(self._sees.has_stopped, "export"), BACK_LIMIT_S) is None:
            raise StoryError(f"export does not stop: {self._sees.states(('export',))}")
        now_s = time.time()
        waiting = [
            self._submit(now_s - back_s - 4.0, now_s - back_s, f"demo {n}").id for n, back_s in enumerate((0, 2, 4), 1)
        ]
        self._teller.say("Now we break it. Three clips are in the queue; export is stopped, so that they wait.")
        self._kill_capture()
        self._kill_dispatcher(waiting)
        self._ask_launcher(StartService(name="export"))
        for job in self._await_ends(waiting):
            self._save(job)
        return self._sum_up()

    def _kill_capture(self) -> None:
        before_s = time.time()
        back_after_s = self._kill(self._capture)
        self._news.wait_for(partial(self._sees.online, before_s), ONLINE_LIMIT_S)
        gap_s = self._news.wait_for(partial(self._sees.recording_gap_s, before_s), ONLINE_LIMIT_S)
        lost = f"recording lost {gap_s:.1f} s" if gap_s is not None else "recording goes on"
        others = "enrich went on" if self._sees.restarts("enrich") == 0 else "enrich was restarted too"
        self._teller.tell("back", f"after {back_after_s:.2f} s; {lost}; {others}", self._capture, "green")

    def _kill_dispatcher(self, waiting: Sequence[str]) -> None:
        epochs = self._news.head_epochs()
        kept = {topic for topic in epochs if topic.startswith(("camera/", "service/", "job_state/"))}
        back_after_s = self._kill("dispatcher")
        known = {job.id for job in self._group.ask("dispatcher", ListJobs(limit=100), 10.0).jobs}
        there = sum(job_id in known for job_id in waiting)
        new_s = time.time()
        with Observer(self._place) as late:  # a subscriber that has heard nothing yet
            told = late.wait_for(lambda: True if kept <= late.head_epochs().keys() else None, BACK_LIMIT_S)
        states = f"a new subscriber had all {len(kept)} states in {1_000 * (time.time() - new_s):.0f} ms"
        text = f"after {back_after_s:.2f} s; {there} of {len(waiting)} jobs still there; "
        self._teller.tell("back", text + (states if told else "some states are missing"), "dispatcher", "green")

    def _sum_up(self) -> int:
        views = {job.id: job for job in self._group.ask("dispatcher", ListJobs(limit=100), 10.0).jobs}
        succeeded = [job for job in views.values() if job.state is JobState.SUCCEEDED]
        lost = sum(
            views.get(job_id) is None or views[job_id].state is not JobState.SUCCEEDED for job_id in self._accepted
        )
        made = list((self._place.data / "exports").rglob("*.mp4"))
        twice = max(0, len(made) - len(succeeded))
        text = f"{len(self._accepted)} accepted, {len(succeeded)} succeeded, {lost} lost, {twice} done twice"
        self._teller.tell("jobs", text, "", "green" if lost + twice == 0 else "red")
        for path in self.saved[:1]:
            self._teller.tell("watch", f"{path}   {size(path.stat().st_size)}")
        if len(self.saved) > 1:
            self._teller.say(f"and {len(self.saved) - 1} more beside it")
        return lost + twice

    # What the parts are made of ---------------------------------------------------------------------------------------

    def _submit(self, start_s: float, end_s: float, name: str) -> JobAccepted:
        params = {"camera": self._camera, "start": start_s, "end": end_s, "allow_gaps": True}
        request = SubmitJob(type="export", params=Raw(codec.encode(params)), name=name)
        accepted = self._group.ask("dispatcher", request, 10.0)
        self._accepted.append(accepted.id)
        return accepted

    def _follow(self, job_id: str) -> JobView:
        """Show the progress of a job up to its end."""
        shown: JobView | None = None
        end_s = time.monotonic() + JOB_LIMIT_S
        while time.monotonic() < end_s:
            job = self._news.wait_for(partial(self._changed, job_id, shown), 1.0)
            shown = job or shown
            if job is not None and job.state in FINAL:
                self._teller.tell_job(job, _outcome(job))
                return job
            if job is not None and job.state is JobState.RUNNING and job.step:
                self._teller.tell_job(job)
        raise StoryError(f"job {job_id[:4]} did not end within {JOB_LIMIT_S:.0f} s")

    def _changed(self, job_id: str, seen: JobView | None) -> JobView | None:
        job = self._sees.job(job_id)
        return job if job != seen else None

    def _await_ends(self, ids: Sequence[str]) -> list[JobView]:
        ended = self._news.wait_for(partial(self._sees.ended, ids), JOB_LIMIT_S)
        if ended is None:
            views = {job.id: job for job in self._group.ask("dispatcher", ListJobs(limit=100), 10.0).jobs}
            ended = [views[job_id] for job_id in ids if job_id in views and views[job_id].state in FINAL]
        for job in ended:
            self._teller.tell_job(job, _outcome(job))
        return ended

    def _save(self, job: JobView) -> None:
        """Copy the clip to where it outlives the demo."""
        for name in files_of(job):
            if name.endswith(".mp4"):
                self._clips.mkdir(parents=True, exist_ok=True)
                self.saved.append(Path(shutil.copy2(self._place.data / "exports" / name, self._clips)))

    def _kill(self, name: str) -> float:
        """kill -9 a service; returns the seconds until it was ready again."""
        old = self._sees.service(name)
        if old is None or old.pid is None:
            raise StoryError(f"{name} is not there")
        self._teller.tell("kill -9", f"pid {old.pid}", name, "red")
        killed_s = time.monotonic()
        os.kill(old.pid, signal.SIGKILL)
        back = self._news.wait_for(partial(self._sees.back, name, old), BACK_LIMIT_S)
        if back is None:
            raise StoryError(f"{name} did not come back within {BACK_LIMIT_S:.0f} s: {self._sees.states((name,))}")
        return back.back_after_s if back.back_after_s is not None else time.monotonic() - killed_s

    def _ask_launcher(self, request: StartService | StopService) -> None:
        try:
            self._group.ask("launcher", request, 10.0)
        except RefusedError as error:
            raise StoryError(f"the launcher refused: {error}") from None


def _outcome(job: JobView) -> str:
    """What came of an export, in words."""
    result = result_of(job)
    if job.state is not JobState.SUCCEEDED or not isinstance(result, dict):
        return ""
    earlier_s = result.get("starts_earlier_s", 0.0)
    lead = f"; starts {earlier_s:.1f} s earlier: at a key frame" if earlier_s >= SHOWN_LEAD_S else ""
    return f"{result.get('frames')} frames, {result.get('duration_s', 0.0):.1f} s, reopened, last frame decoded{lead}"


def _found(path: Path | None, what: str) -> Path:
    if path is None:
        raise StoryError(f"{what} is not there")
    return path
