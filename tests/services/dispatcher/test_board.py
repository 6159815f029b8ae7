"""The boards: moves soon, progress once a second, the last word always, and never a board that nobody can take."""

import sys
from collections import Counter

import pytest

from framebus import codec
from framebus.clock import FakeClock
from framebus.codec import Head
from framebus.jobs import FINAL
from framebus.messages import BoardStatus, JobBoard, JobError, JobState, JobView, QueueStatus
from framebus.testing import FakeBus
from framebus.timers import Timer
from framebus_services.dispatcher.board import MAX_ENDED, MAX_WAITING, BoardClock, Boards
from services.dispatcher.ledgers import raw

QUEUED, RUNNING, SUCCEEDED = JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED
RETRYING, FAILED = JobState.RETRYING, JobState.FAILED


def view(number: int, state: JobState = QUEUED, attempt: int = 0, percent: float = 0.0, **fields: object) -> JobView:
    return JobView(
        id=f"{number:032x}", type="mine", state=state, created_at_s=1.0, attempt=attempt, percent=percent, **fields
    )


class Show:
    """Boards as the service drives them: a timer of the bus, planned anew after each change."""

    def __init__(self) -> None:
        self.bus = FakeBus(clock=FakeClock())
        self.states: dict[int, JobState] = {}
        self.boards = Boards(
            self.bus.publish,
            lambda _: QueueStatus(max_queued=100, max_running=3, free=7),
            count=self.bus.stats.count,
        )
        self.timer: Timer = self.bus.after(0.0, self.send)
        self.boards.add_type("mine", {}, self.now_s)
        self.bus.advance(5.0)
        self.bus.sent.clear()

    @property
    def now_s(self) -> float:
        return self.bus.clock.boot_s()

    @property
    def sent(self) -> list[JobBoard]:
        return self.bus.messages(JobBoard)

    @property
    def told(self) -> list[JobView]:
        return self.bus.messages(JobView)

    def move(self, number: int, state: JobState, priority: int = 0, **more: object) -> None:
        was, self.states[number] = self.states.get(number), state
        self.boards.move(view(number, state, **more), was, priority, number, self.now_s)
        self.plan()

    def progress(self, number: int, percent: float, step: str = "copying") -> None:
        self.boards.progress(f"{number:032x}", step, percent, None, self.now_s)
        self.plan()

    def plan(self) -> None:
        self.timer.cancel()
        due_s = self.boards.next_due_s()
        if due_s is not None:
            self.timer = self.bus.after(max(0.0, due_s - self.now_s), self.send)

    def send(self) -> None:
        self.boards.release_due(self.now_s, self.bus.clock.boot_s)
        self.plan()


def test_a_move_is_told_at_once() -> None:
    show = Show()

    show.move(1, QUEUED)
    show.bus.advance(0.0)

    assert [board.status for board in show.sent] == [BoardStatus.QUEUED]
    assert [told.state for told in show.told] == [QUEUED]


def test_a_move_soon_after_another_is_told_within_50_ms() -> None:
    show = Show()
    show.move(1, QUEUED)
    show.bus.advance(0.01)

    show.move(1, RUNNING)
    show.bus.advance(0.039)
    early = len(show.sent)
    show.bus.advance(0.002)

    assert (early, len(show.sent)) == (1, 2)
    assert show.sent[-1].status is BoardStatus.RUNNING


def test_a_burst_of_100_moves_is_a_handful_of_boards_and_every_end_is_told() -> None:
    show = Show()
    for number in range(100):
        show.move(number, RUNNING)
        show.move(number, SUCCEEDED, result=raw({"number": number}))
        show.bus.advance(0.002)
    show.bus.advance(0.05)

    assert len(show.sent) <= 6
    ends = [told for told in show.told if told.state in FINAL]
    assert [told.id for told in ends] == [f"{number:032x}" for number in range(100)]
    assert bytes(ends[7].result) == bytes(raw({"number": 7}))
    assert (len(show.sent[-1].ended), show.sent[-1].more.ended) == (MAX_ENDED, 50)


def test_a_burst_of_100_updates_within_a_second_is_one_or_two_boards_and_the_last_is_out_within_a_second() -> None:
    show = Show()
    show.move(1, RUNNING)
    show.bus.advance(5.0)
    show.bus.sent.clear()

    for number in range(100):
        show.progress(1, float(number))
        show.bus.advance(0.0099)
    last_s = show.now_s
    boards = len(show.sent)
    while not (show.sent and show.sent[-1].running[0].percent == 99.0):
        assert show.now_s < last_s + 1.0
        show.bus.advance(0.01)

    assert 1 <= boards <= 2
    assert len(show.sent) <= 2
    assert len(show.told) <= 2
    assert show.told[-1].percent == 99.0
    show.bus.advance(10.0)
    assert len(show.sent) <= 2


def test_the_first_update_after_a_quiet_second_is_told_at_once() -> None:
    show = Show()
    show.move(1, RUNNING)
    show.bus.advance(1.0)
    show.bus.sent.clear()

    show.progress(1, 10.0)
    show.bus.advance(0.0)

    assert [board.running[0].percent for board in show.sent] == [10.0]


