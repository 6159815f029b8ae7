"""Isolated processors: a real process of their own, which may die, hang or eat memory, and reads its frames itself."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import Finding
from services.enrich.drawn import Camera
from services.enrich.floors import Floor, floor
from services.enrich.isolated_toys import JPEG, DeferredToy, load


@pytest.fixture
def camera() -> Iterator[Camera]:
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        yield Camera(Path(folder))


def isolated(**settings: Any) -> dict[str, Any]:
    return {"toy": {"isolate": True, **settings}}


def look(it: Floor, camera: Camera, *objects: str, luma: int = 90) -> None:
    notice = camera.show(luma)
    it.show(notice.number, *objects, ring=notice.ring)


def pid(it: Floor) -> int:
    return int(it.answer(it.ask("who", deadline_s=30.0))["pid"])


def test_an_isolated_processor_reads_the_frames_itself_and_its_findings_and_pictures_are_told(camera: Camera) -> None:
    with floor([isolated(text="hello"), {"deferred_toy": {"isolate": True}}], load=load) as it:
        assert pid(it) != os.getpid()
        look(it, camera, "o1", luma=77)
        it.wait(lambda: len(it.labels) == 3, "all is told")
        look(it, camera, luma=30)
        it.wait(lambda: len(it.labels) == 4, "of the second frame")
        it.host.expire("o1", "front")
        it.wait(lambda: len(it.labels) == 5, "the end")
        it.shutdown(5.0)

        told = {(found.label, found.value, found.number) for found in it.bus.messages(Finding)}
        assert told == {
            ("hello", 77.0, 1),
            ("deferred", 77.0, 1),
            ("o1", None, 1),
            ("hello", 30.0, 2),
            ("gone", None, None),
            ("bye", None, None),
        }
        assert [blob for blob in it.bus.sent_blobs if blob] == [JPEG]
        assert it.count("processor.deferred_toy.done") == 2


def test_a_frame_that_the_ring_no_longer_holds_is_counted_as_stale(camera: Camera) -> None:
    with floor([isolated()], load=load) as it:
        it.show(1, ring=str(camera.writer.path))
        it.show(2, ring="/nonexistent/ring", camera="back")
        it.wait(lambda: it.count("processor.toy.dropped.stale.front"), "it is counted")
        it.wait(lambda: it.count("processor.toy.dropped.stale.back"), "it is counted")

        assert it.labels == []


@pytest.mark.parametrize(
    ("how", "settings", "said"),
    [
        ("segfault", {}, "its process died of signal 11 (SIGSEGV)"),
        ("killed", {}, "its process died of signal 9 (SIGKILL)"),
        ("hang", {"task_limit_s": 0.3}, "it took longer than 0.3 s and was killed"),
        ("leak", {"memory_mb": 700}, "its process ended with exit code 70"),
    ],
)
def test_a_process_that_is_lost_is_replaced_and_its_object_gets_three(
    camera: Camera, caplog: pytest.LogCaptureFixture, how: str, settings: dict[str, Any], said: str
) -> None:
    with floor([isolated(**settings)], load=load) as it:
        it.configure("config/cameras/", {"front": 1})
        it.configure("config/cameras/", {"front": 2})
        first = pid(it)
        for number in (1, 2, 3):
            look(it, camera, how)
            it.wait(lambda number=number: it.count("processor.toy.dropped.lost.front") == number, "it is lost")
        look(it, camera, how, "good")
        it.wait(lambda: "good" in it.labels, "the next one works")
        answer = it.answer(it.ask("who", deadline_s=30.0))

        assert answer["config"] == {"front": 2}
        assert answer["pid"] != first
        assert it.count("processor.toy.dropped.quarantined.front") == 1
        assert it.count("processor.toy.restarts") == 3
    assert f"processor toy: {said} in object {how} in frame 1 of camera front" in caplog.messages


def test_a_process_that_is_killed_while_it_waits_costs_nothing(camera: Camera) -> None:
    with floor([isolated()], load=load) as it:
        it.configure("config/cameras/", 1)
        first = pid(it)
        os.kill(first, signal.SIGKILL)
        it.wait(lambda: it.count("processor.toy.restarts") == 1, "it is replaced")
        look(it, camera)
        it.wait(lambda: it.labels, "the new one works")

        answer = it.answer(it.ask("who", deadline_s=30.0))
        assert (answer["pid"] != first, answer["config"]) == (True, 1)
        assert it.count("processor.toy.dropped.lost.front") == 0


def test_processes_that_hang_at_the_end_are_ended_together_and_none_is_left(camera: Camera) -> None:
    names = ["toy", "toy-2", "toy-3"]
    with floor([isolated()] * 3, load=load) as it:
        pids = [int(it.answer(it.ask("who", processor=name, deadline_s=30.0))["pid"]) for name in names]
        look(it, camera, "hang")
        it.wait(lambda: all(it.count(f"processor.{name}.done") for name in names), "the frame itself is done")

        start_s = time.monotonic()
        it.shutdown(0.0)

        assert time.monotonic() - start_s < 3.0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_what_it_raises_and_refuses_is_told_as_of_any_other(camera: Camera, caplog: pytest.LogCaptureFixture) -> None:
    with floor([isolated()], load=load) as it:
        look(it, camera, "raise")
        it.wait(lambda: it.count("processor.toy.errors"), "it raised")
        with pytest.raises(RefusedError) as caught:
            it.answer(it.ask("refuse", deadline_s=30.0))

    assert (caught.value.code, caught.value.retry_after_s) == (ErrorCode.CONFLICT, 3.0)
    (told,) = [text for text in caplog.messages if "ZeroDivisionError" in text]
    assert "isolated_toys.py:" in told.partition("\n")[0]


def test_a_method_that_cannot_be_called_is_told_with_its_own_line(
    camera: Camera, caplog: pytest.LogCaptureFixture
) -> None:
    with floor([{"deferred_toy": {"isolate": True}}], load=load) as it:
        look(it, camera, "a")
        it.wait(lambda: it.count("processor.deferred_toy.errors"), "it raised")

    line = DeferredToy.defer_object.__code__.co_firstlineno
    (told,) = [text for text in caplog.messages if "TypeError" in text]
    assert f"isolated_toys.py:{line}: " in told.partition("\n")[0]


def test_a_processor_that_cannot_be_made_in_its_process_is_said_to_be_so(camera: Camera) -> None:
    with floor([{"unmade": {"isolate": True}}], load=load) as it:
        it.wait(lambda: it.host.complaints, "it complains")

        assert it.host.complaints == ["processor unmade does not start: OSError: there is no model"]
