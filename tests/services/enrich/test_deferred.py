"""Deferred processors on their threads: nothing they do stalls the loop, and nothing that must reach them is lost."""

import ctypes
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.frame import Frame
from framebus.messages import Finding, ObjectEvent
from framebus.processor import AnyProcessor, DeferredProcessor, Pictured, Processor
from framebus_services.enrich.deferred_thread import AbandonedError
from framebus_services.enrich.guard import Scene, check
from services.enrich.floors import Floor, floor
from services.enrich.loading import loader

JPEG = b"\xff\xd8 a picture"


def finding(label: str = "seen", **fields: Any) -> Finding:
    return Finding(processor="mine", camera="front", label=label, **fields)


class Works(DeferredProcessor[tuple[str | None, int]]):
    """Tells what it did; waits before each piece of work for the gate, if the test has shut it."""

    gate: ClassVar[threading.Event] = threading.Event()
    made: ClassVar[list["Works"]] = []
    heard: ClassVar[list[object]] = []
    """by all instances, in order"""

    def __init__(self) -> None:
        Works.made.append(self)
        self.thread: int | None = None

    def defer_frame(self, frame: Frame) -> tuple[str | None, int] | None:
        return None if frame.number == 0 else (None, frame.number)

    def defer_object(self, object: ObjectEvent, frame: Frame) -> tuple[str | None, int]:
        return (object.id, frame.number)

    def process_task(self, task: tuple[str | None, int]) -> Iterator[Finding]:
        Works.heard.append(task)
        self.gate.wait(20.0)
        yield finding("done", value=float(task[1]), object_id=task[0])

    def expire_object(self, id: str, camera: str) -> Iterable[Finding]:
        Works.heard.append(("end", id))
        return [finding("gone", object_id=id)]

    def update_config(self, topic: str, payload: object) -> None:
        Works.heard.append((topic, payload))

    def handle_request(self, topic: str, data: Any) -> Any:
        if topic == "refuse":
            raise RefusedError(ErrorCode.CONFLICT, "not now")
        if topic == "fail":
            raise ZeroDivisionError("no")
        if topic == "nonsense":
            return {"boxes": [1, 2, {"x": object()}]}
        Works.heard.append(("asked", topic))
        return {"you said": data} if topic.startswith("echo") else None

    def shutdown(self) -> Iterable[Finding]:
        Works.heard.append("shutdown")
        return [finding("bye")]


class Objects(Works):
    """Looks at objects only."""

    defer_frame = DeferredProcessor.defer_frame


class Stubborn(Works):
    """Raises what ends a thread."""

    error: ClassVar[BaseException] = SystemExit(3)

    def process_task(self, task: tuple[str | None, int]) -> Iterator[Finding]:
        yield finding("before")
        raise self.error


class Misshapen(Objects):
    """One of its methods lacks an argument."""

    def defer_object(self, object: ObjectEvent) -> None:  # type: ignore[override]
        pass


class Painter(Works):
    def process_task(self, task: tuple[str | None, int]) -> Iterator[Pictured]:
        jpegs: dict[int, Any] = {1: JPEG, 2: b"GIF89a", 3: JPEG + bytes(5_000_000), 4: "text", 5: JPEG}
        yield Pictured(finding=finding(value=float(task[1])), jpeg=jpegs[task[1]])


class Knows(Processor):
    """Answers on the loop."""

    def handle_request(self, topic: str, data: Any) -> Any:
        return ["known", data] if topic == "known" else None

    def expire_object(self, id: str, camera: str) -> Iterable[Finding]:
        return [finding("ended", object_id=id)]


def settled(it: Floor, number: int) -> bool:
    """Whether so many tasks of the painter have ended."""
    return it.count("processor.painter.done") + it.count("processor.painter.errors") == number


CLASSES: dict[str, type[AnyProcessor]] = {
    "works": Works,
    "objects": Objects,
    "stubborn": Stubborn,
    "misshapen": Misshapen,
    "painter": Painter,
    "knows": Knows,
}


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    opened = threading.Event()
    opened.set()
    for name, value in (("gate", opened), ("made", []), ("heard", [])):
        monkeypatch.setattr(Works, name, value)
    yield opened
    opened.set()  # abandoned threads end


def fill(full: Floor, gate: threading.Event, *more: str) -> None:
    """One piece of work in hand that does not go on, and these waiting."""
    gate.clear()
    full.show(1, "first")
    full.wait(lambda: Works.heard, "the first is in hand")
    for number, id in enumerate(more, 2):
        full.show(number, id)