def test_an_update_that_changes_nothing_is_not_told() -> None:
    show = Show()
    show.move(1, RUNNING)
    show.progress(1, 10.0)
    show.bus.advance(2.0)
    sent = len(show.bus.sent)

    show.progress(1, 10.0)
    show.bus.advance(2.0)

    assert len(show.bus.sent) == sent


@pytest.mark.parametrize("number", [2, 3])
def test_an_update_of_a_job_that_does_not_run_is_not_told(number: int) -> None:
    show = Show()
    show.move(2, SUCCEEDED)
    sent = len(show.told)

    show.progress(number, 10.0)
    show.bus.advance(2.0)

    assert len(show.told) == sent


def test_percent_never_goes_back_within_an_attempt() -> None:
    show = Show()
    show.move(1, RUNNING, attempt=1)
    for percent in (10.0, 60.0, 20.0):
        show.progress(1, percent)
        show.bus.advance(1.0)
    show.move(1, RUNNING, attempt=1, percent=55.0, cancelling=True)  # the row is older than the last beat
    show.bus.advance(1.0)

    shown = [board.running[0].percent for board in show.sent if board.running]
    assert shown == sorted(shown)
    assert shown[-1] == 60.0
    assert [told.percent for told in show.told] == sorted(told.percent for told in show.told)


def test_percent_of_a_new_attempt_begins_anew() -> None:
    show = Show()
    show.move(1, RUNNING, attempt=1)
    show.progress(1, 60.0)
    show.move(1, RETRYING, attempt=1, percent=60.0)
    show.move(1, RUNNING, attempt=2)
    show.bus.advance(1.0)

    assert show.sent[-1].running[0].percent == 0.0


def test_a_job_that_ended_stays_for_five_seconds_and_then_goes_with_a_board() -> None:
    show = Show()
    show.move(1, RUNNING)
    show.move(1, FAILED, error=JobError(code="no_source", message="no recordings"))
    show.bus.advance(4.9)
    before = show.sent[-1]

    show.bus.advance(0.2)

    assert [(one.state, one.error) for one in before.ended] == [
        (FAILED, JobError(code="no_source", message="no recordings"))
    ]
    assert before.status is BoardStatus.IDLE
    assert show.sent[-1].ended == []
    assert show.boards.next_due_s() is None


def test_a_board_without_jobs_is_idle() -> None:
    show = Show()
    show.boards.add_type("other", {}, show.now_s)
    show.plan()
    show.bus.advance(0.0)

    assert [(board.type, board.status) for board in show.sent] == [("other", BoardStatus.IDLE)]


def test_waiting_jobs_stand_in_line_with_those_that_wait_for_a_retry_last() -> None:
    show = Show()
    show.move(1, RETRYING, priority=9)
    for number, priority in [(2, 0), (3, 5), (4, 5), (5, -1)]:
        show.move(number, QUEUED, priority=priority)
    show.bus.advance(0.1)

    assert [int(one.id, 16) for one in show.sent[-1].waiting] == [3, 4, 2, 5, 1]


def test_a_long_line_is_cut_and_the_rest_is_counted() -> None:
    show = Show()
    for number in range(MAX_WAITING + 7):
        show.move(number, QUEUED)
    show.bus.advance(0.1)

    board = show.sent[-1]
    assert (len(board.waiting), board.more.waiting) == (MAX_WAITING, 7)
    assert board.counts == {"queued": MAX_WAITING + 7}
    assert board.queue.free == 7


def test_a_board_of_the_longest_names_still_fits_into_a_message() -> None:
    show = Show()
    long = {"name": "\U0001f3a5" * 500, "case": "\U0001f3a5" * 500, "camera": "\U0001f3a5" * 500}
    for number in range(MAX_WAITING):
        show.move(number, QUEUED, **long)
    for number in range(1_000, 1_150):
        show.move(number, RUNNING, step="\U0001f3a5" * 500, **long)
    for number in range(MAX_WAITING, MAX_WAITING + MAX_ENDED):
        show.move(number, SUCCEEDED, result=raw("x" * 4_000), step="\U0001f3a5" * 500, **long)
    show.bus.advance(0.1)

    board = show.sent[-1]
    assert len(board.waiting) + board.more.waiting == MAX_WAITING
    assert len(board.ended) + board.more.ended == MAX_ENDED
    assert board.ended[-1].id == f"{MAX_WAITING + MAX_ENDED - 1:032x}"
    assert board.running[0].id == f"{1_000:032x}"
    assert board.counts["running"] == 150
    assert len(codec.encode(board)) <= codec.MAX_RETAINED_BYTES


