"""Who lacks retained values asks for a few at a time, again for what does not come, and never at a rate without end."""

import logging

import pytest

from framebus.catching_up import AGAIN_S, AT_ONCE, MAX_TOPICS, MAX_TRIES, CatchingUp
from framebus.clock import FakeClock
from framebus.timers import Handler, Timers


class Trial:
    """A subscriber that lacks values, and what it asked for."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timers = Timers(self.clock, self._run)
        self.asked: list[str] = []
        self.catching_up = CatchingUp(self.timers, self.asked.append)

    def lack(self, count: int, seq: int = 1) -> None:
        for number in range(count):
            self.catching_up.need(f"t{number}", 1, seq)
        self.catching_up.go_on()

    def advance(self, seconds: float) -> None:
        end_s = self.clock.boot_s() + seconds
        while self.clock.boot_s() < end_s - 1e-9:
            self.clock.advance(self.timers.wait_s(end_s - self.clock.boot_s()))
            self.timers.run_due()

    def _run(self, what: str, handler: Handler) -> None:
        logging.debug(what)
        handler()


@pytest.fixture
def trial() -> Trial:
    return Trial()


def test_a_few_are_asked_for_at_once(trial: Trial) -> None:
    trial.lack(20)

    assert trial.asked == [f"t{number}" for number in range(AT_ONCE)]


def test_each_that_arrives_lets_the_next_be_asked_for_at_once(trial: Trial) -> None:
    trial.lack(20)

    for number in range(20):
        trial.catching_up.arrived(f"t{number}", 1, 1)

    assert trial.asked == [f"t{number}" for number in range(20)]


def test_what_does_not_come_is_asked_for_again_after_the_others(trial: Trial) -> None:
    trial.lack(AT_ONCE + 1)
    trial.catching_up.arrived("t1", 1, 1)
    trial.asked.clear()

    trial.advance(AGAIN_S)

    assert sorted(trial.asked) == ["t0", "t2", "t3", "t4"]


def test_an_older_value_is_not_what_was_asked_for(trial: Trial) -> None:
    trial.lack(1, seq=5)
    trial.catching_up.arrived("t0", 1, 4)

    trial.advance(AGAIN_S)

    assert trial.asked == ["t0", "t0"]


def test_a_newer_value_will_do(trial: Trial) -> None:
    trial.lack(1, seq=5)
    trial.catching_up.arrived("t0", 2, 1)

    trial.advance(1.0)

    assert trial.asked == ["t0"]


def test_an_owner_who_is_silent_is_asked_at_a_bounded_rate_until_its_next_beacon(trial: Trial) -> None:
    trial.lack(100)

    trial.advance(1.0)
    in_a_second = len(trial.asked)
    trial.advance(100 * MAX_TRIES * AGAIN_S)
    until_it_gives_up = len(trial.asked)
    trial.advance(10.0)

    assert in_a_second <= AT_ONCE * (round(1.0 / AGAIN_S) + 1)
    assert until_it_gives_up == 100 * MAX_TRIES
    assert len(trial.asked) == until_it_gives_up

    trial.lack(1)

    assert len(trial.asked) == until_it_gives_up + 1


def test_a_beacon_that_names_topics_without_end_does_not_fill_the_memory(trial: Trial) -> None:
    trial.lack(2 * MAX_TOPICS)

    for number in range(2 * MAX_TOPICS):
        trial.catching_up.arrived(f"t{number}", 1, 1)

    assert len(trial.asked) == MAX_TOPICS
