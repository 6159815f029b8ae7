"""What a service may rely on: handlers, timers, retained values, requests; all in memory."""

import itertools
from collections.abc import Callable

import msgpack
import pytest

from framebus import codec, door
from framebus.bus import MAX_SEQS
from framebus.codec import News, RequestHead
from framebus.door import Promise, Reply
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import (
    NIL,
    CameraState,
    CameraStatus,
    ConfigChanged,
    Finding,
    FrameNotice,
    Gone,
    ServiceStats,
    UploadEvent,
    UploadOutcome,
)
from framebus.requests import Done, GetJob, ListJobs, Ping, Pong, Snapshot, TakeSnapshot
from framebus.retained import MAX_BEACON_TOPICS, REPLAY_AT_ONCE, REPLAY_EVERY_S
from framebus.testing import FakeBus
from framebus.topics import topic_of
from protocol.noticed import notice


def camera(name: str = "front", fps: float = 5.0) -> CameraStatus:
    return CameraStatus(camera=name, state=CameraState.ONLINE, since_at_s=1.0, fps_in=fps)


def finding(name: str = "front", label: str = "dark") -> Finding:
    return Finding(processor="brightness", camera=name, label=label)


def wire(message: Finding | CameraStatus | FrameNotice, seq: int = 1, epoch: int = 1) -> list[bytes]:
    """The frames of a message as another process sends them."""
    sender = FakeBus("sender", epoch=epoch)
    for _ in range(seq):
        sender.publish(message)
    return sender.sent_frames[-1]


# News ---------------------------------------------------------------------------------------------------------------


def test_a_handler_gets_the_messages_of_its_type_only() -> None:
    bus = FakeBus()
    got: list[Finding] = []
    bus.on(Finding, got.append)

    bus.deliver(camera())
    bus.deliver(finding())

    assert got == [finding()]


def test_a_handler_may_ask_for_some_fields_only() -> None:
    bus = FakeBus()
    got: list[Finding] = []
    bus.on(Finding, got.append, camera="front")

    bus.deliver(finding("back"))
    bus.deliver(finding("front"))

    assert got == [finding("front")]


def test_a_field_that_the_message_does_not_have_is_refused_at_once() -> None:
    bus = FakeBus()

    with pytest.raises(TypeError, match="Finding has no field 'cam'; it has processor, camera"):
        bus.on(Finding, print, cam="front")


@pytest.mark.parametrize(
    ("only", "prefix"),
    [
        ({}, "finding/"),
        ({"processor": "counter"}, "finding/counter/"),
        ({"processor": "counter", "camera": "front"}, "finding/counter/front/"),
        ({"camera": "front"}, "finding/"),
    ],
)
def test_a_subscription_is_as_narrow_as_the_given_fields_allow(only: dict[str, str], prefix: str) -> None:
    assert topic_of(Finding).prefix_for(only) == prefix


def test_a_blob_comes_with_its_news() -> None:
    bus = FakeBus()
    got: list[News] = []
    bus.on_news("finding/", got.append)

    bus.deliver(finding(), blob=b"jpeg")

    assert got[0].blob == b"jpeg"


def test_each_topic_is_counted_from_one_for_itself() -> None:
    bus = FakeBus()

    for message in (finding("front"), finding("back"), finding("front")):
        bus.publish(message)

    heads = [codec.decode_news(frames).head for frames in bus.sent_frames]
    assert [head.seq for head in heads] == [1, 1, 2]
    assert {(head.src, head.epoch) for head in heads} == {("test", 1)}


def test_counts_of_topics_without_end_do_not_fill_the_memory() -> None:
    bus = FakeBus()
    bus.publish(camera())

    for number in range(MAX_SEQS + 100):
        bus.publish(Finding(processor="p", camera=f"c{number}", label="x"))
    bus.publish(camera())

    assert len(bus._seqs) <= MAX_SEQS
    assert codec.decode_news(bus.sent_frames[-1]).head.seq == 2


def test_only_the_newest_frame_of_those_that_wait_is_handed_out() -> None:
    bus = FakeBus()
    got: list[int] = []
    bus.on(FrameNotice, lambda notice: got.append(notice.number))

    for number in (1, 2, 3):
        bus.receive(wire(notice(number)))
    bus.flush_latest()

    assert got == [3]
    assert bus.stats.counters["dropped.stale_notice"] == 2


