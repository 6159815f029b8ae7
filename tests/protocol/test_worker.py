"""WorkerProcess with real processes: whatever the work does, the one who handed it over goes on."""

import gc
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from framebus.task import TaskEnd, TaskError, TaskOutcome
from framebus.worker import Closed, Full, StartError, WorkerProcess
from framebus.worker_line import Setup
from framebus.worker_spawn import Child
from protocol import chores

LIMIT_S = 20.0
Make = Callable[..., WorkerProcess]


def footprint() -> tuple[set[str], set[int], set[str]]:
    """Descriptors, children and threads of this process."""
    descriptors = {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}
    threads = {thread.name for thread in threading.enumerate()}
    return descriptors, {child.pid for child in psutil.Process().children(recursive=True)}, threads


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Descriptors, processes and threads are back to what they were."""
    gc.collect()
    before = footprint()
    yield
    wait_until(lambda: footprint() == before)


@pytest.fixture
def make(nothing_is_left: None) -> Iterator[Make]:
    made: list[WorkerProcess] = []

    def start(work: Any = chores.do, **more: Any) -> WorkerProcess:
        made.append(WorkerProcess(work, **more))
        return made[-1]

    yield start
    for worker in made:
        worker.close()


def wait_until(holds: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    end_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end_s, f"did not come within {limit_s} s"
        time.sleep(0.005)


def the_outcome(worker: WorkerProcess, task: object, key: object = "it") -> TaskOutcome:
    worker.submit(key, task)
    (outcome,) = worker.results(LIMIT_S)
    return outcome


def outcomes(worker: WorkerProcess) -> dict[Any, TaskEnd]:
    return {outcome.key: outcome.end for outcome in worker.results(LIMIT_S)}


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pid_of(worker: WorkerProcess) -> int:
    wait_until(lambda: worker.pid is not None)
    assert worker.pid is not None
    return worker.pid


# Tasks and results ---------------------------------------------------------------------------------------------------


def test_making_one_starts_a_process_that_waits_for_tasks(make: Make) -> None:
    worker = make(chores.my_pid)
    worker.wait_ready(LIMIT_S)

    outcome = the_outcome(worker, None)

    assert outcome.value() == worker.pid
    assert worker.pid != os.getpid()


def test_results_come_back_with_their_tasks_while_more_are_submitted(make: Make) -> None:
    worker = make(chores.echo, max_waiting=4)
    seen: dict[Any, TaskOutcome] = {}

    for number in range(40):
        task = {"number": number, "bytes": bytes([number])}
        while True:
            try:
                worker.submit(("key", number), task)
                break
            except Full:
                seen |= {outcome.key: outcome for outcome in worker.results(0.1)}
        seen |= {outcome.key: outcome for outcome in worker.results()}
    seen |= {outcome.key: outcome for outcome in worker.collect(LIMIT_S)}

    assert set(seen) == {("key", number) for number in range(40)}
    assert all(outcome.result == outcome.task and outcome.task["number"] == key[1] for key, outcome in seen.items())
    assert worker.starts == 1


@pytest.mark.parametrize("task", [None, 0, "", b"", [], {}, True, 1.5, "none", [None], {"a": [1, b"\0"]}, 2**63])
def test_any_plain_value_is_a_task_and_a_result_none_included(make: Make, task: object) -> None:
    outcome = the_outcome(make(chores.echo), task)

    assert (outcome.end, outcome.result) == (TaskEnd.DONE, task)


def test_structs_pass_where_the_work_declares_them(make: Make) -> None:
    outcome = the_outcome(make(chores.add), chores.Sum(numbers=[1, 2, 3]))

    assert outcome.value() == chores.Total(total=6)


def test_work_is_named_by_text_where_this_process_shall_not_import_it(make: Make) -> None:
    worker = make("protocol.chores:add", result_type=chores.Total)

    assert the_outcome(worker, {"numbers": [2, 2]}).value() == chores.Total(total=4)


def test_a_task_that_cannot_pass_is_refused_at_once_with_what_can(make: Make) -> None:
    worker = make(chores.echo)

    with pytest.raises(
        TypeError, match=r"task 'it' can't be handed to another process: .*; plain values, bytes and msg"
    ):
        worker.submit("it", object())

    assert outcomes(worker) == {}


def test_a_task_that_is_too_large_is_refused_with_the_limit(make: Make) -> None:
    worker = make(chores.echo)

    with pytest.raises(ValueError, match="at most 67108864 can pass: hand over the name of a file or ring"):
        worker.submit("it", b"x" * (64 * 1_024 * 1_024))


def test_two_tasks_with_one_key_at_a_time_are_refused_and_one_after_the_other_are_not(
    make: Make, tmp_path: Path
) -> None:
    worker = make()
    worker.submit("it", ["until", str(tmp_path / "go")])

    with pytest.raises(ValueError, match="'it' is at work already"):
        worker.submit("it", 1)
    (tmp_path / "go").touch()

    assert outcomes(worker) == {"it": TaskEnd.DONE}
    assert the_outcome(worker, 2).result == 2


@pytest.mark.parametrize(("name", "shown"), [("clips", "clips"), ("", "echo")])
def test_a_process_bears_the_name_that_it_was_given_or_that_of_its_work(make: Make, name: str, shown: str) -> None:
    worker = make(chores.echo, name=name)
    worker.wait_ready(LIMIT_S)

    assert psutil.Process(worker.pid).name() == shown


def test_each_process_begins_with_its_own_state_and_keeps_it(make: Make) -> None:
    worker = make(chores.count, initialize=chores.Counter, setup=100)

    assert [the_outcome(worker, step).result for step in (1, 10)] == [101, 111]


def test_a_task_talks_with_its_parent_while_it_runs(make: Make) -> None:
    told: list[tuple[object, object]] = []
    worker = make(chores.talk, initialize=chores.Counter, setup=0, on_news=lambda *news: told.append(news))
    worker.submit("it", "hello")
    wait_until(lambda: told)

    was_sent = worker.send("it", {"stop": True}), worker.send("other", 1)

    assert [outcome.result for outcome in worker.results(LIMIT_S)] == [[{"stop": True}]]
    assert (told, was_sent) == ([("it", {"heard": "hello"})], (True, False))


def test_what_a_task_told_just_before_its_process_died_is_heard(make: Make) -> None:
    told: list[object] = []
    worker = make(
        chores.tell_and_die,
        initialize=chores.Counter,
        setup=0,
        on_crash="fail",
        on_news=lambda _, news: told.append(news),
    )

    ends = [the_outcome(worker, number, key=number).end for number in range(5)]

    assert (ends, told) == ([TaskEnd.CRASHED] * 5, [0, 1, 2, 3, 4])


def test_what_goes_wrong_beside_the_outcomes_of_tasks_is_told_by_the_name_of_its_counter(make: Make) -> None:
    faults: list[str] = []

    def refuse(key: object, news: object) -> None:
        raise RuntimeError("not wanted")

    worker = make(
        chores.tell_and_die,
        initialize=chores.Counter,
        setup=0,
        on_crash="fail",
        on_news=refuse,
        on_fault=faults.append,
    )
    hopeless = make(chores.count, initialize=chores.cannot, on_fault=faults.append)

    assert the_outcome(worker, 1).end is TaskEnd.CRASHED
    wait_until(lambda: set(faults) == {"errors.worker_news", "worker.died", "worker.not_started"})
    assert hopeless.start_error == "RuntimeError: no model here"


def test_a_process_that_was_killed_for_its_task_just_when_that_was_done_has_not_died_by_itself(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[str] = []
    children: list[Child] = []

    def start(setup: Setup) -> Child:
        children.append(Child(setup))
        return children[-1]

    def cancel_late(key: Hashable, news: object) -> None:
        worker.send(key, "go on")
        wait_until(lambda: children[0].has_unread)  # its result is there, and nobody has read it
        worker.cancel(key)

    monkeypatch.setattr("framebus.worker_keeper.Child", start)
    worker = make(
        chores.talk, initialize=chores.Counter, setup=0, on_news=cancel_late, on_fault=faults.append, idle_limit_s=600.0
    )

    outcome = the_outcome(worker, "it")
    wait_until(lambda: worker.pid is None)

    assert outcome.end is TaskEnd.DONE
    assert faults == []


def test_a_worker_whose_own_thread_fails_ends_what_waits_and_says_that_it_is_over(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[str] = []
    monkeypatch.setattr("framebus.worker_keeper.Child", lambda setup: 1 / 0)
    worker = make(chores.echo, on_fault=faults.append)
    wait_until(lambda: worker.is_over)

    with pytest.raises(Closed):
        worker.submit("it", 1)
    assert faults == ["errors.worker_keeper"]


# What the work may do ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["ValueError", "SystemExit", "KeyboardInterrupt"])
def test_an_exception_is_the_outcome_of_its_task_and_costs_nothing_else(make: Make, error: str) -> None:
    worker = make()

    outcome = the_outcome(worker, ["raise", error])

    assert (outcome.end, outcome.error_type, outcome.error) == (TaskEnd.RAISED, error, f"{error}: why")
    assert "chores.py" in outcome.traceback
    with pytest.raises(TaskError, match=f"task 'it' raised: {error}: why"):
        outcome.value()
    assert the_outcome(worker, "next").result == "next"
    assert worker.starts == 1


@pytest.mark.parametrize(
    ("task", "number", "code"),
    [
        (["segfault"], signal.SIGSEGV, None),
        (["signal", int(signal.SIGKILL)], signal.SIGKILL, None),
        (["signal", int(signal.SIGTERM)], signal.SIGTERM, None),
        (["exit", 3], None, 3),
        (["exit", 0], None, 0),
    ],
    ids=repr,
)
def test_a_crash_fails_the_task_in_hand_alone(make: Make, task: object, number: int | None, code: int | None) -> None:
    worker = make(on_crash="fail")
    worker.submit("before", 1)
    worker.submit("bad", task)
    worker.submit("after", 2)

    ended = {outcome.key: outcome for outcome in worker.results(LIMIT_S)}

    assert {key: outcome.end for key, outcome in ended.items()} == {
        "before": TaskEnd.DONE,
        "bad": TaskEnd.CRASHED,
        "after": TaskEnd.DONE,
    }
    assert (ended["bad"].signal, ended["bad"].exit_code) == (number, code)
    assert worker.starts == 2


def test_a_crash_leaves_the_last_words_of_its_process(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    worker = make(on_crash="fail")

    said, fell = the_outcome(worker, ["say", "rtsp://me:s3cret@host/"]), the_outcome(worker, "segfault")

    assert said.log_tail == ["rtsp://***@host/"]
    assert "Fatal Python error: Segmentation fault" in fell.log_tail
    assert "Segmentation fault" in capsys.readouterr().err


def test_a_process_that_closes_its_stderr_wakes_nobody(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    wakes: list[None] = []
    poll = select.poll
    worker = make()
    the_outcome(worker, "deaf")
    worker.submit("it", "hang")

    monkeypatch.setattr(select, "poll", lambda: (wakes.append(None), poll())[1])
    assert list(worker.results(1.0)) == []

    assert len(wakes) < 20
    assert worker.cancel("it")
    assert outcomes(worker) == {"it": TaskEnd.CANCELLED}


def test_notes_to_a_process_that_does_not_listen_are_bounded(make: Make) -> None:
    worker = make()
    worker.submit("it", "stop")
    wait_until(lambda: worker.send("it", b"x" * 100_000))

    sent = sum(worker.send("it", b"x" * 100_000) for _ in range(100))

    assert sent < 50


def test_a_task_whose_process_was_killed_is_done_by_the_next_one(make: Make, tmp_path: Path) -> None:
    worker = make(on_crash="requeue")
    for name in ("a", "b", "c"):
        worker.submit(name, ["once", str(tmp_path / name)])

    assert outcomes(worker) == dict.fromkeys("abc", TaskEnd.DONE)
    assert worker.starts == 4


def test_a_task_that_killed_three_processes_gets_no_fourth(make: Make) -> None:
    worker = make(on_crash="requeue")
    worker.submit("bad", "segfault")
    worker.submit("good", 1)

    ended = {outcome.key: outcome for outcome in worker.results(LIMIT_S)}

    assert {key: outcome.end for key, outcome in ended.items()} == {"bad": TaskEnd.QUARANTINED, "good": TaskEnd.DONE}
    assert ended["bad"].signal == signal.SIGSEGV
    wait_until(lambda: worker.starts == 4)


def test_a_key_that_killed_three_processes_is_refused_a_fourth_also_when_crashes_fail(make: Make) -> None:
    worker = make(on_crash="fail")

    ends = [the_outcome(worker, "segfault").end for _ in range(4)]

    assert ends == [TaskEnd.CRASHED, TaskEnd.CRASHED, TaskEnd.QUARANTINED, TaskEnd.QUARANTINED]
    assert worker.starts <= 4
    assert the_outcome(worker, 1, key="other").result == 1


@pytest.mark.parametrize("task", ["hang", "stop"])
def test_a_task_that_hangs_is_killed_at_its_limit_and_says_so(make: Make, task: str) -> None:
    worker = make(task_limit_s=0.3)
    worker.submit("bad", task)
    worker.submit("good", 1)

    ended = {outcome.key: outcome for outcome in worker.results(LIMIT_S)}

    assert (ended["bad"].end, ended["bad"].error) == (TaskEnd.TIMED_OUT, "it took longer than 0.3 s and was killed")
    assert ended["good"].end is TaskEnd.DONE


def test_what_the_work_has_started_dies_with_it(make: Make, tmp_path: Path) -> None:
    worker = make(task_limit_s=2.0)

    outcome = the_outcome(worker, ["child", str(tmp_path / "pid")])

    assert outcome.end is TaskEnd.TIMED_OUT
    wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_a_task_that_eats_memory_fails_at_the_limit_and_the_next_one_is_done(make: Make) -> None:
    worker = make(memory_limit_bytes=512 * 1_024**2)

    much, some = the_outcome(worker, ["eat", 1_024**3]), the_outcome(worker, ["eat", 1_024**2])

    assert (much.end, much.error_type) == (TaskEnd.RAISED, "MemoryError")
    assert some.result == 1_024**2


def test_a_result_that_cannot_pass_is_an_error_of_its_task(make: Make) -> None:
    worker = make()

    outcome = the_outcome(worker, "object")

    assert (outcome.end, outcome.error_type) == (TaskEnd.RAISED, "TypeError")
    assert "the result can't be handed to another process" in outcome.error
    assert worker.starts == 1


def test_a_result_that_is_not_what_the_work_declares_is_an_error_of_its_task(make: Make) -> None:
    outcome = the_outcome(make(chores.lie), 1)

    assert outcome.end is TaskEnd.RAISED
    assert "not of the type that was declared: Expected `int`, got `str`" in outcome.error


def test_a_task_that_is_cancelled_ends_whether_it_waits_or_runs(make: Make) -> None:
    worker = make()
    worker.submit("runs", "hang")
    worker.submit("waits", "hang")
    worker.submit("stays", 1)
    worker.wait_ready(LIMIT_S)

    was_there = [worker.cancel(key) for key in ("waits", "runs", "never")]

    assert was_there == [True, True, False]
    assert outcomes(worker) == {"waits": TaskEnd.CANCELLED, "runs": TaskEnd.CANCELLED, "stays": TaskEnd.DONE}


# Bounds --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["works", "stopped", "dead"])
def test_submit_never_blocks_and_is_bounded_whatever_the_process_does(make: Make, state: str) -> None:
    worker = make(max_waiting=3)
    worker.wait_ready(LIMIT_S)
    pid = pid_of(worker)
    if state == "stopped":
        os.kill(pid, signal.SIGSTOP)
    elif state == "dead":
        os.kill(pid, signal.SIGKILL)
    refusals: list[str] = []

    def fill() -> None:
        try:
            for number in range(5):
                worker.submit(number, ["hang", "x" * 1_000_000])
        except Full as full:
            refusals.append(str(full))

    thread = threading.Thread(target=fill)
    thread.start()
    thread.join(LIMIT_S)

    assert [refusal.partition(" may")[0] for refusal in refusals] == ["3 tasks wait, and no more than 3"]


def test_results_that_nobody_takes_are_bounded_and_the_refusal_says_so(make: Make) -> None:
    worker = make(chores.echo, max_waiting=2)
    given = 0

    def is_refused() -> bool:
        nonlocal given
        try:
            worker.submit(given, given)
        except Full as full:
            return "2 outcomes were not taken: take them with results()" in str(full)
        given += 1
        return False

    wait_until(is_refused)

    assert given <= 5
    assert len(worker.collect(LIMIT_S)) == given


def test_results_end_after_their_time_while_a_task_hangs(make: Make) -> None:
    worker = make()
    worker.submit("it", "hang")

    assert list(worker.results()) == []
    assert list(worker.results(0.05)) == []


@pytest.mark.parametrize(
    "wrong", [{"max_waiting": 0}, {"task_limit_s": 0.0}, {"memory_limit_bytes": 1}, {"on_crash": "x"}]
)
def test_a_limit_that_makes_no_sense_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is "):
        WorkerProcess(chores.echo, **wrong)


# The end -------------------------------------------------------------------------------------------------------------


def test_after_collect_no_task_is_taken_and_collect_may_be_called_again(make: Make) -> None:
    worker = make(chores.echo)
    for number in range(5):
        worker.submit(number, number)

    first = worker.collect(LIMIT_S)
    second = worker.collect(LIMIT_S)

    assert [outcome.result for outcome in first] == [0, 1, 2, 3, 4]
    assert second == first
    with pytest.raises(Closed, match="takes no more tasks"):
        worker.submit("late", 1)
    assert worker.pid is None


def test_collect_waits_for_no_longer_than_it_may_and_says_what_is_not_done(make: Make) -> None:
    worker = make()
    worker.submit("hung", "hang")
    worker.submit("waiting", 1)

    ended = worker.collect(0.1)

    assert {outcome.key: outcome.end for outcome in ended} == {"hung": TaskEnd.NOT_DONE, "waiting": TaskEnd.NOT_DONE}


def test_a_process_that_is_killed_while_collect_waits_does_not_hold_it_up(make: Make, tmp_path: Path) -> None:
    worker = make(on_crash="fail")
    worker.submit("it", ["until", str(tmp_path / "never")])
    worker.wait_ready(LIMIT_S)
    pid = pid_of(worker)
    killer = threading.Timer(0.1, partial(os.kill, pid, signal.SIGKILL))
    killer.start()

    ended = worker.collect(LIMIT_S)
    killer.join()

    assert [outcome.end for outcome in ended] == [TaskEnd.CRASHED]


def test_many_large_results_of_a_process_that_was_killed_do_not_hold_up_the_end(make: Make) -> None:
    worker = make(max_waiting=100)
    for number in range(100):
        worker.submit(number, ["large", 4_000_000])
    worker.wait_ready(LIMIT_S)
    next(worker.results(LIMIT_S))
    os.kill(pid_of(worker), signal.SIGKILL)
    began_s = time.monotonic()

    worker.close()

    assert time.monotonic() - began_s < 8.0
    assert worker.pid is None


def test_a_process_that_dies_idle_is_replaced(make: Make) -> None:
    worker = make(chores.echo)
    worker.wait_ready(LIMIT_S)
    os.kill(pid_of(worker), signal.SIGKILL)

    assert the_outcome(worker, 1).result == 1
    assert worker.starts == 2


def test_with_an_idle_limit_the_process_is_there_only_while_there_is_work(make: Make) -> None:
    worker = make(chores.echo, idle_limit_s=0.05)
    assert worker.starts == 0

    for number in (1, 2):
        assert the_outcome(worker, number).result == number
        assert worker.starts == number
        wait_until(lambda: worker.pid is None)

    assert worker.start_error == ""


def test_waiting_for_it_starts_a_process_that_has_no_task_yet(make: Make) -> None:
    worker = make(chores.echo, idle_limit_s=60.0)

    worker.wait_ready(LIMIT_S)

    assert worker.pid is not None


def test_a_forgotten_worker_ends_with_its_last_reference() -> None:
    worker = WorkerProcess(chores.do)
    worker.submit("it", "hang")
    worker.wait_ready(LIMIT_S)
    pid = pid_of(worker)

    del worker
    gc.collect()

    wait_until(lambda: not is_alive(pid))


def run_parent(folder: Path, rest: str) -> subprocess.Popen[str]:
    """A program that starts a worker, tells its number, and goes on with `rest`."""
    (folder / "parent.py").write_text(f"""
