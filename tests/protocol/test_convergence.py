"""P5: a subscriber ends with each owner's last value, whatever was lost, doubled or out of order on the way."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from framebus.catching_up import AGAIN_S
from framebus.clock import FakeClock
from framebus.codec import Head
from framebus.convergence import Convergence
from framebus.messages import Beacon, CameraState, CameraStatus, Gone
from framebus.testing import FakeBus

TOPIC = "camera/front/"


def head(epoch: int, seq: int, src: str = "capture@front") -> Head:
    return Head(v=1, src=src, epoch=epoch, seq=seq, at_s=1.0, up_s=1.0, host="h")


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5)), min_size=1))
def test_the_greatest_epoch_and_number_win_in_any_order(arrivals: list[tuple[int, int]]) -> None:
    convergence = Convergence()

    accepted = [place for place in arrivals if convergence.accept(TOPIC, head(*place))]

    held = convergence.held[TOPIC]
    assert (held.epoch, held.seq) == max(arrivals)
    assert accepted == sorted(set(accepted))


def test_a_topic_that_was_never_heard_is_behind() -> None:
    convergence = Convergence()
    beacon = Beacon(src="capture@front", epoch=1, topics={TOPIC: 1})

    assert convergence.behind(beacon, lambda topic: True) == [TOPIC]


def test_what_is_held_is_not_behind_its_own_or_an_older_beacon() -> None:
    convergence = Convergence()
    convergence.accept(TOPIC, head(2, 5))

    for epoch, seq in ((2, 5), (2, 4), (1, 99)):
        assert (
            convergence.behind(Beacon(src="capture@front", epoch=epoch, topics={TOPIC: seq}), lambda topic: True) == []
        )


def test_a_beacon_of_the_next_life_shows_what_is_behind_although_its_number_is_smaller() -> None:
    convergence = Convergence()
    convergence.accept(TOPIC, head(2, 500))

    behind = convergence.behind(Beacon(src="capture@front", epoch=3, topics={TOPIC: 1}), lambda topic: True)

    assert behind == [TOPIC]


def test_a_value_is_stale_until_its_publisher_speaks_again() -> None:
    convergence = Convergence()
    convergence.accept(TOPIC, head(1, 1))

    convergence.mark_gone(Gone(src="capture@front", incarnation=1))
    was_stale = convergence.held[TOPIC].is_stale
    convergence.accept(TOPIC, head(2, 1))

    assert was_stale
    assert not convergence.held[TOPIC].is_stale


def test_an_echo_of_the_dead_does_not_make_a_value_fresh() -> None:
    convergence = Convergence()
    convergence.accept(TOPIC, head(1, 7))
    convergence.mark_gone(Gone(src="capture@front", incarnation=1))

    for seq in (6, 7):
        convergence.accept(TOPIC, head(1, seq))

    assert convergence.held[TOPIC].is_stale


def test_the_death_of_one_publisher_leaves_the_values_of_others() -> None:
    convergence = Convergence()
    convergence.accept(TOPIC, head(1, 1, src="ingest"))

    assert convergence.mark_gone(Gone(src="capture@front", incarnation=9)) == []


class Air:
    """What lies between an owner and a reader: loses, doubles and reorders; when it is quiet, all arrives."""

    def __init__(self, rng: random.Random, loss: float) -> None:
        self._rng = rng
        self.loss = loss
        self._waiting: list[list[bytes]] = []

    def take(self, owner: FakeBus) -> None:
        for frames in owner.sent_frames:
            for _ in range(self._rng.choice((1, 1, 2))):
                if self._rng.random() >= self.loss:
                    self._waiting.append(frames)
        owner.sent_frames.clear()
        self._rng.shuffle(self._waiting)

    def deliver(self, reader: FakeBus, count: int | None = None) -> None:
        for frames in self._waiting[:count]:
            reader.receive(frames)
        del self._waiting[:count]


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.floats(0.0, 1.0), st.booleans())
def test_a_reader_ends_with_the_owners_last_values_after_any_loss(seed: int, loss: float, restarts: bool) -> None:
    rng = random.Random(seed)
    clock = FakeClock()
    owner, reader = FakeBus("capture", clock=clock, epoch=1), FakeBus("reader", clock=clock)
    seen: dict[str, float] = {}
    truth: dict[str, float] = {}
    air = Air(rng, loss)
    reader.on(CameraStatus, lambda status: seen.update({status.camera: status.fps_in}))

    for number in range(60):
        if restarts and number == 30:
            air.take(owner)
            owner = FakeBus("capture", clock=clock, epoch=2)
            truth.clear()
        status = camera(f"c{rng.randrange(5)}", float(number))
        truth[status.camera] = status.fps_in
        owner.publish(status)
        if rng.random() < 0.3:
            owner.advance(rng.random() / 3)
            air.take(owner)
            air.deliver(reader, rng.randrange(10))
            ask_again(reader, owner)
    air.take(owner)
    air.loss = 0.0
    owner.advance(0.75)  # quiet: only beacons, and what is asked for because of them, a few at a time
    for _ in range(4):
        air.take(owner)
        air.deliver(reader)
        ask_again(reader, owner)
        reader.advance(AGAIN_S)

    assert {name: seen[name] for name in truth} == truth


def camera(name: str, value: float) -> CameraStatus:
    return CameraStatus(camera=name, state=CameraState.ONLINE, since_at_s=1.0, fps_in=value)


def ask_again(reader: FakeBus, owner: FakeBus) -> None:
    for topic in reader.refreshed:
        owner.receive_subscription(topic)
    reader.refreshed.clear()
