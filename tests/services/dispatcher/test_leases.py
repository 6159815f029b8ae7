"""Who holds which job, and until when: pure, the tests bring the time."""

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import INHERITED_LEASE_S, LEASE_S, JobEvent
from framebus.requests import BeatJob
from framebus_services.dispatcher.leases import Ended, Leases
from services.dispatcher.ledgers import code_of

ID = "0" * 32
TICK_S = 0.25


def beat(step: str = "copying", percent: float = 10.0, fence: int = 1) -> BeatJob:
    return BeatJob(id=ID, fence=fence, step=step, percent=percent)


def tick_until(leases: Leases, begin_s: float, end_s: float) -> list[tuple[float, Ended]]:
    """What ended, and when, with a tick each quarter of a second."""
    ended = []
    for number in range(1 + round((end_s - begin_s) / TICK_S)):
        now_s = begin_s + number * TICK_S
        ended += [(now_s, one) for one in leases.tick(now_s)]
    return ended


def test_a_job_whose_worker_never_beats_is_void_after_five_seconds() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)

    ended = tick_until(leases, 0.0, LEASE_S)

    assert ended == [(LEASE_S, Ended(ID, 1, JobEvent.VOID, "its worker never spoke"))]


def test_a_job_whose_worker_beats_no_more_has_stalled_at_its_last_step() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    leases.beat(beat(), 3.0)

    ended = tick_until(leases, 0.0, 8.0)

    assert ended == [(8.0, Ended(ID, 1, JobEvent.STALLED, "stalled at copying"))]


def test_a_job_whose_worker_beats_goes_on() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    for second in range(60):
        leases.beat(beat(), float(second))
        assert tick_until(leases, second + TICK_S, second + 0.75) == []

    assert leases.progress_of(ID) == ("copying", 10.0)


@pytest.mark.parametrize("fence", [0, 2])
def test_a_beat_with_another_fence_is_lost(fence: int) -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)

    with pytest.raises(RefusedError) as caught:
        leases.beat(beat(fence=fence), 1.0)

    assert code_of(caught) is ErrorCode.LOST
    assert leases.progress_of(ID) is None


def test_a_beat_for_a_job_that_runs_no_more_is_lost() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    leases.end(ID)

    with pytest.raises(RefusedError, match="no longer yours"):
        leases.beat(beat(), 1.0)


def test_a_beat_after_the_lease_ran_out_is_lost() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    tick_until(leases, 0.0, LEASE_S)

    with pytest.raises(RefusedError, match="no longer yours"):
        leases.beat(beat(), LEASE_S + 0.1)


def test_a_lease_that_ran_out_is_told_again_until_the_ledger_has_written_it() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)

    ended = tick_until(leases, 0.0, 3 * LEASE_S)
    leases.end(ID)

    assert [now_s for now_s, _ in ended] == [5.0, 10.0, 15.0]
    assert tick_until(leases, 3 * LEASE_S, 5 * LEASE_S) == []


def test_percent_never_goes_back_within_a_lease() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    leases.beat(beat("copying", 60.0), 1.0)

    leases.beat(beat("encoding", 20.0), 2.0)

    assert leases.progress_of(ID) == ("encoding", 60.0)


def test_a_new_lease_begins_without_progress() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    leases.beat(beat(), 1.0)

    leases.begin(ID, 2, 2.0)

    assert leases.progress_of(ID) is None


def test_the_worker_of_a_cancelled_job_is_told_and_has_five_seconds_more_at_most() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    leases.beat(beat(), 1.0)
    leases.begin(ID, 1, 2.0, is_cancelled=True)

    answers = [leases.beat(beat(), now_s).cancel for now_s in (2.5, 4.0, 5.5)]
    ended = tick_until(leases, 5.5, 8.0)

    assert answers == [True, True, True]
    assert [(now_s, one.event) for now_s, one in ended] == [(6.0, JobEvent.STALLED)]


def test_cancelling_twice_gives_no_more_time() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    for now_s in (1.0, 3.0, 4.5):
        leases.begin(ID, 1, now_s, is_cancelled=True)

    ended = tick_until(leases, 0.0, 6.0)

    assert ended[0][0] == LEASE_S


def test_the_workers_of_an_earlier_dispatcher_have_ten_seconds_to_speak_up() -> None:
    leases = Leases()
    leases.inherit(ID, 1, 0.0, is_cancelled=False)

    ended = tick_until(leases, 0.0, INHERITED_LEASE_S)

    assert ended == [(INHERITED_LEASE_S, Ended(ID, 1, JobEvent.VOID, "its worker never spoke"))]


def test_an_inherited_lease_whose_worker_spoke_up_is_one_like_others() -> None:
    leases = Leases()
    leases.inherit(ID, 1, 0.0, is_cancelled=False)
    leases.beat(beat(), 9.0)

    ended = tick_until(leases, 9.0, 14.0)

    assert [(now_s, one.event) for now_s, one in ended] == [(14.0, JobEvent.STALLED)]


def test_an_inherited_job_that_was_cancelled_is_told_so() -> None:
    leases = Leases()
    leases.inherit(ID, 1, 0.0, is_cancelled=True)

    assert leases.beat(beat(), 1.0).cancel is True


def test_the_worker_of_a_job_that_is_being_published_may_beat_and_its_lease_does_not_end() -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    leases.hold(ID)

    ended = tick_until(leases, 0.0, 60.0)

    assert ended == []
    assert leases.beat(beat(), 60.0).cancel is False


@pytest.mark.parametrize("away_s", [1.5, 30.0, 10 * 3_600.0])
def test_time_in_which_we_were_away_ourselves_is_nobodys_fault(away_s: float) -> None:
    leases = Leases()
    leases.begin(ID, 1, 0.0)
    leases.beat(beat(), 0.0)
    tick_until(leases, 0.0, 2.0)

    ended = tick_until(leases, 2.0 + away_s, 8.0 + away_s)

    assert [now_s - away_s for now_s, _ in ended] == [5.0]
