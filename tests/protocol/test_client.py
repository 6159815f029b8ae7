"""What scripts use: the frames of a camera over a real proxy, and calls and watching against a real dispatcher."""

import contextlib
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import Raw

from framebus import client, codec
from framebus.door import Reply
from framebus.errors import ErrorCode, RefusedError
from framebus.frame import Frame, PixelFormat
from framebus.messages import CameraState, CameraStatus, Cause, ConfigChanged, FrameNotice, JobState, JobView
from framebus.place import Place
from framebus.requests import (
    BeatJob,
    GetJob,
    GetState,
    JobDone,
    LeasedJob,
    LeaseJob,
    Ping,
    Snapshot,
    StateRow,
    StateRows,
    TakeSnapshot,
)
from framebus.ring import RingWriter, newest_ring
from framebus.transport import SocketBus
from framebus_services.dispatcher.proxy import Proxy
from protocol.loops import turn_until

SLOTS = 8


class Camera:
    """A capture process in small: a ring, and notices over a real bus."""

    def __init__(self, place: Place, folder: Path, *, epoch: int = 1) -> None:
        self.bus = SocketBus("capture@front", place=place, epoch=epoch)
        self.path = folder / f"front.{epoch}.ring"
        self._epoch = epoch
        self._writer = RingWriter.create(
            self.path, width=16, height=16, pixel_format=PixelFormat.GRAY8, slots=SLOTS, epoch=epoch
        )

    def write(self, count: int = 1) -> int:
        """Write frames; returns the number of the last. A frame's pixels are its number."""
        for _ in range(count):
            pixels = np.full((16, 16), (self._writer.newest + 1) % 256, np.uint8)
            self._writer.write(pixels, pts_us=0, captured_at_s=1_790_000_000.0, captured_boot_ns=0)
        return self._writer.newest

    def show(self, count: int = 1) -> int:
        """Write and announce frames, as `write`."""
        for _ in range(count):
            number = self.write()
            self.bus.publish(
                FrameNotice(
                    camera="front",
                    ring=str(self.path),
                    slot=number % SLOTS,
                    number=number,
                    ring_epoch=self._epoch,
                    width=16,
                    height=16,
                    format=PixelFormat.GRAY8,
                    pts_us=0,
                    captured_at_s=1_790_000_000.0,
                    captured_up_s=0.0,
                )
            )
        return self._writer.newest

    def close(self) -> None:
        self.bus.close()
        self._writer.close()
        self._writer.unlink()


@pytest.fixture
def proxy(place: Place) -> Iterator[Proxy]:
    with contextlib.closing(Proxy(place)) as proxy:
        yield proxy


@pytest.fixture
def camera(place: Place, proxy: Proxy, tmp_path: Path) -> Iterator[Camera]:
    with contextlib.closing(Camera(place, tmp_path)) as camera:
        yield camera