import sys, time, os
from framebus import WorkerProcess

def work(task):
    open({str(folder / "begun")!r}, "w").close()
    time.sleep(task)
    return task

def wait_begun():
    while not os.path.exists({str(folder / "begun")!r}):
        time.sleep(0.01)

if __name__ == "__main__":
    worker = WorkerProcess(work)
    worker.wait_ready(20)
    print(worker.pid, flush=True)
    {rest}
""")
    return subprocess.Popen([sys.executable, str(folder / "parent.py")], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("busy", ["idle", "busy"])
def test_a_child_dies_with_its_parent_within_a_second(tmp_path: Path, busy: str) -> None:
    submit = "worker.submit(1, 600); wait_begun(); " if busy == "busy" else ""
    with run_parent(tmp_path, f"{submit}print('go', flush=True); time.sleep(600)") as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.stdout.readline()
        child = psutil.Process(pid)

        parent.kill()

        wait_until(lambda: not is_alive(child.pid), 1.0)


def test_a_child_that_is_stopped_dies_with_its_parent_too(tmp_path: Path) -> None:
    with run_parent(tmp_path, "time.sleep(600)") as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        child.suspend()

        parent.kill()

        wait_until(lambda: not is_alive(child.pid), 1.0)


@pytest.mark.parametrize("rest", ["worker.submit(1, 600)", "worker.submit(1, 600); sys.exit(0)", "1 / 0"])
def test_a_program_that_forgets_to_collect_ends_and_leaves_no_child(tmp_path: Path, rest: str) -> None:
    with run_parent(tmp_path, f"sys.stderr = open(os.devnull, 'w'); {rest}") as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))

        parent.wait(LIMIT_S)

        wait_until(lambda: not is_alive(child.pid), 1.0)


# Work that another process cannot import -----------------------------------------------------------------------------


def a_closure() -> Callable[[object], object]:
    def inner(task: object) -> object:
        return task

    return inner


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (lambda task: task, "work is a lambda: another process can't import it; define it with `def`"),
        (a_closure(), "work is defined inside a_closure: another process can't import it"),
        (partial(chores.echo, 1), "give a function from the top of a module"),
        (7, "work is 7; give a function from the top of a module, or its name"),
    ],
    ids=["lambda", "closure", "partial", "number"],
)
def test_work_that_has_no_name_is_refused_at_once_with_the_mend(work: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        WorkerProcess(work)


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        ("chores.echo", "write it as `package.module:function`"),
        ("no_such_module:echo", "there is no module no_such_module; is it installed, or on PYTHONPATH"),
        ("no_such.deeper:echo", "there is no module no_such.deeper"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_at_once(work: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        WorkerProcess(work)


def test_work_that_the_child_does_not_find_is_told_and_waiting_tasks_end(make: Make) -> None:
    worker = make("protocol.chores:no_such")
    worker.submit("it", 1)

    with pytest.raises(StartError, match=r"AttributeError: module 'protocol\.chores' has no attribute 'no_such'"):
        worker.wait_ready(LIMIT_S)

    (outcome,) = worker.results(LIMIT_S)
    assert outcome.end is TaskEnd.NOT_STARTED
    assert "no attribute 'no_such'" in outcome.error


def test_an_initialize_that_raises_is_told_with_its_words(make: Make) -> None:
    worker = make(chores.count, initialize=chores.cannot)

    with pytest.raises(StartError, match="RuntimeError: no model here"):
        worker.wait_ready(LIMIT_S)


def test_a_worker_that_could_not_start_tries_again(make: Make, tmp_path: Path) -> None:
    worker = make("protocol.chores:count", initialize=chores.begin_once, setup=str(tmp_path / "there"))
    worker.submit("it", 1)

    (outcome,) = worker.results(LIMIT_S)

    assert (outcome.end, outcome.error_type) == (TaskEnd.RAISED, "AttributeError")  # it did begin
    assert worker.starts == 2