def test_work_is_done_on_a_thread_and_told_by_the_loop_with_number_and_time_of_its_frame() -> None:
    with floor(["works"], CLASSES) as it:
        it.show(3)
        it.wait(lambda: it.values == [3.0], "it is told")

        (found,) = it.bus.messages(Finding)
        assert (found.number, found.captured_at_s) == (3, 1_790_000_000.5)
        assert it.count("processor.works.tasks") == it.count("processor.works.done") == 1
        assert it.count("findings.works.front") == 1
        assert {"processor.works", "processor.works.task", "processor.works.age"} <= set(it.bus.stats.read().latencies)


def test_no_thread_runs_before_the_start_and_what_waits_is_done_then() -> None:
    it = Floor(["works"], loader(CLASSES))
    before = [thread.name for thread in threading.enumerate()]
    it.host.start()
    it.show(1)
    it.wait(lambda: it.values == [1.0], "it is done")
    it.stop()

    assert "works worker" not in before


def test_frames_are_shown_at_once_while_the_worker_is_busy_and_every_drop_is_counted(gate: threading.Event) -> None:
    with floor([{"works": {"queue": 2, "policy": "drop_oldest"}}], CLASSES) as it:
        gate.clear()
        it.show(1)
        it.wait(lambda: Works.heard, "in hand")
        for number in range(2, 102):
            it.show(number)  # the worker is held: who waited for it would do so for ever
        gate.set()
        it.wait(lambda: len(it.values) == 3, "the rest is done")

        assert it.values == [1.0, 100.0, 101.0]
        assert it.count("processor.works.dropped.oldest.front") == 98
        assert it.count("processor.works.tasks") == 101


def test_of_a_thousand_ends_behind_a_full_queue_all_are_handled_in_order(gate: threading.Event) -> None:
    with floor([{"objects": {"queue": 2}}], CLASSES) as it:
        gate.clear()
        for number in range(1_000):
            it.show(number + 1, f"o{number}")
            it.host.expire(f"o{number}", "front")
        gate.set()
        it.wait(lambda: it.labels.count("gone") == 1_000, "all ends")

        assert [heard[1] for heard in Works.heard if isinstance(heard, tuple) and heard[0] == "end"] == [
            f"o{number}" for number in range(1_000)
        ]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ZeroDivisionError("x"), GeneratorExit()])
def test_whatever_a_task_raises_is_counted_and_the_worker_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    monkeypatch.setattr(Stubborn, "error", error)
    with floor(["stubborn"], CLASSES) as it:
        for number in (1, 2, 3):
            it.show(number)
            it.wait(lambda number=number: it.count("processor.stubborn.errors") == number, "it raised")

        assert it.labels == ["before"] * 3
        assert it.count("processor.stubborn.restarts") == 0
    logged = [record.message for record in caplog.records if "stubborn" in record.message]
    assert len(logged) == 1
    line = Stubborn.process_task.__code__.co_firstlineno + 2
    assert f"{type(error).__name__} at {__file__}:{line}" in logged[0]


def test_a_worker_that_hangs_is_replaced_and_the_new_one_gets_the_newest_configuration(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with floor([{"works": {"task_limit_s": 5}}], CLASSES) as it:
        for value in (1, 2):
            it.configure("config/cameras/", value)
        it.wait(lambda: ("config/cameras/", 2) in Works.heard, "the configuration")
        gate.clear()
        it.show(1)
        it.wait(lambda: Works.heard[-1] == (None, 1), "in hand")
        Works.heard.clear()

        it.bus.advance(5.1)
        it.host.step()
        gate.set()
        it.show(2)
        it.wait(lambda: it.values, "the new one works")

        assert it.values == [2.0]
        assert len(Works.made) == 2
        assert Works.heard == [("config/cameras/", 2), (None, 2)]
        assert it.count("processor.works.restarts") == 1
        assert it.count("processor.works.dropped.lost.front") == 1
    assert "processor works: its worker hangs in frame 1 of camera front for 5.1 s; a new one starts" in caplog.messages


def test_a_thread_that_has_died_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with floor(["works"], CLASSES) as it:
        (worker,) = set(threading.enumerate()) - before
        assert worker.ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(AbandonedError))
        worker.join(5.0)

        it.show(1)
        it.wait(lambda: it.values == [1.0], "the new one works")

        assert it.count("processor.works.restarts") == 1
    assert "processor works: its worker died; a new one starts" in caplog.messages


def test_a_processor_that_cannot_be_made_again_is_tried_again_and_said_to_be_so_until_then(
    gate: threading.Event,
) -> None:
    class Fussy(Works):
        def __init__(self) -> None:
            super().__init__()
            if len(Works.made) == 2:
                raise OSError("the model is just being copied")

    with floor(["fussy"], {"fussy": Fussy}) as it:
        gate.clear()
        it.show(1)
        it.wait(lambda: Works.heard, "in hand")
        it.bus.advance(6.0)
        it.wait(lambda: it.host.complaints, "it complains")
        complaints = it.host.complaints
        gate.set()
        it.bus.advance(1.0)
        it.wait(lambda: len(Works.made) == 3 and not it.host.complaints, "it is made, and all is well")
        it.show(2)
        it.wait(lambda: it.values == [2.0], "it works")

    assert complaints == ["processor fussy can't be made again: OSError: the model is just being copied"]


