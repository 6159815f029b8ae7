"""What a script needs: the frames of a camera, and short calls to the services, without being a service itself.

Everywhere `run` is the folder of the group's sockets; by default the group of this process's environment, else that of
the `framebus.yml` in this folder, as for the commands, else the user's. Each call opens what it needs and closes it;
nothing is kept between them.
"""

import contextlib
import re
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Raw

from framebus import codec, requests
from framebus.errors import FramebusError, MalformedError, RefusedError
from framebus.frame import Frame
from framebus.group_here import place_here
from framebus.jobs import FINAL
from framebus.messages import NAME_PATTERN, CameraStatus, ConfigChanged, FrameNotice, JobState, JobView, Message
from framebus.place import Place
from framebus.requests import (
    CancelJob,
    GetJob,
    GetState,
    JobAccepted,
    ListJobs,
    Request,
    SubmitJob,
    TakeSnapshot,
)
from framebus.ring import RingReader, newest_ring
from framebus.transport import Listener, ScriptCaller

ASK_S = 5.0
"""how long a call waits for its answer"""
EXPLAIN_S = 1.0
UNHEARD_S = 1.0
"""a camera of which no notice came for so long may be none at all"""
SILENCE_S = 1.0
"""a watched job without news for so long is asked for"""
FIRST_SILENCE_S = 0.1
"""news from before the subscription took hold are lost: ask sooner at first"""
QUIET_S = 2.0
"""a ring without a frame for so long: the next may be one that only a notice can name"""
LOOK_S = 0.1
"""how often a reader to whom nothing comes looks for a newer ring beside its own"""
AWAY_S = 30.0
"""how long `watch` bears a dispatcher that does not answer"""

A = TypeVar("A", bound=Message)


class NoNewsError(FramebusError, TimeoutError):
    """What was waited for did not come in time; the text says why, as far as that is known."""


# Frames ---------------------------------------------------------------------------------------------------------------


def frames(
    camera: str, *, every: bool = False, run: str | Path | None = None, timeout_s: float = 10.0
) -> Generator[Frame, None, None]:
    """The frames of a camera as they come: always the newest, or with `every` each one that the ring still holds.

    `frame.missed` counts those left out since the frame before. The pixels are a view, good until the writer comes
    round: keep a `frame.copy()`. Leaving the loop closes everything. Raises NoNewsError after `timeout_s` without a
    frame, ValueError when `camera` is no name.
    """
    if not re.fullmatch(NAME_PATTERN, camera):
        raise ValueError(f"{camera!r} is no camera's name; it must match {NAME_PATTERN}")
    return _follow(_place(run), camera, every, timeout_s)


def _follow(place: Place, camera: str, every: bool, timeout_s: float) -> Generator[Frame, None, None]:
    with _Cursor(camera, every) as cursor:
        seen_s = time.monotonic()
        while True:
            _find_frame(cursor, place, camera, timeout_s, seen_s + timeout_s)
            for frame in cursor.follow(min(QUIET_S, timeout_s)):
                yield frame
                seen_s = time.monotonic()  # the caller's own time does not count


def _find_frame(cursor: "_Cursor", place: Place, camera: str, timeout_s: float, end_s: float) -> None:
    """Turn the cursor to the rings that notices name, until there is a frame for it.

    Raises NoNewsError at `end_s`, and before when there is no such camera.
    """
    ask_s = end_s if cursor.has_ring else time.monotonic() + UNHEARD_S
    with Listener(place, f"frame/{camera}/") as listener:
        while not cursor.is_behind:
            now_s = time.monotonic()
            if now_s >= end_s:
                raise NoNewsError(f"no frame of {camera} within {timeout_s:g} s: {_explain(place, camera)}")
            if now_s >= ask_s:
                if _is_unknown(place, camera):
                    raise NoNewsError(f"no frame of {camera}: {_explain(place, camera)}")
                ask_s = end_s
            for news in listener.wait(min(end_s - now_s, LOOK_S)):
                with contextlib.suppress(MalformedError):
                    cursor.turn_to(Path(cast(FrameNotice, news.decode()).ring))


