"""A tape told again: new lives in the old order, so that everybody takes it; losses and delays by a seed."""

from typing import Any

import msgspec
import pytest

from framebus import codec
from framebus.codec import Head, News
from framebus.messages import Beacon, CameraState, CameraStatus, Finding, Gone, Message
from framebus.retelling import MAX_TOPICS, Cast, Retelling, Weather, read_cast
from framebus.tape import Taped, TapeError
from framebus.testing import FakeBus
from framebus.topics import topic_of

NOW = 2_000_000


def taped(message: Message, *, src: str = "capture@front", epoch: int = 5, seq: int = 1, up_s: float = 10.0) -> Taped:
    head = Head(v=1, src=src, epoch=epoch, seq=seq, at_s=1_000.0, up_s=up_s - 0.25, host="oldhost1")
    return Taped(up_s, codec.encode_news(topic_of(type(message)).name(message), head, message))


def camera(fps_in: float) -> CameraStatus:
    return CameraStatus(camera="front", state=CameraState.ONLINE, since_at_s=1.0, fps_in=fps_in)


def retell(*tape: Taped) -> tuple[Retelling, list[News]]:
    retelling = Retelling(read_cast(tape, [""]), tape_host="oldhost1", host="newhost1", epoch=NOW)
    return retelling, [codec.decode_news(retelling.tell(one, at_s=9_000.0, up_s=500.0)) for one in tape]


def test_lives_become_new_ones_in_their_order_also_when_a_dead_ones_words_come_late() -> None:
    tape = [taped(camera(1.0), epoch=7), taped(camera(2.0), epoch=90), taped(camera(3.0), epoch=7, seq=2)]

    _, told = retell(*tape)

    assert [news.head.epoch for news in told] == [NOW - 1, NOW, NOW - 1]


def test_a_receiver_that_holds_the_old_words_takes_the_new_ones() -> None:
    bus = FakeBus()
    heard: list[float] = []
    bus.on(CameraStatus, lambda status: heard.append(status.fps_in))
    bus.deliver(camera(0.5), src="capture@front", epoch=5, seq=100)
    retelling, _ = retell(taped(camera(1.0)), taped(camera(2.0), seq=2))

    for one in (taped(camera(1.0)), taped(camera(2.0), seq=2)):
        bus.receive(retelling.tell(one, at_s=9_000.0, up_s=500.0))

    assert heard == [0.5, 1.0, 2.0]


def test_numbers_stay_and_times_are_of_now_with_the_age_that_the_message_had() -> None:
    _, told = retell(taped(camera(1.0), seq=41))

    head = told[0].head
    assert (head.seq, head.up_s, head.at_s, head.host) == (41, 499.75, 8_999.75, "newhost1")


def test_beacons_and_deaths_name_the_new_lives() -> None:
    beacon = Beacon(src="capture@front", epoch=7, topics={"camera/front/": 1})
    gone = Gone(src="capture@front", incarnation=8)
    tape = [taped(camera(1.0), epoch=7), taped(beacon, epoch=7), taped(gone, src="dispatcher")]

    _, told = retell(*tape)

    assert codec.decode_body(told[1].body, Beacon).epoch == NOW
    assert codec.decode_body(told[2].body, Gone).incarnation == NOW


def test_a_death_before_all_that_speaks_makes_nothing_stale() -> None:
    tape = [taped(Gone(src="capture@front", incarnation=3), src="dispatcher"), taped(camera(1.0), epoch=7)]

    _, told = retell(*tape)

    assert codec.decode_body(told[0].body, Gone).incarnation < NOW - 1_000


def test_the_last_value_of_each_retained_topic_is_kept_for_who_asks_late_and_named_by_a_beacon() -> None:
    found = Finding(processor="p", camera="front", label="x")
    late = taped(camera(9.0), epoch=4, seq=50)
    retelling, _ = retell(taped(camera(1.0)), taped(camera(2.0), seq=2), taped(found), late)

    assert retelling.kept("") == ["camera/front/"]
    assert codec.decode_news(retelling.last("camera/front/")).head.seq == 2
    beacon = codec.decode_news(retelling.beacons(9_000.0, 500.0)[0])
    assert beacon.topic == "beacon/capture@front/"
    assert codec.decode_body(beacon.body, Beacon).topics == {"camera/front/": 2}


@pytest.mark.parametrize("frames", [[], [b"x"], [b"camera/front/", b"\xc1", b""], [b"nothing/", b"", b""]])
def test_what_is_malformed_is_told_as_it_came(frames: list[bytes]) -> None:
    retelling = Retelling(Cast(), tape_host="oldhost1", host="newhost1", epoch=NOW)

    assert retelling.tell(Taped(1.0, frames), at_s=1.0, up_s=1.0) == frames


def test_who_is_alive_of_a_tape_is_told_but_for_the_dispatcher() -> None:
    tape = [taped(camera(1.0)), taped(camera(1.0), src="dispatcher")]

    cast = read_cast(tape, [""])

    assert cast.alive(["dispatcher", "capture@front", "enrich"]) == ["capture@front"]
    assert (cast.messages, cast.duration_s) == (2, 0.0)


def test_a_tape_of_more_topics_than_a_group_has_is_refused_not_held() -> None:
    cast = Cast(topics={f"camera/c{number}/" for number in range(MAX_TOPICS)})

    with pytest.raises(TapeError, match="name topics"):
        cast.note(taped(camera(1.0)))


def fate(**weather: Any) -> list[float | None]:
    made = Weather(**weather)
    return [made.due_s(b"a/", float(number)) for number in range(10_000)]


def test_as_many_are_lost_as_was_asked_for_and_the_same_ones_with_the_same_seed() -> None:
    lost = [due is None for due in fate(loss=0.1, seed=7)]

    assert 900 < sum(lost) < 1_100
    assert lost == [due is None for due in fate(loss=0.1, seed=7)]
    assert lost != [due is None for due in fate(loss=0.1, seed=8)]
    assert sum(due is None for due in fate(loss=0.0)) == 0
    assert sum(due is None for due in fate(loss=1.0)) == 10_000


def test_delays_lie_between_none_and_the_most_and_a_row_never_overtakes_itself() -> None:
    weather = Weather(delay_s=5.0, seed=1)

    dues = [(now_s, weather.due_s(b"a/", now_s)) for now_s in (number * 0.01 for number in range(5_000))]
    late = [due - now_s for now_s, due in dues if due is not None]

    assert min(late) >= 0.0
    assert max(late) <= 5.0
    assert [due for _, due in dues] == sorted(due for _, due in dues if due is not None)


def test_delays_do_not_change_what_is_lost() -> None:
    assert [due is None for due in fate(loss=0.3, seed=2)] == [
        due is None for due in fate(loss=0.3, delay_s=1.0, seed=2)
    ]


def test_the_body_of_other_news_is_told_byte_for_byte() -> None:
    message = taped(Finding(processor="p", camera="front", label="x", value=0.1))
    _, told = retell(message)

    assert told[0].body == message.frames[2]
    assert msgspec.msgpack.decode(told[0].body)["value"] == 0.1