def test_the_newest_frame_is_kept_for_each_camera() -> None:
    bus = FakeBus()
    got: list[tuple[str, int]] = []
    bus.on(FrameNotice, lambda notice: got.append((notice.camera, notice.number)))

    for number, name in ((1, "front"), (7, "back"), (2, "front")):
        bus.receive(wire(notice(number, name)))
    bus.flush_latest()

    assert sorted(got) == [("back", 7), ("front", 2)]


@pytest.mark.parametrize(
    ("frames", "counter"),
    [
        ([b"junk"], "malformed.news.frames"),
        ([b"nothing/at/all/", b"", b""], "malformed.news.topic"),
        ([b"gone/export/", b"\xc1", b""], "malformed.news.head"),
    ],
)
def test_malformed_news_is_counted_by_reason(frames: list[bytes], counter: str) -> None:
    bus = FakeBus()

    for _ in range(3):
        bus.receive(frames)

    assert bus.stats.counters[counter] == 3


def test_a_malformed_body_is_counted_when_somebody_wants_it() -> None:
    bus = FakeBus()
    bus.on(Finding, print)
    topic, head, _ = wire(finding())

    bus.receive([topic, head, b"\x80"])

    assert bus.stats.counters["malformed.news.body"] == 1


def test_malformed_news_is_logged_once_and_then_only_counted(caplog: pytest.LogCaptureFixture) -> None:
    bus = FakeBus()

    for _ in range(100):
        bus.receive([b"rtsp://user:s3cret@host/", b"", b""])

    assert len(caplog.records) == 1
    assert "s3cret" not in caplog.text


# Time ---------------------------------------------------------------------------------------------------------------


def test_timers_fire_in_the_order_of_their_times() -> None:
    bus = FakeBus()
    fired: list[str] = []
    bus.after(3.0, lambda: fired.append("third"))
    bus.after(1.0, lambda: fired.append("first"))
    bus.after(2.0, lambda: fired.append("second"))

    bus.advance(seconds=2.5)

    assert fired == ["first", "second"]


def test_timers_of_the_same_time_fire_in_the_order_of_their_making() -> None:
    bus = FakeBus()
    fired: list[int] = []
    for number in range(20):
        bus.after(1.0, lambda number=number: fired.append(number))  # type: ignore[misc]

    bus.advance(seconds=1.0)

    assert fired == list(range(20))


def test_a_periodic_timer_fires_each_period_and_keeps_its_beat() -> None:
    bus = FakeBus()
    start_s = bus.clock.boot_s()
    fired: list[float] = []
    bus.every(0.5, lambda: fired.append(bus.clock.boot_s() - start_s))

    bus.advance(seconds=2.0)

    assert fired == pytest.approx([0.5, 1.0, 1.5, 2.0])


def test_periods_of_whole_seconds_that_began_at_different_times_end_together() -> None:
    bus = FakeBus()
    start_s = bus.clock.boot_s()
    fired: list[float] = []
    bus.every(1.0, lambda: fired.append(bus.clock.boot_s() - start_s))
    bus.advance(seconds=0.3)
    bus.every(1.0, lambda: fired.append(bus.clock.boot_s() - start_s))

    bus.advance(seconds=2.7)

    assert fired == pytest.approx([1.0, 2.0, 2.0, 3.0, 3.0])


def test_a_periodic_timer_does_not_make_up_for_a_long_sleep() -> None:
    bus = FakeBus()
    fired: list[int] = []
    bus.every(1.0, lambda: fired.append(1))

    bus.fake_clock.advance(3_600.0)
    bus.run_due()

    assert len(fired) <= 2


def test_a_cancelled_timer_never_fires() -> None:
    bus = FakeBus()
    fired: list[int] = []
    timer = bus.every(1.0, lambda: fired.append(1))

    bus.advance(seconds=1.0)
    timer.cancel()
    bus.advance(seconds=5.0)

    assert fired == [1]


@pytest.mark.parametrize("period_s", [0.0, -1.0])
def test_a_period_of_no_time_is_refused(period_s: float) -> None:
    bus = FakeBus()

    with pytest.raises(ValueError, match="greater than 0 s"):
        bus.every(period_s, print)


