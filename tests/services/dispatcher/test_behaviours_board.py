"""What a follower of jobs sees while some talk much and others little."""

from framebus.messages import BoardStatus, JobState
from services.dispatcher.test_board import Show

RUNNING = JobState.RUNNING


def test_the_last_step_before_a_stall_is_on_the_board_within_a_second() -> None:
    show = Show()
    show.move(1, RUNNING)
    show.bus.advance(5.0)

    for number, step in enumerate(("preparing", "copying", "verifying", "finalizing")):
        show.progress(1, 20.0 * number, step)
        show.bus.advance(0.05)
    show.bus.advance(1.0)

    assert (show.sent[-1].running[0].step, show.sent[-1].running[0].percent) == ("finalizing", 60.0)
    assert (show.told[-1].step, show.told[-1].percent) == ("finalizing", 60.0)


def test_a_job_that_talks_without_end_does_not_keep_the_word_of_another_from_being_told_within_a_second() -> None:
    show = Show()
    show.move(1, RUNNING)
    show.move(2, RUNNING)
    show.bus.advance(5.0)
    show.bus.sent.clear()

    for number in range(100):  # 200 a second
        show.progress(1, number / 6.0)
        show.bus.advance(0.005)
    show.progress(2, 42.0, "quiet")
    for number in range(100, 301):
        show.progress(1, number / 6.0)
        show.bus.advance(0.005)

    assert "quiet" in [told.step for told in show.told]
    assert "quiet" in [job.step for job in show.sent[-1].running]


def test_a_board_says_running_while_any_job_runs_else_queued_while_any_waits_else_idle() -> None:
    show = Show()
    seen = []

    for move in ((1, JobState.QUEUED), (2, JobState.RETRYING), (1, RUNNING), (1, JobState.SUCCEEDED)):
        show.move(*move)
        show.bus.advance(0.1)
        seen.append(show.sent[-1].status)
    show.move(2, JobState.CANCELLED)
    show.bus.advance(0.1)

    queued, running = BoardStatus.QUEUED, BoardStatus.RUNNING
    assert [*seen, show.sent[-1].status] == [queued, queued, running, queued, BoardStatus.IDLE]
    assert [job.state for job in show.sent[-1].ended] == [JobState.SUCCEEDED, JobState.CANCELLED]
