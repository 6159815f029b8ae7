"""Throttles that never lose the last value, and back-offs that end at their ceiling."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framebus.throttle import Throttle, backoff_s

PAUSES = st.lists(st.floats(0.0, 3.0), min_size=1, max_size=50)


def play(pauses: list[float], period_s: float = 1.0) -> tuple[list[tuple[float, int]], int]:
    """What is told, and when, if a new value comes after each pause; then a quiet end."""
    throttle, now_s, told = Throttle(period_s), 100.0, list[tuple[float, int]]()
    value = 0

    def release_until(end_s: float) -> None:
        while throttle.due_at_s is not None and throttle.due_at_s <= end_s:
            at_s = throttle.due_at_s
            assert throttle.is_due(at_s)
            throttle.release(at_s)
            told.append((at_s, value))

    for pause_s in pauses:
        now_s += pause_s
        release_until(now_s)
        value += 1
        throttle.note(now_s)
        release_until(now_s)
    release_until(now_s + period_s)
    return told, value


@given(PAUSES)
def test_the_last_value_is_always_told(pauses: list[float]) -> None:
    told, last = play(pauses)

    assert told[-1][1] == last


@given(PAUSES)
def test_values_are_told_at_most_once_a_period(pauses: list[float]) -> None:
    told, _ = play(pauses)

    times = [at_s for at_s, _ in told]
    assert all(later - earlier >= 1.0 - 1e-9 for earlier, later in itertools.pairwise(times))


@given(PAUSES)
def test_the_first_value_is_told_at_once(pauses: list[float]) -> None:
    told, _ = play(pauses)

    assert told[0] == (100.0 + pauses[0], 1)


def test_nothing_new_is_never_due() -> None:
    throttle = Throttle(1.0)
    throttle.note(0.0)
    throttle.release(0.0)

    assert not throttle.is_due(1e9)


def test_a_value_after_a_long_silence_does_not_wait() -> None:
    throttle = Throttle(1.0)
    throttle.note(0.0)
    throttle.release(0.0)

    throttle.note(50.0)

    assert throttle.due_at_s == 50.0


def test_waits_grow_up_to_their_ceiling() -> None:
    waits = [backoff_s(n, base_s=0.1, limit_s=30.0, jitter=0.0) for n in range(1, 12)]

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.1, 30.0)


@given(st.integers(0, 10**6), st.floats(0.0, 1.0))
def test_jitter_stays_within_its_share(failures: int, drawn: float) -> None:
    exact = backoff_s(failures, base_s=1.0, limit_s=30.0, jitter=0.0)

    wait_s = backoff_s(failures, base_s=1.0, limit_s=30.0, jitter=0.2, rng=lambda: drawn)

    assert wait_s == pytest.approx(exact, rel=0.2001)