def first_of(frames: Generator[Frame, None, None], camera: Camera) -> Frame:
    """The first frame of a reader whose subscription is on its way: shows pictures until one arrives."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, frames)
        while not first.done():
            camera.show()
            camera.bus.turn(0.002)
        return first.result()


def caught_up(frames: Generator[Frame, None, None], camera: Camera) -> int:
    """Read until the newest frame that was shown; returns its number."""
    number = first_of(frames, camera).number
    newest = camera.show()
    while number < newest:
        number = next(frames).number
    return newest


def footprint() -> tuple[int, int, int]:
    gc.collect()
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), maps_of(Path(".ring"))


def maps_of(path: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(path))


def holds_soon(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true within 5 s: the kernel takes a moment to bury a thread that has ended."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(500))


# Frames ---------------------------------------------------------------------------------------------------------------


def test_a_reader_gets_the_newest_frame_and_how_many_it_missed(place: Place, camera: Camera) -> None:
    with contextlib.closing(client.frames("front", run=place.run)) as frames:
        before = caught_up(frames, camera)

        camera.show(5)
        frame = next(frames)

        assert (frame.number, frame.missed, frame.camera) == (before + 5, 4, "front")
        assert int(frame.luma[3, 3]) == frame.number % 256
        assert frame.still_valid()


def test_a_reader_of_every_frame_gets_all_that_the_ring_holds_in_order(place: Place, camera: Camera) -> None:
    with contextlib.closing(client.frames("front", every=True, run=place.run)) as frames:
        before = caught_up(frames, camera)

        camera.show(6)
        got = [next(frames) for _ in range(6)]

        assert [frame.number for frame in got] == list(range(before + 1, before + 7))
        assert [frame.missed for frame in got] == [0] * 6


def test_a_reader_of_every_frame_that_was_too_slow_is_told_how_many_it_missed(place: Place, camera: Camera) -> None:
    with contextlib.closing(client.frames("front", every=True, run=place.run)) as frames:
        before = caught_up(frames, camera)

        newest = camera.show(100)
        got = [next(frames)]
        while got[-1].number < newest:
            got.append(next(frames))

        assert len(got) == SLOTS - 1  # one slot is the writer's
        assert [frame.missed for frame in got] == [100 - len(got)] + [0] * (len(got) - 1)
        assert got[0].number - before - 1 == got[0].missed


def test_a_slow_reader_slows_nobody_and_then_goes_on_with_the_newest(place: Place, camera: Camera) -> None:
    with (
        contextlib.closing(client.frames("front", run=place.run)) as slow,
        contextlib.closing(client.frames("front", every=True, run=place.run)) as quick,
    ):
        before = caught_up(slow, camera)
        caught_up(quick, camera)

        got = []
        for _ in range(2_500):  # more than all queues between hold
            camera.show()
            got.append(next(quick))
        frame = next(slow)

        assert sum(frame.missed for frame in got) == 0
        assert frame.number == got[-1].number
        assert frame.missed == frame.number - before - 1


def leave_by_break(frames: Generator[Frame, None, None]) -> None:
    for _ in frames:
        break


def leave_by_an_exception(frames: Generator[Frame, None, None]) -> None:
    with contextlib.suppress(ZeroDivisionError):
        for _ in frames:
            raise ZeroDivisionError


def leave_by_close(frames: Generator[Frame, None, None]) -> None:
    next(frames)
    frames.close()


def never_begin(frames: Generator[Frame, None, None]) -> None: ...


@pytest.mark.parametrize("leave", [leave_by_break, leave_by_an_exception, leave_by_close, never_begin])
def test_leaving_the_loop_leaks_no_socket_map_thread_or_descriptor(
    place: Place, camera: Camera, leave: Callable[[Generator[Frame, None, None]], None]
) -> None:
    before = footprint()
    with ThreadPoolExecutor(1) as pool:
        left = pool.submit(lambda: leave(client.frames("front", run=place.run)))
        while not left.done():
            camera.show()
            camera.bus.turn(0.002)
        left.result()
    del left, pool

    assert holds_soon(lambda: footprint() == before), f"{footprint()} instead of {before}"


def test_a_kept_copy_outlives_the_loop_and_the_ring(place: Place, camera: Camera) -> None:
    with contextlib.closing(client.frames("front", run=place.run)) as frames:
        copy = first_of(frames, camera).copy()
    camera.show(3 * SLOTS)

    assert copy is not None
    assert copy.still_valid()
    assert int(copy.luma.max()) == copy.number % 256


@pytest.mark.parametrize("every", [False, True])
def test_a_restarted_capture_is_followed(place: Place, camera: Camera, tmp_path: Path, every: bool) -> None:
    with contextlib.closing(client.frames("front", every=every, run=place.run)) as frames:
        last = caught_up(frames, camera)
        if every:
            last = camera.show(2)  # not yet read when the capture dies
        camera.close()
        with contextlib.closing(Camera(place, tmp_path, epoch=2)) as restarted:
            got = [first_of(frames, restarted)]
            while got[-1].epoch == 1:
                got.append(first_of(frames, restarted))

            assert [frame.number for frame in got if frame.epoch == 1] == ([last - 1, last] if every else [])
            assert int(got[-1].luma[0, 0]) == got[-1].number
            got.clear()
            assert maps_of(camera.path) == 0


def test_a_reader_that_gets_frames_asks_for_no_notices(place: Place, camera: Camera) -> None:
    with contextlib.closing(client.frames("front", every=True, run=place.run)) as frames:
        before = caught_up(frames, camera)
        turn_until(lambda: not camera.bus._is_heard("frame/front/"), camera.bus)

        camera.write(3)

        assert [next(frames).number for _ in range(3)] == [before + 1, before + 2, before + 3]


def test_a_reader_goes_on_with_the_next_ring_before_it_is_named(place: Place, camera: Camera, tmp_path: Path) -> None:
    with contextlib.closing(client.frames("front", every=True, run=place.run)) as frames:
        caught_up(frames, camera)
        with contextlib.closing(Camera(place, tmp_path, epoch=2)) as next_camera:
            camera.close()
            next_camera.write(2)

            assert [(frame.epoch, frame.number) for frame in (next(frames), next(frames))] == [(2, 1), (2, 2)]


def test_what_came_into_a_ring_as_it_was_left_is_told_as_missed(
    place: Place, camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_too_late(folder: Path, name: str, *, after: int) -> Path | None:
        if (found := newest_ring(folder, name, after=after)) is not None:
            camera.write(2)
        return found

    with contextlib.closing(client.frames("front", every=True, run=place.run)) as frames:
        caught_up(frames, camera)
        monkeypatch.setattr(client, "newest_ring", find_too_late)
        with contextlib.closing(Camera(place, tmp_path, epoch=2)) as next_camera:
            next_camera.write()
            frame = next(frames)

            assert (frame.epoch, frame.number, frame.missed) == (2, 1, 2)


def test_an_older_ring_that_was_left_is_not_read_again(place: Place, camera: Camera, tmp_path: Path) -> None:
    with contextlib.closing(Camera(place, tmp_path, epoch=0)) as older:
        older.write(3)
        with contextlib.closing(client.frames("front", run=place.run, timeout_s=0.5)) as frames:
            caught_up(frames, camera)

            with pytest.raises(client.NoNewsError):
                next(frames)


def test_a_silent_reader_hears_of_a_ring_in_another_folder(
    place: Place, camera: Camera, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "QUIET_S", 0.2)
    with contextlib.closing(client.frames("front", run=place.run)) as frames:
        caught_up(frames, camera)
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        with contextlib.closing(Camera(place, elsewhere, epoch=2)) as moved:
            assert first_of(frames, moved).epoch == 2


def test_a_dispatcher_that_comes_back_brings_the_frames_back(place: Place, tmp_path: Path) -> None:
    proxy = Proxy(place)
    with (
        contextlib.closing(Camera(place, tmp_path)) as camera,
        contextlib.closing(client.frames("front", run=place.run)) as frames,
    ):
        before = caught_up(frames, camera)
        proxy.close()
        with contextlib.closing(Proxy(place)):
            assert first_of(frames, camera).number > before


def test_a_camera_that_the_configuration_does_not_have_is_not_waited_for(place: Place) -> None:
    value = Raw(codec.encode({"front": {"source": "x"}}))
    change = ConfigChanged(section="cameras", revision=1, value=value)
    config = StateRow(
        topic="config/cameras/",
        src="launcher",
        epoch=1,
        seq=1,
        at_s=1.0,
        body=Raw(codec.encode(change)),
        is_stale=False,
    )
    with contextlib.closing(SocketBus("dispatcher", place=place)) as dispatcher, ThreadPoolExecutor(1) as pool:
        dispatcher.answer(GetState, lambda ask: StateRows(rows=[config] if ask.prefix == "config/" else []))

        waited = pool.submit(lambda: next(client.frames("frnt", run=place.run, timeout_s=60.0)))
        turn_until(waited.done, dispatcher)

        with pytest.raises(TimeoutError, match="no frame of frnt: there is no camera frnt"):
            waited.result()


def test_a_camera_that_gave_frames_is_not_looked_up_when_it_is_quiet(
    place: Place, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(ask: GetState) -> StateRows:
        asked.append(ask.prefix)
        return StateRows(rows=[])

    monkeypatch.setattr(client, "UNHEARD_S", 60.0)
    with (
        contextlib.closing(SocketBus("dispatcher", place=place)) as dispatcher,
        contextlib.closing(client.frames("front", run=place.run, timeout_s=0.5)) as frames,
        ThreadPoolExecutor(1) as pool,
    ):
        dispatcher.answer(GetState, answer)
        caught_up(frames, camera)
        monkeypatch.setattr(client, "UNHEARD_S", 0.1)
        monkeypatch.setattr(client, "QUIET_S", 0.1)
        waited = pool.submit(next, frames)
        turn_until(waited.done, dispatcher)

        assert isinstance(waited.exception(), client.NoNewsError)
        assert asked == ["camera/"], "why there was no frame, and nothing before"


def test_silence_without_a_group_says_that_none_is_there(place: Place) -> None:
    with pytest.raises(TimeoutError, match=rf"no frame of front within 0.1 s: no dispatcher answers in {place.run}"):
        next(client.frames("front", run=place.run, timeout_s=0.1))


@pytest.mark.parametrize(
    ("name", "is_stale", "told"),
    [
        ("frnt", False, "there is no camera frnt; there are back, front"),
        ("front", False, r"it is offline \(auth\) wrong password"),
        ("front", True, "its capture process is gone; it was offline then"),
    ],
)
def test_silence_of_a_camera_says_why(place: Place, name: str, is_stale: bool, told: str) -> None:
    status = CameraStatus(
        camera="front", state=CameraState.OFFLINE, cause=Cause.AUTH, detail="wrong password", since_at_s=1.0
    )
    rows = [
        StateRow(
            topic=f"camera/{camera}/",
            src="capture",
            epoch=1,
            seq=1,
            at_s=1.0,
            body=Raw(codec.encode(status)),
            is_stale=is_stale,
        )
        for camera in ("front", "back")
    ]
    with contextlib.closing(SocketBus("dispatcher", place=place)) as dispatcher, ThreadPoolExecutor(1) as pool:
        dispatcher.answer(GetState, lambda _: StateRows(rows=rows))

        waited = pool.submit(lambda: next(client.frames(name, run=place.run, timeout_s=0.1)))
        turn_until(waited.done, dispatcher)

        with pytest.raises(client.NoNewsError, match=told):
            waited.result()


@pytest.mark.parametrize("name", ["", "Front", "front/", "front\n", "a" * 33])
def test_a_name_that_no_camera_can_have_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="is no camera's name"):
        client.frames(name)


# Calls ----------------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_the_picture_that_capture_sends(place: Place) -> None:
    answer = Reply(Snapshot(camera="front", number=1, captured_at_s=1.0, width=16, height=16), b"\xff\xd8jpeg")
    with contextlib.closing(SocketBus("capture@front", place=place)) as capture, ThreadPoolExecutor(1) as pool:
        capture.answer(TakeSnapshot, lambda _: answer)

        picture = pool.submit(client.snapshot, "front", run=place.run)
        turn_until(picture.done, capture)

        assert picture.result() == b"\xff\xd8jpeg"


class Dispatcher:
    """A real dispatcher process that knows jobs of the type `mine`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._settings = place.run / "dispatcher.json"
        self._settings.write_text(json.dumps({"jobs": {"mine": {}}}))
        self._child: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        environment = {**os.environ, **self._place.to_environment(), "FRAMEBUS_SETTINGS": str(self._settings)}
        command = [sys.executable, "-m", "framebus_services.dispatcher"]
        self._child = subprocess.Popen(command, env=environment)
        client.ask("dispatcher", Ping(), run=self._place.run, deadline_s=20.0)

    def stop(self, number: signal.Signals) -> int:
        assert self._child is not None
        self._child.send_signal(number)
        return self._child.wait(timeout=10)

    def close(self) -> None:
        self.stop(signal.SIGTERM)
        self._settings.unlink()
        shutil.rmtree(self._place.data)