def test_what_an_abandoned_worker_finds_later_is_ignored(gate: threading.Event) -> None:
    with floor(["works"], CLASSES) as it:
        gate.clear()
        it.show(1)
        it.wait(lambda: Works.heard, "in hand")
        it.bus.advance(6.0)
        it.host.step()
        gate.set()
        it.show(9)
        it.wait(lambda: 9.0 in it.values, "the new one works")

        assert 1.0 not in it.values


def test_an_object_that_costs_three_workers_gets_no_fourth(gate: threading.Event) -> None:
    with floor(["objects"], CLASSES) as it:
        for number in (1, 2, 3):
            gate.clear()
            it.show(number, "bad")
            it.wait(lambda number=number: ("bad", number) in Works.heard, "in hand")
            it.bus.advance(6.0)
            it.host.step()
            gate.set()
        it.show(4, "bad", "good")
        it.wait(lambda: it.values == [4.0], "the good one")

        assert ("bad", 4) not in Works.heard
        assert it.count("processor.objects.dropped.quarantined.front") == 1
        assert it.count("processor.objects.dropped.lost.front") == 3


def test_of_eight_queued_tasks_all_are_accounted_for_at_the_end(gate: threading.Event) -> None:
    with floor([{"works": {"queue": 8}}], CLASSES) as it:
        gate.clear()
        it.show(1)
        it.wait(lambda: Works.heard, "in hand")
        it.show(0, *[f"o{number}" for number in range(7)])
        threading.Timer(0.1, gate.set).start()

        outcome = it.shutdown(2.0)

        assert (outcome.done, outcome.dropped, outcome.pending) == (8, 0, 0)
        assert it.labels == ["done"] * 8 + ["bye"]


def test_a_worker_that_hangs_at_the_end_costs_its_tasks_and_no_more_than_the_time_given(gate: threading.Event) -> None:
    with floor(["works"], CLASSES) as it:
        gate.clear()
        it.show(1)
        it.wait(lambda: Works.heard, "in hand")
        it.show(0, *[f"o{number}" for number in range(7)])
        start_s = time.monotonic()

        outcome = it.shutdown(0.2)

        assert (outcome.done, outcome.dropped, outcome.pending) == (0, 8, 0)
        assert it.count("processor.works.dropped.shutdown.front") == 8
        assert time.monotonic() - start_s < 3.0


def test_results_that_nobody_has_read_hold_up_the_worker_and_are_told_at_the_end(gate: threading.Event) -> None:
    with floor([{"works": {"queue": 100}}], CLASSES) as it:
        it.show(0, *[f"o{number}" for number in range(20)])
        end_s = time.monotonic() + 5.0
        while len(Works.heard) < 9 and time.monotonic() < end_s:
            time.sleep(0.01)
        held_up = len(Works.heard)

        outcome = it.shutdown(5.0)

        assert held_up == 9  # eight staged, and one in hand that waits for room
        assert (outcome.done + outcome.pending, outcome.dropped) == (20, 0)
        assert outcome.pending >= 8
        assert it.labels == ["done"] * 20 + ["bye"]


def test_pictures_are_published_beside_their_findings_and_what_is_no_picture_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with floor(["painter"], CLASSES) as it:
        for number in (1, 2, 3, 4, 5):
            it.show(number)
            it.wait(partial(settled, it, number), "it is settled")

        assert it.values == [1.0, 5.0]
        assert it.bus.sent_blobs == [JPEG, JPEG]
        assert it.count("processor.painter.errors") == 3
    told = "\n".join(caplog.messages)
    assert f"ValueError at {__file__}:{Painter.process_task.__code__.co_firstlineno}" in told
    assert "jpeg: it begins with 4749, and a JPEG with ffd8" in told
    assert "jpeg: expected bytes, got str" in told


def test_a_method_that_cannot_be_called_is_told_with_its_own_line(caplog: pytest.LogCaptureFixture) -> None:
    with floor(["misshapen"], CLASSES) as it:
        it.show(1, "a")

    line = Misshapen.defer_object.__code__.co_firstlineno
    assert any(f"TypeError at {__file__}:{line}" in text for text in caplog.messages)


def test_a_picture_that_is_too_large_is_refused_with_the_limit() -> None:
    with pytest.raises(ValueError, match="jpeg: 4194316 bytes; at most 4194304 are allowed"):
        check(Pictured(finding=finding(), jpeg=JPEG + bytes(4 * 1_024 * 1_024)), Scene())


