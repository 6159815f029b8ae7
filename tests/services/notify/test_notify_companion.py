"""What is heard becomes jobs: each once, with the picture of the moment."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from framebus import codec
from framebus.errors import DeadlineError, ErrorCode, RefusedError
from framebus.frame import PixelFormat
from framebus.messages import CameraState, JobState, JobView, Phase
from framebus.notify_settings import NotifySettings, Rule, Target, When, notify_process_settings
from framebus.requests import JobAccepted, SubmitJob
from framebus.ring import RingWriter
from framebus.testing import FakeBus, FakeClock
from framebus_services.notify.companion import Companion
from framebus_services.notify.contract import Kind, NotifyParams
from framebus_services.notify.frames import newest_jpeg
from framebus_services.notify.handing_in import MAX_WAITING, HandingIn
from framebus_services.notify.pictures import PictureFiles, take_picture
from services.notify.samples_of_notify import NOW_AT_S, camera_status, object_event

TARGETS = {"phone": Target(url="http://phone/"), "log": Target(url="http://log/")}


class Ledger:
    """Takes jobs, or refuses them as it is told."""

    def __init__(self) -> None:
        self.jobs: dict[str, SubmitJob] = {}
        self.refusals: list[RefusedError] = []
        self.state = JobState.QUEUED

    def take(self, job: SubmitJob) -> JobAccepted:
        if self.refusals:
            raise self.refusals.pop(0)
        is_new = str(job.id) not in self.jobs
        self.jobs.setdefault(str(job.id), job)
        return JobAccepted(id=str(job.id), state=self.state, position=1, created=is_new)

    @property
    def params(self) -> list[NotifyParams]:
        return [codec.decode_body(bytes(job.params), NotifyParams) for job in self.jobs.values()]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def counted() -> list[str]:
    return []


@pytest.fixture
def hands(ledger: Ledger, clock: FakeClock, counted: list[str], tmp_path: Path) -> HandingIn:
    """Not started: a test says when it is its turn."""
    return HandingIn(ledger.take, PictureFiles(tmp_path), clock.boot_s, counted.append)


def companion(hands: HandingIn, clock: FakeClock, data: Path, *rules: Rule) -> FakeBus:
    settings = notify_process_settings(NotifySettings(to=TARGETS, rules=list(rules)), "Europe/Vienna", ["front_door"])
    bus = FakeBus("notify", clock=clock, settings=msgspec.json.encode(settings), data=data)
    Companion(bus, hands)
    return bus


def pictures(data: Path) -> list[str]:
    folder = data / "notify"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def job_of(id: str = "0" * 32, name: str = "phone: Person at Front Door") -> SubmitJob:
    return SubmitJob(type="notify", id=id, params=msgspec.Raw(codec.encode({"to": "phone", "text": "a"})), name=name)


# What is heard --------------------------------------------------------------------------------------------------------


def test_an_object_becomes_a_job_for_each_target_and_the_same_object_the_same_jobs(
    hands: HandingIn, ledger: Ledger, clock: FakeClock, tmp_path: Path
) -> None:
    for _ in range(2):  # notify was killed in between, and has forgotten all
        bus = companion(hands, clock, tmp_path)
        bus.deliver(object_event(zones=["porch"]))
        bus.deliver(object_event(zones=["porch"], phase=Phase.UPDATE))
        hands.step()

    assert [(params.to, params.text) for params in ledger.params] == [
        ("phone", "Person at Front Door (porch)"),
        ("log", "Person at Front Door (porch)"),
    ]
    assert {params.kind for params in ledger.params} == {Kind.OBJECT}
    assert {job.name for job in ledger.jobs.values()} == {
        "phone: Person at Front Door (porch)",
        "log: Person at Front Door (porch)",
    }


def test_a_camera_that_goes_and_comes_back_becomes_two_jobs(
    hands: HandingIn, ledger: Ledger, clock: FakeClock, tmp_path: Path
) -> None:
    bus = companion(hands, clock, tmp_path, Rule(to="phone", when=When.CAMERA, away_s=30.0))
    now_at_s = clock.wall_s()

    bus.deliver(camera_status(CameraState.OFFLINE, since_at_s=now_at_s, detail="no answer"), src="capture@front_door")
    bus.advance(seconds=29.0)
    hands.step()
    before = ledger.params
    bus.advance(seconds=2.0)
    hands.step()
    bus.advance(seconds=29.0)
    bus.deliver(camera_status(CameraState.ONLINE, since_at_s=clock.wall_s()), src="capture@front_door")
    hands.step()

    assert before == []
    assert [(params.kind, params.text) for params in ledger.params] == [
        (Kind.AWAY, "Front Door is away: no answer"),
        (Kind.BACK, "Front Door is back after 1 min"),
    ]


def test_where_no_rule_is_about_objects_none_are_listened_to(
    hands: HandingIn, clock: FakeClock, tmp_path: Path
) -> None:
    about_cameras = companion(hands, clock, tmp_path, Rule(when=When.CAMERA))
    about_objects = companion(hands, clock, tmp_path, Rule())

    assert not any(prefix.startswith("object/") for prefix in about_cameras.subscriptions)
    assert not any(prefix.startswith("camera/") for prefix in about_objects.subscriptions)


# How it is handed in --------------------------------------------------------------------------------------------------


def test_the_picture_lies_there_before_its_job_is_taken(hands: HandingIn, ledger: Ledger, tmp_path: Path) -> None:
    hands.put(job_of(), b"a picture")

    wait_s = hands.step()

    assert wait_s == 0.0
    assert list(ledger.jobs) == ["0" * 32]
    assert (tmp_path / "notify" / f"{'0' * 32}.jpg").read_bytes() == b"a picture"


def test_what_was_told_already_leaves_no_picture(hands: HandingIn, ledger: Ledger, tmp_path: Path) -> None:
    ledger.take(job_of())
    ledger.state = JobState.SUCCEEDED

    hands.put(job_of(), b"a picture")
    hands.step()

    assert pictures(tmp_path) == []


def test_while_the_dispatcher_is_away_notifications_wait_and_then_come_in_order(
    hands: HandingIn, ledger: Ledger
) -> None:
    ledger.refusals = [DeadlineError("dispatcher", "job.submit", 3.0), RefusedError(ErrorCode.BUSY, "busy")]
    hands.put(job_of("a" * 32), None)
    hands.put(job_of("b" * 32), None)

    waits = [hands.step() for _ in range(3)]

    assert [wait_s > 0.0 for wait_s in waits] == [True, True, False]
    assert list(ledger.jobs) == ["a" * 32, "b" * 32]


def test_what_waited_for_too_long_is_no_news_any_more(
    hands: HandingIn, ledger: Ledger, clock: FakeClock, counted: list[str]
) -> None:
    ledger.refusals = [DeadlineError("dispatcher", "job.submit", 3.0)] * 2
    hands.put(job_of(), None)

    first = hands.step()
    clock.advance(601.0)
    second = hands.step()

    assert first > 0.0
    assert (second, list(ledger.jobs), counted) == (0.0, [], ["refused.notifications"])


def test_a_full_queue_is_told_in_its_words_and_holds_up_nobody(
    hands: HandingIn, ledger: Ledger, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    ledger.refusals = [RefusedError(ErrorCode.QUEUE_FULL, "the queue of notify is full (1000 jobs)")]
    hands.put(job_of("a" * 32), b"a picture")
    hands.put(job_of("b" * 32), None)

    hands.step()

    assert list(ledger.jobs) == ["b" * 32]
    assert pictures(tmp_path) == []
    assert "'phone: Person at Front Door' is told nobody: the queue of notify is full (1000 jobs)" in caplog.text


def test_of_too_many_that_wait_the_oldest_go(hands: HandingIn, counted: list[str]) -> None:
    for _ in range(MAX_WAITING + 3):
        hands.put(job_of(), None)

    assert counted == ["dropped.notifications"] * 3


def test_on_its_own_thread_all_of_it_works_and_ends(ledger: Ledger, tmp_path: Path) -> None:
    taken = threading.Event()

    def ask(job: SubmitJob) -> JobAccepted:
        taken.set()
        return ledger.take(job)

    hands = HandingIn(ask, PictureFiles(tmp_path), FakeClock().boot_s, print)
    hands.start()
    hands.put(job_of(), None)
    assert taken.wait(5.0)
    hands.stop()

    assert hands.is_healthy()
    assert len(ledger.jobs) == 1


# Pictures -------------------------------------------------------------------------------------------------------------


@contextmanager
def ring(folder: Path, clock: FakeClock, lumas: list[int], width: int = 64, height: int = 48) -> Iterator[None]:
    """A camera whose frames 1, 2, 3 ... are grey."""
    path = folder / "front_door.1.ring"
    shape = {"width": width, "height": height, "pixel_format": PixelFormat.GRAY8}
    with RingWriter.create(path, **shape, slots=4, epoch=1) as writer:  # type: ignore[arg-type]
        for luma in lumas:
            slot = writer.begin()
            slot.payload[:] = luma
            writer.commit(slot, pts_us=0, captured_at_s=NOW_AT_S, captured_boot_ns=int(clock.boot_s() * 1e9))
        yield


def taken(folder: Path, clock: FakeClock, number: int) -> np.ndarray | None:
    jpeg = newest_jpeg(folder, "front_door", number, clock, 1_280, 5.0)
    return None if jpeg is None else cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize(("number", "luma"), [(4, 80), (5, 160), (1, 200)])
def test_the_picture_is_that_of_the_moment_or_the_newest_where_it_is_gone(
    tmp_path: Path, clock: FakeClock, number: int, luma: int
) -> None:
    with ring(tmp_path, clock, [10, 20, 40, 80, 160, 200]):
        picture = taken(tmp_path, clock, number)

    assert picture is not None
    assert abs(int(picture.mean()) - luma) <= 2


def test_a_large_picture_is_made_small_enough_for_a_phone(tmp_path: Path, clock: FakeClock) -> None:
    with ring(tmp_path, clock, [100], width=2_560, height=1_920):
        picture = taken(tmp_path, clock, 1)

    assert picture is not None
    assert picture.shape == (960, 1_280)


def test_where_no_frame_is_of_now_there_is_no_picture(tmp_path: Path, clock: FakeClock) -> None:
    without = take_picture(tmp_path, "front_door", 1, clock)
    with ring(tmp_path, clock, [100]):
        clock.advance(6.0)
        old = take_picture(tmp_path, "front_door", 1, clock)
    (tmp_path / "front_door.2.ring").write_bytes(b"no ring")
    broken = take_picture(tmp_path, "front_door", 1, clock)

    assert (without, old, broken) == (None, None, None)


def test_a_picture_that_cannot_be_kept_stops_no_notification(
    ledger: Ledger, clock: FakeClock, counted: list[str], tmp_path: Path
) -> None:
    (tmp_path / "notify").write_text("a file in the place of the folder")
    hands = HandingIn(ledger.take, PictureFiles(tmp_path), clock.boot_s, counted.append)
    hands.put(job_of(), b"a picture")

    hands.step()

    assert list(ledger.jobs) == ["0" * 32]


def test_the_picture_of_a_job_that_expired_or_was_cancelled_goes_with_it(
    hands: HandingIn, clock: FakeClock, tmp_path: Path
) -> None:
    bus = companion(hands, clock, tmp_path)
    files = PictureFiles(tmp_path)
    files.keep("a" * 32, b"expired")
    files.keep("b" * 32, b"waits")

    for id, state in (("a" * 32, JobState.FAILED), ("b" * 32, JobState.RETRYING)):
        bus.deliver(JobView(id=id, type="notify", state=state, created_at_s=NOW_AT_S), src="dispatcher")

    assert pictures(tmp_path) == [f"{'b' * 32}.jpg"]


def test_pictures_that_nobody_fetched_go_after_a_day(tmp_path: Path) -> None:
    files = PictureFiles(tmp_path)
    files.keep("a" * 32, b"old")
    files.keep("b" * 32, b"new")
    os.utime(tmp_path / "notify" / f"{'a' * 32}.jpg", (NOW_AT_S - 90_000.0, 0.0))

    files.sweep()

    assert pictures(tmp_path) == [f"{'b' * 32}.jpg"]