@pytest.fixture
def dispatcher(place: Place) -> Iterator[Dispatcher]:
    with contextlib.closing(Dispatcher(place)) as dispatcher:
        yield dispatcher


def leased(place: Place) -> LeasedJob:
    request = LeaseJob(types=["mine"], worker="tester", incarnation=1, wait_s=1.0)
    job = client.ask("dispatcher", request, run=place.run).job
    assert job is not None
    return job


def finish(place: Place, job: LeasedJob, result: dict[str, Any]) -> None:
    done = JobDone(id=job.id, fence=job.fence, result=Raw(codec.encode(result)))
    client.ask("dispatcher", done, run=place.run)


def test_a_watched_job_is_seen_from_now_to_its_end(place: Place, dispatcher: Dispatcher) -> None:
    accepted = client.submit("mine", {"size": 3}, name="a try", run=place.run)

    views = client.watch(accepted.id, run=place.run, timeout_s=20.0)
    queued = next(views)
    job = leased(place)
    running = next(views)
    beat = BeatJob(id=job.id, fence=job.fence, step="copying", percent=40.0)
    client.ask("dispatcher", beat, run=place.run)
    copying = next(views)
    finish(place, job, {"frames": 9})
    rest = list(views)

    assert accepted.created
    assert bytes(job.params) == codec.encode({"size": 3})
    assert (queued.state, queued.name) == (JobState.QUEUED, "a try")
    assert running.state is JobState.RUNNING
    assert (copying.step, copying.percent) == ("copying", 40.0)
    assert rest[-1].state is JobState.SUCCEEDED
    assert bytes(rest[-1].result) == codec.encode({"frames": 9})