class _Cursor:
    """How far one reader is in the rings of one camera.

    A notice names the first ring. From then on the reader sleeps at the ring itself, which costs it and the bus less
    than a notice for each frame, and it listens to notices only when nothing comes.
    """

    def __init__(self, camera: str, every: bool) -> None:
        self._camera = camera
        self._every = every
        self._ring: RingReader | None = None
        self._number = 0  # of the last frame read or missed
        self._missed = 0

    @property
    def has_ring(self) -> bool:
        return self._ring is not None

    @property
    def is_behind(self) -> bool:
        return self._ring is not None and self._ring.newest > self._number

    def turn_to(self, path: Path) -> None:
        """Go on in this ring, unless it is gone already: then its writer's next one will be named."""
        if self._ring is not None and self._ring.path == path:
            return
        with contextlib.suppress(FileNotFoundError):
            ring = RingReader.open(path)
            if self._ring is None:
                self._number = max(0, ring.newest - 1)  # frames from before we came are not missed
            else:
                self._missed += self._ring.newest - self._number  # what its writer wrote as we turned away
                self._number = 0
            self.close()
            self._ring = ring

    def follow(self, quiet_s: float) -> Iterator[Frame]:
        """What comes into the ring, and into those that replace it, until nothing has come for `quiet_s`."""
        seen_s = time.monotonic()
        while self._ring is not None and time.monotonic() < seen_s + quiet_s:
            if self._ring.wait(self._number, LOOK_S):
                yield from self._read_on(self._ring)
                seen_s = time.monotonic()
            elif (newer := newest_ring(self._ring.path.parent, self._camera, after=self._ring.epoch)) is not None:
                self.turn_to(newer)

    def _read_on(self, ring: RingReader) -> Iterator[Frame]:
        while self._number < (newest := ring.newest):
            oldest = newest - ring.slots + 2 if self._every else newest
            wanted = max(self._number + 1, oldest)
            self._missed += wanted - self._number - 1
            self._number = wanted
            frame = ring.read(wanted, camera=self._camera)
            if frame is None:
                self._missed += 1
                continue
            frame.missed, self._missed = self._missed, 0
            yield frame

    def close(self) -> None:
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    def __enter__(self) -> "_Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_unknown(place: Place, camera: str) -> bool:
    """Whether a group's configuration tells that there is no such camera: a typo, which nobody has to wait for."""
    try:
        rows = _ask(place, "dispatcher", GetState(prefix="config/"), EXPLAIN_S)[0].rows
        heard = _ask(place, "dispatcher", GetState(prefix=f"camera/{camera}/"), EXPLAIN_S)[0].rows
        news = [codec.decode_body(bytes(row.body), ConfigChanged) for row in rows]
        sections: dict[str, Any] = {one.section: msgspec.msgpack.decode(bytes(one.value)) for one in news}
    except (RefusedError, MalformedError, msgspec.DecodeError):
        return False
    services = (sections.get("services") or {}).values()
    has_own = any(isinstance(one, dict) and "command" in one for one in services)  # which may bring a camera of its own
    return bool(sections.get("cameras")) and camera not in sections["cameras"] and not heard and not has_own


def _explain(place: Place, camera: str) -> str:
    """Why no frame may have come, and what would be right."""
    try:
        rows = _ask(place, "dispatcher", GetState(prefix="camera/"), EXPLAIN_S)[0].rows
    except RefusedError:
        return f"no dispatcher answers in {place.run}; is the group running there? Else name its folder with run="
    known = {row.topic.split("/")[1]: row for row in rows}
    row = known.get(camera)
    if row is None:
        return f"there is no camera {camera}; there are {', '.join(sorted(known)) or 'none'}"
    status = codec.decode_body(bytes(row.body), CameraStatus)
    if row.is_stale:
        return f"its capture process is gone; it was {status.state} then"
    return f"it is {status.state} ({status.cause}) {status.detail}".rstrip()