def test_a_jump_of_the_wall_clock_moves_no_timer() -> None:
    bus = FakeBus()
    fired: list[int] = []
    bus.after(10.0, lambda: fired.append(1))

    bus.fake_clock.jump_wall(86_400.0)
    bus.advance(seconds=9.9)

    assert fired == []


# Retained values ----------------------------------------------------------------------------------------------------


def test_a_subscription_brings_the_last_value_byte_for_byte() -> None:
    bus = FakeBus()
    bus.publish(camera(fps=1.0))
    bus.publish(camera(fps=2.0))
    last = bus.sent_frames[-1]

    bus.receive_subscription("camera/")

    assert bus.sent_frames[-1] == last
    assert len(bus.sent_frames) == 3


@pytest.mark.parametrize(
    ("prefix", "count"), [("", 2), ("camera/", 2), ("camera/front/", 1), ("camera/fro", 1), ("x", 0)]
)
def test_a_subscription_brings_what_is_under_its_prefix(prefix: str, count: int) -> None:
    bus = FakeBus()
    for message in (camera("front"), camera("back"), finding()):
        bus.publish(message)
    bus.sent_frames.clear()

    bus.receive_subscription(prefix)

    assert len(bus.sent_frames) == count


def test_many_values_are_sent_in_lots_and_each_once() -> None:
    bus = FakeBus()
    for number in range(2 * REPLAY_AT_ONCE + 1):
        bus.publish(camera(f"c{number}"))
    bus.sent_frames.clear()

    bus.receive_subscription("camera/")
    bus.receive_subscription("camera/")
    at_once = len(bus.sent_frames)
    bus.advance(seconds=4 * REPLAY_EVERY_S)

    assert at_once == REPLAY_AT_ONCE
    assert 2 * REPLAY_AT_ONCE + 1 <= len(bus.sent_frames) <= 3 * REPLAY_AT_ONCE + 1


def test_a_value_that_changes_while_it_waits_for_its_lot_is_sent_as_it_is_then() -> None:
    bus = FakeBus()
    for number in range(REPLAY_AT_ONCE + 1):
        bus.publish(camera(f"c{number}"))
    bus.receive_subscription("camera/")

    bus.publish(camera(f"c{REPLAY_AT_ONCE}", fps=9.0))
    newest = bus.sent_frames[-1]
    bus.advance(seconds=REPLAY_EVERY_S)

    assert bus.sent_frames[-1] == newest


def beacons(bus: FakeBus) -> list[dict[str, int]]:
    news = [codec.decode_news(frames) for frames in bus.sent_frames]
    return [msgpack.unpackb(item.body)["topics"] for item in news if item.row.prefix == "beacon/"]


def test_a_beacon_tells_the_newest_number_soon_after_a_change_and_then_each_second() -> None:
    bus = FakeBus()
    bus.publish(camera())
    bus.publish(camera())

    bus.advance(seconds=0.25)
    soon = beacons(bus)
    bus.advance(seconds=2.0)

    assert soon == [{"camera/front/": 2}]
    assert len(beacons(bus)) == 4


def test_a_value_that_is_said_again_makes_no_beacon_of_its_own_and_the_next_one_names_it() -> None:
    bus = FakeBus()
    bus.publish(camera())
    bus.advance(seconds=2.5)
    before = len(beacons(bus))

    bus.publish(camera())
    bus.advance(seconds=0.4)
    soon = beacons(bus)[before:]
    bus.advance(seconds=0.1)

    assert soon == []
    assert beacons(bus)[before:] == [{"camera/front/": 2}]


def test_a_beacon_that_is_due_soon_is_not_taken_back_when_the_value_is_said_again() -> None:
    bus = FakeBus()
    bus.publish(camera(fps=1.0))
    bus.advance(seconds=2.5)
    before = len(beacons(bus))

    bus.publish(camera(fps=2.0))
    bus.publish(camera(fps=2.0))
    bus.advance(seconds=0.25)

    assert beacons(bus)[before:] == [{"camera/front/": 3}]