def test_a_watch_ends_although_the_dispatcher_is_killed_and_started_again(place: Place, dispatcher: Dispatcher) -> None:
    job_id = client.submit("mine", {}, run=place.run).id
    views = client.watch(job_id, run=place.run, timeout_s=30.0)
    seen = [next(views)]
    job = leased(place)

    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(list[JobView], views)
        dispatcher.stop(signal.SIGKILL)
        dispatcher.start()
        finish(place, job, {})
        seen += rest.result(timeout=20.0)

    assert seen[0].state is JobState.QUEUED
    assert seen[-1].state is JobState.SUCCEEDED


def test_a_watch_of_a_job_that_ended_long_ago_gives_its_end_at_once(place: Place, dispatcher: Dispatcher) -> None:
    job_id = client.submit("mine", {}, run=place.run).id
    finish(place, leased(place), {})

    states = [view.state for view in client.watch(job_id, run=place.run)]

    assert states == [JobState.SUCCEEDED]


def test_a_watch_that_takes_too_long_says_where_the_job_is(place: Place, dispatcher: Dispatcher) -> None:
    job_id = client.submit("mine", {}, run=place.run).id

    with pytest.raises(client.NoNewsError, match=rf"job {job_id} is still queued after 0.2 s"):
        list(client.watch(job_id, run=place.run, timeout_s=0.2))


def test_a_watch_of_no_job_is_refused(place: Place, dispatcher: Dispatcher) -> None:
    with pytest.raises(RefusedError) as caught:
        next(client.watch("0" * 32, run=place.run))

    assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_cancelled_job_is_listed_as_such(place: Place, dispatcher: Dispatcher) -> None:
    kept = client.submit("mine", {}, priority=5, run=place.run).id
    job_id = client.submit("mine", {}, run=place.run).id

    view = client.cancel(job_id, run=place.run)

    assert view.state is JobState.CANCELLED
    assert [job.id for job in client.jobs(run=place.run)] == [job_id, kept]
    assert [job.id for job in client.jobs(state=JobState.CANCELLED, run=place.run)] == [job_id]
    assert client.jobs(type="mine", limit=1, run=place.run)[0].id == job_id
    assert client.ask("dispatcher", GetJob(id=kept), run=place.run).state is JobState.QUEUED


def test_a_job_of_a_type_that_nobody_knows_is_refused(place: Place, dispatcher: Dispatcher) -> None:
    with pytest.raises(RefusedError) as caught:
        client.submit("theirs", {}, run=place.run)

    assert caught.value.code is ErrorCode.UNKNOWN_TYPE
