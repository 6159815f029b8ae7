"""The client of `framebus chaos`: submits small clips, times every call, and asks how each job ended."""

import contextlib
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from msgspec import Raw

from framebus import codec
from framebus.errors import DeadlineError, ErrorCode, MalformedError, RefusedError
from framebus.jobs import FINAL
from framebus.messages import CameraStatus, Message
from framebus.place import Place
from framebus.requests import CancelJob, GetJob, GetState, GetStory, Request, StateRow, SubmitJob
from framebus_launcher.chaos_verdict import Calls, JobFate
from framebus_launcher.client import GroupClient
from framebus_launcher.output import files_of

A = TypeVar("A", bound=Message)

SUBMIT_EVERY_S = 1.0
CLIP_S = 2.0
BACK_S = (3.0, 20.0)
"""how long ago the clip begins: at first the least, so that it is of what a camera has just begun to record"""
CANCEL_SHARE = 0.1
DEADLINE_S = 2.0
AGAIN_S = 0.1
HEARD_S = 3.0
UNKNOWN_S = 30.0
"""so long a submit without an answer is asked again, under the same id"""
NAME = "chaos"


class TimedClient:
    """Asks services of the group and notes how long each call took."""

    def __init__(self, place: Place, calls: Calls) -> None:
        self._group = GroupClient(place.run)
        self._calls = calls

    def ask(self, service: str, request: Request[A], deadline_s: float = DEADLINE_S) -> A:
        """The answer; raises RefusedError, DeadlineError, MalformedError."""
        began_s = time.monotonic()
        try:
            return self._group.ask(service, request, deadline_s)
        finally:
            self._calls.note(deadline_s, time.monotonic() - began_s)

    def ask_until(self, service: str, request: Request[A], limit_s: float) -> A:
        """As `ask`, and again while nobody answers; raises DeadlineError after `limit_s`."""
        end_s = time.monotonic() + limit_s
        while True:
            try:
                return self.ask(service, request)
            except RefusedError as error:
                is_away = error.code in (ErrorCode.DEADLINE, ErrorCode.UNAVAILABLE)
                if not is_away or time.monotonic() > end_s:
                    raise
            time.sleep(AGAIN_S)

    def state(self, prefix: str, limit_s: float) -> list[StateRow]:
        """All retained topics under a prefix."""
        page = self.ask_until("dispatcher", GetState(prefix=prefix), limit_s)
        rows = list(page.rows)
        while page.next is not None:
            page = self.ask_until("dispatcher", GetState(prefix=prefix, after=page.next), limit_s)
            rows += page.rows
        return rows

    def recording_cameras(self, limit_s: float) -> list[str]:
        """The cameras that record; a dispatcher that has just begun hears of each within a second or so."""
        end_s = time.monotonic() + HEARD_S
        while True:
            statuses = [codec.decode_body(bytes(row.body), CameraStatus) for row in self.state("camera/", limit_s)]
            found = [one.camera for one in statuses if one.is_recording]
            if found or time.monotonic() > end_s:
                return found
            time.sleep(AGAIN_S)

    def exports(self) -> Path | None:
        """The folder of the clips, as far as that can be known from here."""
        return self._group.exports()

    def close(self) -> None:
        self._group.close()


class Work:
    """Hands in one clip a second, and now and then cancels one, in a thread of its own."""

    def __init__(self, place: Place, cameras: list[str]) -> None:
        self.calls = Calls()
        self.accepted: list[str] = []
        self.refused: Counter[str] = Counter()
        self.unanswered = 0
        self._cameras = cameras
        self._client = TimedClient(place, self.calls)
        self._is_over = threading.Event()
        self._began_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="work", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Hand in no more; the last submit is brought to its end."""
        self._is_over.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while self._cameras and not self._is_over.is_set():
            job_id = self._submit(random.choice(self._cameras), time.time() - self._draw_back_s())
            if job_id is not None and random.random() < CANCEL_SHARE:
                with contextlib.suppress(RefusedError, MalformedError):  # too late, or nobody there: it just goes on
                    self._client.ask("dispatcher", CancelJob(id=job_id))
            self._is_over.wait(SUBMIT_EVERY_S)

    def _draw_back_s(self) -> float:
        least_s, most_s = BACK_S
        return random.uniform(least_s, min(most_s, least_s + time.monotonic() - self._began_s))

    def _submit(self, camera: str, start_s: float) -> str | None:
        params = {"camera": camera, "start": start_s, "end": start_s + CLIP_S, "allow_gaps": True, "thumbnail": False}
        request = SubmitJob(type="export", params=Raw(codec.encode(params)), id=secrets.token_hex(16), name=NAME)
        try:
            accepted = self._client.ask_until("dispatcher", request, UNKNOWN_S)
        except DeadlineError:
            self.unanswered += 1
        except (RefusedError, MalformedError) as error:
            self.refused[error.code if isinstance(error, RefusedError) else "malformed"] += 1
        else:
            self.accepted.append(accepted.id)
            return accepted.id
        return None


def cancel_all(client: TimedClient, accepted: list[str], limit_s: float) -> None:
    """Stop the jobs that have not ended, within `limit_s`, the newest first: those before have mostly ended."""
    end_s = time.monotonic() + limit_s
    for job_id in reversed(accepted):
        with contextlib.suppress(RefusedError, MalformedError):
            client.ask_until("dispatcher", CancelJob(id=job_id), end_s - time.monotonic())


def fates_of(client: TimedClient, accepted: list[str], limit_s: float) -> Iterator[JobFate]:
    """How each job ended; waits `limit_s` in all for those that have not."""
    end_s = time.monotonic() + limit_s
    for job_id in accepted:
        yield _fate(client, job_id, end_s)


def _fate(client: TimedClient, job_id: str, end_s: float) -> JobFate:
    while True:
        left_s = max(DEADLINE_S, end_s - time.monotonic())
        try:
            job = client.ask_until("dispatcher", GetJob(id=job_id), left_s)
        except RefusedError:
            return JobFate(id=job_id, state=None)
        if job.state in FINAL or time.monotonic() > end_s:
            return JobFate(id=job_id, state=job.state, files=files_of(job), ends=_ends(client, job_id, left_s))
        time.sleep(AGAIN_S)


def _ends(client: TimedClient, job_id: str, limit_s: float) -> int | None:
    """How often the job ended, by its history; None when it could not be read in time."""
    try:
        story = client.ask_until("dispatcher", GetStory(id=job_id), limit_s)
    except RefusedError:
        return None
    return sum(move.state in FINAL for move in story.moves)