def test_the_beacons_of_each_second_come_at_whole_seconds_whenever_the_change_was() -> None:
    bus = FakeBus()
    start_s = bus.clock.boot_s()
    bus.advance(seconds=0.4)
    bus.publish(camera())

    bus.advance(seconds=3.0)

    news = [codec.decode_news(frames) for frames in bus.sent_frames]
    told_s = [one.head.up_s - start_s for one in news if one.row.prefix == "beacon/"]
    assert told_s == pytest.approx([0.65, 1.15, 2.0, 3.0])


def test_changes_without_pause_do_not_put_the_beacon_off() -> None:
    bus, rates = FakeBus(), itertools.count()
    bus.every(0.01, lambda: bus.publish(camera(fps=next(rates))))

    bus.advance(seconds=1.3)

    assert len(beacons(bus)) >= 4


def test_beacons_of_many_topics_are_several_messages() -> None:
    bus = FakeBus()
    for number in range(MAX_BEACON_TOPICS + 1):
        bus.publish(camera(f"c{number}"))

    bus.advance(seconds=0.25)

    assert sorted(len(topics) for topics in beacons(bus)) == [1, MAX_BEACON_TOPICS]


def test_who_owns_no_retained_topic_sends_no_beacon() -> None:
    bus = FakeBus()
    bus.publish(finding())

    bus.advance(seconds=5.0)

    assert beacons(bus) == []


def test_a_message_of_a_retained_topic_that_is_not_newer_is_not_handed_out() -> None:
    bus = FakeBus()
    got: list[float] = []
    bus.on(CameraStatus, lambda status: got.append(status.fps_in))

    bus.deliver(camera(fps=1.0), epoch=2, seq=5)
    bus.deliver(camera(fps=2.0), epoch=2, seq=5)
    bus.deliver(camera(fps=3.0), epoch=1, seq=9)
    bus.deliver(camera(fps=4.0), epoch=3, seq=1)

    assert got == [1.0, 4.0]


def test_a_handler_that_comes_later_gets_the_value_that_is_held() -> None:
    bus = FakeBus()
    got: list[float] = []
    bus.on(CameraStatus, lambda status: None)
    bus.deliver(camera(fps=3.0))

    bus.on(CameraStatus, lambda status: got.append(status.fps_in), camera="front")
    bus.settle()

    assert got == [3.0]


def test_who_is_behind_a_beacon_asks_again_for_exactly_that_topic() -> None:
    owner, reader = FakeBus("owner"), FakeBus("reader")
    reader.on(CameraStatus, print)
    owner.publish(camera("front"))
    owner.publish(camera("back"))
    reader.receive(owner.sent_frames[0])

    owner.advance(seconds=0.25)
    reader.receive(owner.sent_frames[-1])

    assert reader.refreshed == ["camera/back/"]


def test_who_does_not_want_a_topic_does_not_ask_for_it() -> None:
    owner, reader = FakeBus("owner"), FakeBus("reader")
    reader.on(CameraStatus, print, camera="front")
    owner.publish(camera("back"))

    owner.advance(seconds=0.25)
    reader.receive(owner.sent_frames[-1])

    assert reader.refreshed == []


@pytest.mark.parametrize("prefix", ["", "camera/", "camera/front/", "c", "s"])
def test_who_follows_retained_topics_hears_beacons_and_deaths(prefix: str) -> None:
    bus = FakeBus()

    bus.on_news(prefix, print)

    assert set(bus.subscriptions) == {prefix, "gone/", "beacon/"}


@pytest.mark.parametrize(
    ("prefix", "owner"), [("config/", "launcher"), ("config/cameras/", "launcher"), ("job", "dispatcher")]
)
def test_who_follows_what_one_service_alone_says_hears_only_its_beacons(prefix: str, owner: str) -> None:
    bus = FakeBus()

    bus.on_news(prefix, print)

    assert set(bus.subscriptions) == {prefix, "gone/", f"beacon/{owner}"}


@pytest.mark.parametrize("prefix", ["frame/", "finding/counter/front/"])
def test_who_follows_no_retained_topic_hears_no_beacons(prefix: str) -> None:
    bus = FakeBus()

    bus.on_news(prefix, print)

    assert bus.subscriptions == [prefix]