def test_a_question_is_answered_by_the_first_who_knows_its_topic_while_frames_wait(gate: threading.Event) -> None:
    with floor(["works", "knows"], CLASSES) as it:
        assert it.answer(it.ask("known", 1)) == ["known", 1]
        assert it.answer(it.ask("echo", {"a": [1, 2]})) == {"you said": {"a": [1, 2]}}
        assert it.answer(it.ask("known", 2, processor="knows")) == ["known", 2]

        gate.clear()
        it.show(1)
        it.wait(lambda: (None, 1) in Works.heard, "in hand")
        it.show(2)
        answer = it.ask("echo later", 3)
        gate.set()
        it.answer(answer)
        it.wait(lambda: (None, 2) in Works.heard, "the frame after it")

        assert Works.heard.index(("asked", "echo later")) < Works.heard.index((None, 2))


@pytest.mark.parametrize(
    ("topic", "more", "code", "text"),
    [
        ("nobody knows", {}, ErrorCode.NOT_FOUND, "no processor knows 'nobody knows'"),
        ("x", {"processor": "nobody"}, ErrorCode.NOT_FOUND, "no processor nobody runs here; there are works, knows"),
        ("refuse", {}, ErrorCode.CONFLICT, "processor works: not now"),
        ("fail", {}, ErrorCode.INTERNAL, "processor works: it failed: ZeroDivisionError: no"),
        ("nonsense", {}, ErrorCode.INTERNAL, "boxes[2].x: "),
    ],
)
def test_a_question_without_an_answer_says_why(topic: str, more: Any, code: ErrorCode, text: str) -> None:
    with floor(["works", "knows"], CLASSES) as it, pytest.raises(RefusedError) as caught:
        it.answer(it.ask(topic, **more))

    assert caught.value.code is code
    assert text in caught.value.message


def test_too_many_questions_are_busy_and_those_whose_time_is_over_are_not_asked(gate: threading.Event) -> None:
    with floor(["works"], CLASSES) as it:
        fill(it, gate)
        short = it.ask("echo short", deadline_s=1.0)
        others = [it.ask(f"echo {number}", deadline_s=60.0) for number in range(15)]
        with pytest.raises(RefusedError) as busy:
            it.answer(it.ask("echo too many"))
        it.bus.advance(2.0)
        gate.set()
        answers = [it.answer(other) for other in others]
        with pytest.raises(RefusedError) as late:
            it.answer(short)

    assert (busy.value.code, busy.value.retry_after_s) == (ErrorCode.BUSY, 1.0)
    assert late.value.code is ErrorCode.DEADLINE
    assert len(answers) == 15
    assert ("asked", "echo short") not in Works.heard


def test_questions_that_wait_at_the_end_are_refused_at_once(gate: threading.Event) -> None:
    with floor(["works"], CLASSES) as it:
        fill(it, gate)
        waiting = it.ask("echo", deadline_s=60.0)
        it.stop()
        with pytest.raises(RefusedError) as caught:
            waiting()

    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_all_that_a_worker_does_is_done_on_one_thread() -> None:
    class Places(Works):
        threads: ClassVar[set[int]] = set()

        def note(self) -> list[Finding]:
            Places.threads.add(threading.get_ident())
            return []

        def process_task(self, task: object) -> list[Finding]:
            return self.note()

        def expire_object(self, id: str, camera: str) -> list[Finding]:
            return self.note()

        def update_config(self, topic: str, payload: object) -> None:
            self.note()

        def handle_request(self, topic: str, data: Any) -> Any:
            return self.note()

        def shutdown(self) -> list[Finding]:
            return self.note()

    with floor(["places"], {"places": Places}) as it:
        it.show(1, "o1")
        it.host.expire("o1", "front")
        it.configure("config/cameras/", 1)
        it.answer(it.ask("where"))
        it.shutdown(5.0)

    assert len(Places.threads) == 1
    assert threading.get_ident() not in Places.threads


def test_the_end_of_an_object_may_have_findings_on_the_loop_too() -> None:
    with floor(["knows"], CLASSES) as it:
        it.host.expire("o1", "front")

        assert [(found.label, found.object_id) for found in it.bus.messages(Finding)] == [("ended", "o1")]


def test_a_worker_that_computes_without_end_in_python_is_ended(gate: threading.Event) -> None:
    class Spins(Works):
        def process_task(self, task: tuple[str | None, int]) -> Iterator[Finding]:
            Works.heard.append(task)
            while not gate.is_set():
                sys.getsizeof(task)
            yield finding()

    with floor(["spins"], {"spins": Spins}) as it:
        gate.clear()
        it.show(1)
        it.wait(lambda: Works.heard, "in hand")
        (spinning,) = [thread for thread in threading.enumerate() if thread.name == "spins worker"]
        it.bus.advance(6.0)
        it.host.step()
        spinning.join(5.0)

        assert not spinning.is_alive()
