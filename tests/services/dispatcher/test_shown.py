"""Boards and alarms keep their order as jobs move: they always show what sorting all jobs anew would."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from framebus.clock import FakeClock
from framebus.jobs import FINAL
from framebus.messages import JobState, JobView
from framebus.settings import QueuePolicy
from framebus_services.dispatcher import alarms as alarms_module
from framebus_services.dispatcher.alarms import Alarm, Alarms
from framebus_services.dispatcher.shown import Shown, ShownJobs, Turns

JOBS, LIMIT = 6, 4
STATES = [state for state in JobState if state is not JobState.UNKNOWN]
TURNS: Turns = {(0, "front"): 9, (0, "back"): 2, (1, "front"): 4}
moves = st.lists(
    st.tuples(
        st.integers(1, JOBS),
        st.sampled_from([*STATES, None, *[JobState.QUEUED] * 8]),  # None: shown no more; most wait
        st.integers(0, 1),
        st.sampled_from(["front", "back", None]),
    ),
    max_size=40,
)


def waiting_of(jobs: dict[int, Shown]) -> list[JobView]:
    """As the ledger would lease them: by priority, the first of each camera by its turn, then the second ones."""
    rounds: Counter[tuple[int, str]] = Counter()
    keys = []
    for shown in sorted(jobs.values(), key=lambda shown: shown.number):
        line = (shown.priority, shown.view.camera or "")
        if shown.view.state is JobState.QUEUED:
            keys.append(((-shown.priority, rounds[line], TURNS.get(line, shown.number), shown.number), shown.view))
            rounds[line] += 1
    queued = [view for _, view in sorted(keys, key=lambda pair: pair[0])]
    return queued + in_line(jobs, {JobState.RETRYING})


def in_line(jobs: dict[int, Shown], states: set[JobState]) -> list[JobView]:
    found = sorted(jobs.values(), key=lambda shown: (-shown.priority, shown.number))
    return [shown.view for shown in found if shown.view.state in states]


@given(moves)
def test_a_board_shows_what_sorting_all_jobs_anew_would(
    moves: list[tuple[int, JobState | None, int, str | None]],
) -> None:
    shown_jobs, jobs = ShownJobs(), dict[int, Shown]()

    for number, state, priority, camera in moves:
        before = jobs.pop(number, None)
        if state is None:
            shown_jobs.drop(f"{number:032x}")
            continue
        if before is not None:  # of one job only its state changes
            priority, camera = before.priority, before.view.camera
        view = JobView(id=f"{number:032x}", type="clip", state=state, camera=camera, created_at_s=1.0)
        jobs[number] = Shown(view, priority, number, ended_up_s=1.0 if state in FINAL else None)
        shown_jobs.put(jobs[number])

    ended = [shown.view for shown in jobs.values() if shown.view.state in FINAL]
    assert shown_jobs.first_waiting(TURNS, LIMIT) == waiting_of(jobs)[:LIMIT]
    assert shown_jobs.waiting == len(waiting_of(jobs))
    assert shown_jobs.at_work() == in_line(jobs, {JobState.RUNNING, JobState.PUBLISHING})
    assert shown_jobs.last_ended(LIMIT) == ended[::-1][:LIMIT]
    assert shown_jobs.ended == len(ended)


@given(
    st.lists(st.tuples(st.integers(1, JOBS), st.sampled_from(["gone", None, 1.0, 2.0, 3.0, 4.0, 5.0])), max_size=60),
    st.floats(0.0, 6.0),
)
def test_the_first_alarm_is_that_of_all_jobs_as_they_are_now(
    changes: list[tuple[int, float | str | None]], passed_s: float
) -> None:
    clock = FakeClock()
    start_s = clock.boot_s()
    alarms = Alarms(clock, lambda _: QueuePolicy(), lambda _: 0.0)
    dues: dict[str, float] = {}

    for number, due in changes:
        job_id = str(number)
        dues.pop(job_id, None)
        if due == "gone":
            alarms.set(job_id, None)
            continue
        due_s = None if due is None else start_s + float(due)
        alarms.set(job_id, Alarm(expires_s=start_s + 9.0, due_s=due_s))
        if due_s is not None:
            dues[job_id] = due_s
        assert alarms.next_due_s() == min(dues.values(), default=None)
    clock.advance(passed_s)

    assert alarms.next_due_s() == min(dues.values(), default=None)
    assert {job_id for job_id, _ in alarms.due()} == {
        job_id for job_id, due_s in dues.items() if due_s <= clock.boot_s()
    }


def test_alarms_that_are_over_are_not_remembered_for_ever() -> None:
    clock = FakeClock()
    alarms = Alarms(clock, lambda _: QueuePolicy(), lambda _: 0.0)

    for number in range(3 * alarms_module.SPARE):
        alarms.set(f"job-{number}", Alarm(expires_s=9.0, due_s=9.0 + number))
        alarms.set(f"job-{number}", None)

    assert len(alarms._heap) <= alarms_module.SPARE + 1
    assert alarms.next_due_s() is None