def test_the_values_of_a_dead_publisher_are_marked_stale_once() -> None:
    bus = FakeBus()
    stale: list[str] = []
    bus.on(CameraStatus, lambda status: None)
    bus.on_stale(stale.append)
    bus.deliver(camera("front"), src="capture@front", epoch=5)
    bus.deliver(camera("back"), src="capture@back", epoch=5)

    bus.deliver(Gone(src="capture@front", incarnation=5), src="dispatcher")
    bus.deliver(Gone(src="capture@front", incarnation=5), src="dispatcher")

    assert stale == ["camera/front/"]


def test_the_death_of_an_earlier_life_marks_nothing() -> None:
    bus = FakeBus()
    stale: list[str] = []
    bus.on(CameraStatus, lambda status: None)
    bus.on_stale(stale.append)
    bus.deliver(camera(), src="capture@front", epoch=6)

    bus.deliver(Gone(src="capture@front", incarnation=5), src="dispatcher")

    assert stale == []


# Requests -----------------------------------------------------------------------------------------------------------


def test_a_request_is_answered_with_what_the_handler_returns() -> None:
    bus = FakeBus()
    pong = Pong(name="test", pid=1, epoch=1, version="1")
    bus.answer(Ping, lambda _: pong)

    assert bus.request(Ping()) == pong


def test_an_answer_may_carry_a_blob() -> None:
    bus = FakeBus()
    snapshot = Snapshot(camera="front", number=1, captured_at_s=1.0, width=4, height=2)
    bus.answer(TakeSnapshot, lambda _: Reply(snapshot, b"jpeg"))

    take = bus.begin_request(TakeSnapshot())

    assert take() == (codec.encode(snapshot), b"jpeg")


def test_a_refusal_of_the_handler_is_the_answer() -> None:
    bus = FakeBus()

    def refuse(_: Ping) -> Pong:
        raise RefusedError(ErrorCode.BUSY, "try later", retry_after_s=2.0)

    bus.answer(Ping, refuse)

    with pytest.raises(RefusedError) as caught:
        bus.request(Ping())

    assert (caught.value.code, caught.value.retry_after_s) == (ErrorCode.BUSY, 2.0)


def test_a_handler_that_raises_is_answered_as_internal_with_an_incident_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = FakeBus()

    def fail(_: Ping) -> Pong:
        raise KeyError("rtsp://user:s3cret@host")

    bus.answer(Ping, fail)

    with pytest.raises(RefusedError) as caught:
        bus.request(Ping())

    incident = caught.value.message.split()[-1]
    assert caught.value.code is ErrorCode.INTERNAL
    assert "s3cret" not in caught.value.message
    assert incident in caplog.text
    assert bus.stats.counters["errors.request"] == 1


def test_a_handler_that_returns_no_answer_is_answered_as_internal() -> None:
    bus = FakeBus()
    bus.answer(Ping, lambda _: object())  # type: ignore[arg-type,return-value]

    with pytest.raises(RefusedError) as caught:
        bus.request(Ping())

    assert caught.value.code is ErrorCode.INTERNAL


def test_a_handler_that_refuses_what_it_has_answered_does_not_stop_the_service() -> None:
    bus = FakeBus()

    def twice(_: Ping, promise: Promise) -> None:
        promise.resolve(Done())
        raise RefusedError(ErrorCode.BUSY, "on second thoughts")

    bus.answer_later(Ping, twice)

    answer = bus.begin_request(Ping())()

    assert answer == (b"\x80", None)
    assert bus.stats.counters["errors.request"] == 1


def test_a_promise_is_answered_when_it_is_settled() -> None:
    bus = FakeBus()
    promises: list[Promise] = []
    bus.answer_later(Ping, lambda _, promise: promises.append(promise))

    take = bus.begin_request(Ping(), deadline_s=3.0)
    before = take()
    promises[0].resolve(Done())

    assert before is None
    assert take() == (b"\x80", None)
    assert promises[0].until_s == bus.clock.boot_s() + 3.0


def test_a_repeat_of_a_request_runs_once_and_gets_the_same_answer() -> None:
    bus = FakeBus()
    runs: list[int] = []

    def count(_: Ping) -> Pong:
        runs.append(1)
        return Pong(name="test", pid=len(runs), epoch=1, version="1")

    bus.answer(Ping, count)

    answers = [bus.request(Ping(), request_id=b"r" * 16) for _ in range(3)]

    assert len(runs) == 1
    assert len(set(answers)) == 1
    assert bus.stats.counters["requests.repeated"] == 2


