"""The restart policy and the counting of silence: pure functions of numbers."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from framebus.settings import Restart
from framebus_launcher.liveness import Liveness, Silence
from framebus_launcher.restart import EARLY_S, PROBE_S, Death, Record, judge

EARLY = Death(at_s=0.0, ready_for_s=1.0, exit_code=1)
LATER = Death(at_s=0.0, ready_for_s=EARLY_S, exit_code=1)


def middle() -> float:
    """No jitter."""
    return 0.5


def judged(*deaths_at_s: float, policy: Restart | None = None) -> tuple[Record, list[float | None]]:
    """What early deaths at these times lead to."""
    record, waits = Record(), []
    for at_s in deaths_at_s:
        verdict = judge(record, Death(at_s=at_s, exit_code=1), policy or Restart(), middle)
        record = verdict.record
        waits.append(verdict.wait_s)
    return record, waits


def test_each_early_death_in_a_row_doubles_the_wait() -> None:
    _, waits = judged(0, 10, 20, 30)

    assert waits == [0.1, 0.2, 0.4, 0.8]


def test_the_wait_has_a_ceiling() -> None:
    _, waits = judged(*range(0, 1_200, 60))

    assert waits[-1] == 30.0


def test_five_early_deaths_within_thirty_seconds_open_the_breaker() -> None:
    record, waits = judged(0, 1, 2, 3, 4)

    assert record.is_broken
    assert waits[-1] == PROBE_S


def test_a_probe_that_dies_leaves_the_breaker_open() -> None:
    record, waits = judged(0, 1, 2, 3, 4, 64, 124)

    assert record.is_broken
    assert waits[-2:] == [PROBE_S, PROBE_S]


def test_who_dies_after_a_good_life_is_restarted_at_once_and_what_was_is_forgotten() -> None:
    record, _ = judged(0, 1, 2)

    verdict = judge(record, LATER, Restart(), middle)

    assert (verdict.record, verdict.wait_s) == (Record(), 0.0)


def test_who_was_ready_and_soon_exits_with_zero_is_restarted_after_a_moment() -> None:
    verdict = judge(Record(), Death(at_s=0.0, ready_for_s=1.0, exit_code=0), Restart(), middle)

    assert (verdict.record, verdict.wait_s) == (Record(), 0.1)


def test_who_exits_with_zero_and_never_was_ready_counts_as_an_early_death() -> None:
    verdict = judge(Record(), Death(at_s=0.0, exit_code=0), Restart(), middle)

    assert verdict.record.in_a_row == 1


@pytest.mark.parametrize("code", [64, 77, 78])
def test_usage_permission_and_configuration_are_not_tried_again(code: int) -> None:
    verdict = judge(Record(), Death(at_s=0.0, exit_code=code), Restart())

    assert verdict.wait_s is None
    assert verdict.record.is_broken


deaths = st.builds(
    Death,
    at_s=st.floats(0, 1e6),
    ready_for_s=st.none() | st.floats(0, 1e4),
    exit_code=st.none() | st.sampled_from([0, 1, 69, 70, 75, 255]),
)


@given(st.lists(deaths, max_size=30), st.floats(0.0, 1.0, exclude_max=True))
def test_no_service_is_started_again_more_than_a_fifth_sooner_or_later_than_said(
    lived: list[Death], luck: float
) -> None:
    policy = Restart()
    record = Record()

    for death in sorted(lived, key=lambda death: death.at_s):
        verdict = judge(record, death, policy, lambda: luck)
        record = verdict.record
        assert verdict.wait_s is not None
        least_s = 0.8 * policy.base_s if death.is_early else 0.0
        assert least_s <= verdict.wait_s <= max(PROBE_S, 1.2 * policy.limit_s)
        assert len(record.early_at_s) <= policy.deaths


@given(st.lists(st.floats(0.0, 100.0), min_size=5, max_size=40).map(sorted))
def test_the_breaker_opens_exactly_when_that_many_deaths_fall_into_the_window(times: list[float]) -> None:
    policy = Restart()

    record, _ = judged(*times, policy=policy)

    spans = [last - first for first, last in zip(times, times[policy.deaths - 1 :], strict=False)]
    assert record.is_broken is any(span < policy.within_s for span in spans)


def test_silence_is_suspected_after_three_seconds_aborted_after_four_killed_after_six() -> None:
    liveness = Liveness(0.0)

    steps = [(now_s, liveness.step(now_s)) for now_s in (2.9, 3.0, 3.9, 4.0, 5.9, 6.0, 60.0)]

    assert [(now_s, step) for now_s, step in steps if step is not None] == [
        (3.0, Silence.SUSPECTED),
        (4.0, Silence.ABORTED),
        (6.0, Silence.KILLED),
    ]
    assert liveness.next_s is None


def test_a_beat_ends_the_suspicion_but_comes_too_late_after_the_abort() -> None:
    liveness = Liveness(0.0)
    liveness.step(3.0)

    liveness.beat(3.5)
    suspicion = liveness.silence
    liveness.step(6.5)
    liveness.step(7.5)
    liveness.beat(8.0)

    assert suspicion is Silence.NONE
    assert liveness.silence is Silence.ABORTED


def test_time_in_which_the_launcher_did_not_run_is_nobodys_silence() -> None:
    liveness = Liveness(0.0)

    liveness.skip(100.0)

    assert liveness.step(102.0) is None