def test_jobs_of_an_earlier_dispatcher_are_on_the_first_board() -> None:
    show = Show()
    show.boards.add_type("mine", {QUEUED: 1, RUNNING: 1, SUCCEEDED: 7}, show.now_s)
    show.boards.load(view(1, RUNNING), 0, 1, show.now_s)
    show.boards.load(view(2, QUEUED), 0, 2, show.now_s)
    show.boards.load(view(3, SUCCEEDED), 0, 3, show.now_s)
    show.plan()
    show.bus.advance(0.0)

    (board,) = show.sent
    assert [len(board.running), len(board.waiting), len(board.ended)] == [1, 1, 1]
    assert board.counts == {"queued": 1, "running": 1, "succeeded": 7}
    show.bus.advance(5.1)
    assert show.sent[-1].ended == []


def test_boards_that_take_long_to_build_leave_less_often() -> None:
    clock = BoardClock()
    clock.note_move(10.0)
    clock.release(10.0, build_s=0.02)

    clock.note_move(10.0)

    assert clock.due_at_s == pytest.approx(10.2)


def test_a_move_after_progress_brings_the_board_forward() -> None:
    clock = BoardClock()
    clock.release(10.0)
    clock.note_progress(10.01)

    clock.note_move(10.02)
    clock.note_progress(10.03)

    assert clock.due_at_s == pytest.approx(10.05)


def test_each_board_has_a_greater_number_than_the_one_before() -> None:
    show = Show()
    for number in range(5):
        show.move(number, QUEUED)
        show.bus.advance(0.1)

    heads: list[Head] = [
        codec.decode_head(frames[1]) for frames in show.bus.sent_frames if frames[0] == b"job_state/mine/"
    ]
    assert [head.seq for head in heads] == list(range(1, len(heads) + 1))


def calls_for_a_move_a_report_and_their_boards(waiting: int) -> int:
    """How many functions are called, Python's own too."""
    show = Show()
    show.move(0, RUNNING)
    for number in range(1, waiting):
        show.move(number, QUEUED, camera=f"camera-{number % 7}")
    show.bus.advance(5.0)
    calls = Counter[str]()
    sys.setprofile(lambda frame, event, _: calls.update([event]))
    try:
        show.progress(0, 10.0)
        show.move(waiting, QUEUED)
        show.send()
    finally:
        sys.setprofile(None)
    assert show.sent[-1].running[0].percent == 10.0
    return calls["call"] + calls["c_call"]


def test_moves_reports_and_boards_cost_the_same_however_many_jobs_wait() -> None:
    few, many = (calls_for_a_move_a_report_and_their_boards(waiting) for waiting in (300, 3_000))

    assert many == pytest.approx(few, rel=0.05)


def test_what_is_reported_between_a_board_and_the_own_news_of_a_job_is_on_the_next_board() -> None:
    show = Show()
    show.move(1, RUNNING)
    show.bus.advance(2.0)
    show.progress(1, 10.0)
    show.bus.advance(0.5)
    show.progress(1, 20.0)  # its own news are due in half a second
    show.move(2, QUEUED)  # a board of now
    show.bus.advance(0.1)

    show.progress(1, 30.0)
    show.bus.advance(1.0)

    assert show.sent[-1].running[0].percent == 30.0
    assert show.told[-1].percent == 30.0


def test_a_board_that_cannot_be_sent_keeps_no_other_from_leaving(caplog: pytest.LogCaptureFixture) -> None:
    show = Show()
    queue_status = show.boards._queue_status

    def broken_once(kind: str) -> QueueStatus:
        if kind == "mine" and not caplog.records:
            raise ZeroDivisionError
        return queue_status(kind)

    show.boards._queue_status = broken_once
    show.boards.add_type("other", {}, show.now_s)
    show.move(1, QUEUED)
    show.bus.advance(0.0)
    others = [board.type for board in show.sent]
    show.move(2, QUEUED)
    show.bus.advance(0.1)

    assert others == ["other"]
    assert [board.type for board in show.sent] == ["other", "mine"]
    assert "the board of mine jobs could not be sent" in caplog.text
    assert show.bus.stats.counters["errors.board"] == 1


def test_10_000_reports_of_progress_a_second_are_one_board_a_second() -> None:
    show = Show()
    for number in range(3):
        show.move(number, RUNNING, attempt=1)
    show.bus.advance(2.0)
    show.bus.sent.clear()

    for report in range(30_000):
        show.progress(report % 3, report / 300.0)
        show.bus.advance(0.0001)
    show.bus.advance(1.0)

    assert 3 <= len(show.sent) <= 4
    assert len(show.told) <= 3 * 4
    assert [one.percent for one in show.sent[-1].running] == [pytest.approx(99.99, abs=0.01)] * 3


def test_the_waiting_jobs_of_a_board_stand_in_the_order_in_which_they_are_leased() -> None:
    show = Show()
    show.boards._turns_of = lambda _: {(0, "front"): 7, (0, "back"): 3, (5, "front"): 1}
    for number, (camera, priority) in enumerate([("front", 0), ("front", 0), ("back", 0), ("front", 5), ("back", 0)]):
        show.move(number, QUEUED, priority=priority, camera=camera)
    show.bus.advance(0.1)

    assert [int(one.id, 16) for one in show.sent[-1].waiting] == [3, 2, 0, 4, 1]