def test_a_repeat_of_a_request_in_flight_runs_once_and_all_are_answered() -> None:
    bus = FakeBus()
    promises: list[Promise] = []
    bus.answer_later(Ping, lambda _, promise: promises.append(promise))

    takes = [bus.begin_request(Ping(), request_id=b"r" * 16) for _ in range(3)]
    promises[0].resolve(Done())

    assert len(promises) == 1
    assert [take() for take in takes] == 3 * [(b"\x80", None)]


def test_an_unknown_method_is_refused_and_the_known_ones_are_named() -> None:
    bus = FakeBus("export")
    bus.answer(Ping, print)

    with pytest.raises(RefusedError, match=r"export has no method 'job\.get'; it has ping") as caught:
        bus.request(GetJob(id="0" * 32))

    assert caught.value.code is ErrorCode.UNKNOWN_METHOD


def ask_raw(bus: FakeBus, body: bytes, method: str = "job.list") -> Callable[[], object]:
    head = RequestHead(v=1, id=b"q" * 16, method=method, deadline_s=1.0, src="test")
    bus.receive_request(b"peer", [codec.encode(head), body])
    return lambda: bus._take_answer(b"peer", head.id)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"limitt": 5}, "limitt"),
        ({"limit": 0}, r"\$\.limit"),
        ({"camera": 7}, r"\$\.camera"),
        ({"state": "x"}, "state"),
    ],
)
def test_a_typo_or_a_wrong_value_is_refused_with_its_path(body: dict[str, object], said: str) -> None:
    bus = FakeBus()
    bus.answer(ListJobs, print)

    take = ask_raw(bus, msgpack.packb(body))

    with pytest.raises(RefusedError, match=said) as caught:
        take()
    assert caught.value.code is ErrorCode.BAD_REQUEST


def test_bytes_that_are_no_request_are_answered_too() -> None:
    bus = FakeBus()

    bus.receive_request(b"peer", [b"GET / HTTP/1.1"])

    with pytest.raises(RefusedError, match="a request has 2 frames, not 1"):
        bus._take_answer(b"peer", b"any")
    assert bus.stats.counters["malformed.request.frames"] == 1


def test_a_body_that_is_too_large_is_refused_as_such() -> None:
    bus = FakeBus()
    bus.answer(ListJobs, print)

    take = ask_raw(bus, bytes(codec.MAX_REQUEST_BYTES + 1))

    with pytest.raises(RefusedError) as caught:
        bus._take_answer(b"peer", b"q" * 16)
    assert caught.value.code is ErrorCode.TOO_LARGE
    assert take() is None


def test_an_answer_that_found_nobody_is_told_to_who_made_it() -> None:
    class Deaf(FakeBus):
        def _send_answer(self, peer: bytes, frames: door.Frames) -> bool:
            return False

    bus = Deaf()
    undelivered: list[bool] = []

    def answer(_: Ping, promise: Promise) -> None:
        promise.on_undelivered = lambda: undelivered.append(promise.is_settled)
        promise.resolve(Done())

    bus.answer_later(Ping, answer)
    bus.begin_request(Ping())

    assert undelivered == [True]


def test_a_type_without_a_row_cannot_be_told_or_asked() -> None:
    bus = FakeBus()

    with pytest.raises(TypeError, match="has no topic"):
        bus.publish(Done())
    with pytest.raises(TypeError, match="no request of the table"):
        bus.answer(Done, print)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "topic"),
    [
        (camera(), "camera/front/"),
        (finding(), "finding/brightness/front/"),
        (UploadEvent(camera="front", path="a", outcome=UploadOutcome.ACCEPTED), "upload/front/"),
        (ServiceStats(name="capture@front"), "stats/capture@front/"),
        (ConfigChanged(section="cameras", revision=1, value=NIL), "config/cameras/"),
    ],
)
def test_a_message_goes_out_under_its_topic(message: Finding, topic: str) -> None:
    bus = FakeBus()

    bus.publish(message, b"blob")

    assert bus.sent_frames[-1][0] == topic.encode()
    assert bus.sent_blobs == [b"blob"]