# Calls ----------------------------------------------------------------------------------------------------------------


def ask(service: str, request: Request[A], *, run: str | Path | None = None, deadline_s: float = ASK_S) -> A:
    """Ask a service and wait for its answer. Raises RefusedError, or DeadlineError when nobody answered."""
    return _ask(_place(run), service, request, deadline_s)[0]


def submit(
    type: str, params: dict[str, Any], *, name: str | None = None, priority: int = 0, run: str | Path | None = None
) -> JobAccepted:
    """Hand in a job; when this returns, it is on disk. Raises RefusedError, which says what would be right."""
    request = SubmitJob(type=type, params=Raw(codec.encode(params)), name=name, priority=priority)
    return ask("dispatcher", request, run=run)


def cancel(job_id: str, *, run: str | Path | None = None) -> JobView:
    """Stop a job; a running one ends soon after. Raises RefusedError."""
    return ask("dispatcher", CancelJob(id=job_id), run=run)


def jobs(
    *,
    type: str | None = None,
    state: JobState | None = None,
    camera: str | None = None,
    limit: int = 100,
    run: str | Path | None = None,
) -> list[JobView]:
    """Jobs, newest first, at most `limit` (500 at most). Raises RefusedError."""
    return ask("dispatcher", ListJobs(type=type, state=state, camera=camera, limit=limit), run=run).jobs


def snapshot(camera: str, *, run: str | Path | None = None) -> bytes:
    """A JPEG of the camera's newest frame. Raises RefusedError."""
    _, picture = _ask(_place(run), f"capture@{camera}", TakeSnapshot(), ASK_S)
    if picture is None:
        raise MalformedError("blob", f"capture@{camera} answered without a picture")
    return picture


def watch(
    job_id: str, *, run: str | Path | None = None, timeout_s: float | None = None
) -> Generator[JobView, None, None]:
    """A job as it is now, then each change, up to and with its end.

    Raises RefusedError when there is no such job, NoNewsError when it has not ended within `timeout_s`, DeadlineError
    when the dispatcher is away: at the start for 5 s, later for 30 s.
    """
    place = _place(run)
    end_s = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    shown, _ = _ask(place, "dispatcher", GetJob(id=job_id), ASK_S)
    yield shown
    with Listener(place, f"job/{shown.type}/{job_id}/") as listener:
        silence_s = FIRST_SILENCE_S
        while shown.state not in FINAL:
            left_s = end_s - time.monotonic()
            if left_s <= 0.0:
                raise NoNewsError(f"job {job_id} is still {shown.state} after {timeout_s:g} s")
            views = _views(listener, min(silence_s, left_s))
            if not views:
                silence_s = min(2.0 * silence_s, SILENCE_S)
                views = [_ask(place, "dispatcher", GetJob(id=job_id), min(AWAY_S, max(left_s, SILENCE_S)))[0]]
            for view in views:
                if view != shown and not _goes_back(view, shown):
                    shown = view
                    yield shown


def _views(listener: Listener, limit_s: float) -> list[JobView]:
    views = []
    for news in listener.wait(limit_s):
        with contextlib.suppress(MalformedError):
            views.append(cast(JobView, news.decode()))
    return views


def _goes_back(view: JobView, shown: JobView) -> bool:
    """News that were overtaken by an answer."""
    return shown.state in FINAL or (
        (view.attempt, view.state) == (shown.attempt, shown.state) and view.percent < shown.percent
    )


def _place(run: str | Path | None) -> Place:
    return Place.at(Path(run)) if run is not None else place_here()


def _ask(place: Place, service: str, request: Request[A], deadline_s: float) -> tuple[A, bytes | None]:
    method = requests.method_of(type(request))
    with contextlib.closing(ScriptCaller(place)) as caller:
        body, blob = caller.call(service, method.name, codec.encode(request), deadline_s)
    return cast(A, codec.decode_body(body, method.answer)), blob
