"""The door's memory: a request is done once, however often it is sent, and everybody who asked is answered."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framebus import codec, door
from framebus.door import Promise, Reply, answer_frames
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.kept_answers import KEEP_S, MAX_KEPT, MAX_LARGE_BYTES, MAX_SMALL_BYTES, KeptAnswers
from framebus.requests import Done

ANSWER = [b"head", b"body"]


def test_a_new_request_is_to_be_done() -> None:
    kept = KeptAnswers()

    assert kept.begin(b"id", b"peer", 0.0) is True


def test_a_repeat_of_a_request_in_flight_waits_for_the_same_answer() -> None:
    kept = KeptAnswers()
    kept.begin(b"id", b"first", 0.0)

    again = kept.begin(b"id", b"second", 1.0)

    assert again is False
    assert kept.finish(b"id", ANSWER, 2.0) == [b"first", b"second"]


def test_a_repeat_of_a_finished_request_gets_its_answer() -> None:
    kept = KeptAnswers()
    kept.begin(b"id", b"first", 0.0)
    kept.finish(b"id", ANSWER, 1.0)

    assert kept.begin(b"id", b"second", 1.0 + KEEP_S - 0.1) == ANSWER


def test_an_answer_is_forgotten_after_its_time() -> None:
    kept = KeptAnswers()
    kept.begin(b"id", b"first", 0.0)
    kept.finish(b"id", ANSWER, 1.0)

    assert kept.begin(b"id", b"second", 1.0 + KEEP_S) is True


def test_a_request_that_takes_longer_than_answers_are_kept_is_not_forgotten() -> None:
    kept = KeptAnswers()
    kept.begin(b"slow", b"first", 0.0)

    again = kept.begin(b"slow", b"second", 10 * KEEP_S)

    assert again is False
    assert kept.finish(b"slow", ANSWER, 11 * KEEP_S) == [b"first", b"second"]


def test_no_more_answers_are_kept_than_allowed_and_the_oldest_go_first() -> None:
    kept = KeptAnswers()
    for number in range(MAX_KEPT + 1):
        kept.begin(b"%d" % number, b"peer", 0.0)
        kept.finish(b"%d" % number, ANSWER, 0.0)

    assert kept.begin(b"%d" % MAX_KEPT, b"peer", 0.0) == ANSWER
    assert kept.begin(b"0", b"peer", 0.0) is True


def test_pictures_ten_times_a_second_are_kept_up_to_their_bound_and_drive_out_no_small_answer() -> None:
    kept, picture = KeptAnswers(), [b"head", b"body", bytes(250_000)]
    kept.begin(b"submit", b"peer", 0.0)
    kept.finish(b"submit", ANSWER, 0.0)

    for number in range(290):
        kept.begin(b"%d" % number, b"peer", number / 10)
        kept.finish(b"%d" % number, picture, number / 10)

    assert kept.size_bytes <= MAX_LARGE_BYTES + 100
    assert kept.begin(b"submit", b"again", 29.0) == ANSWER
    assert kept.begin(b"289", b"again", 29.0) == picture
    assert kept.begin(b"280", b"again", 29.0) == picture
    assert kept.begin(b"0", b"again", 29.0) is True


def test_many_middling_answers_are_kept_up_to_their_bound() -> None:
    kept, answer = KeptAnswers(), [b"head", bytes(60_000)]

    for number in range(1_000):
        kept.begin(b"%d" % number, b"peer", 0.0)
        kept.finish(b"%d" % number, answer, 0.0)

    assert kept.size_bytes <= MAX_SMALL_BYTES
    assert kept.begin(b"999", b"again", 0.0) == answer


def test_the_newest_answer_is_kept_however_large() -> None:
    kept, largest = KeptAnswers(), [b"head", bytes(codec.MAX_ANSWER_BYTES + 1_000)]
    for name in (b"one", b"two"):
        kept.begin(name, b"peer", 0.0)
        kept.finish(name, largest, 0.0)

    assert kept.begin(b"two", b"again", 0.0) == largest
    assert kept.begin(b"one", b"again", 0.0) is True


def test_what_is_forgotten_frees_its_bytes() -> None:
    kept = KeptAnswers()
    for number in range(10):
        kept.begin(b"%d" % number, b"peer", 0.0)
        kept.finish(b"%d" % number, [bytes(100_000 if number % 2 else 100)], 0.0)
    held_bytes = kept.size_bytes

    kept.begin(b"later", b"peer", KEEP_S)

    assert held_bytes == 5 * 100_100
    assert kept.size_bytes == 0


def test_promises_that_nobody_settles_do_not_fill_the_memory() -> None:
    kept = KeptAnswers()

    for number in range(3 * MAX_KEPT):
        kept.begin(b"%d" % number, b"peer", 0.0)

    assert kept.finish(b"0", ANSWER, 0.0) == []
    assert kept.finish(b"%d" % (3 * MAX_KEPT - 1), ANSWER, 0.0) == [b"peer"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0.0, 5.0)), max_size=60))
def test_whatever_the_order_each_request_is_begun_once_and_each_peer_answered(
    steps: list[tuple[str, bool, float]],
) -> None:
    kept, now_s = KeptAnswers(), 0.0
    running: set[str] = set()
    asked = answered = 0
    for name, is_finish, pause_s in steps:
        now_s += pause_s
        if is_finish:
            answered += len(kept.finish(name.encode(), ANSWER, now_s))
            running.discard(name)
            continue
        asked += 1
        outcome = kept.begin(name.encode(), b"peer", now_s)
        assert not (outcome is True and name in running)
        answered += outcome == ANSWER
        if outcome is True:
            running.add(name)

    answered += sum(len(kept.finish(name.encode(), ANSWER, now_s)) for name in running)

    assert answered == asked


def test_a_promise_is_settled_once() -> None:
    promise = Promise(b"id", "test", 0.0)
    promise.resolve(Done())

    with pytest.raises(RuntimeError, match="settled once"):
        promise.refuse(RefusedError(ErrorCode.BUSY, "no"))


def test_a_promise_whose_answer_cannot_be_encoded_may_still_be_refused() -> None:
    promise = Promise(b"id", "test", 0.0)

    with pytest.raises(TypeError):
        promise.resolve(object())  # type: ignore[arg-type]

    assert not promise.is_settled


def test_an_answer_larger_than_clients_accept_becomes_an_error() -> None:
    frames = answer_frames(bytes(16), Reply(Done(), bytes(codec.MAX_ANSWER_BYTES)))

    with pytest.raises(RefusedError) as caught:
        door.decode_answer(frames, bytes(16))

    assert caught.value.code is ErrorCode.TOO_LARGE


def test_an_answer_carries_its_blob() -> None:
    frames = answer_frames(bytes(16), Reply(Done(), b"picture"))

    assert door.decode_answer(frames, bytes(16)) == (b"\x80", b"picture")


def test_an_error_text_without_end_is_cut() -> None:
    frames = answer_frames(bytes(16), RefusedError(ErrorCode.BUSY, "x" * 10_000))

    with pytest.raises(RefusedError) as caught:
        door.decode_answer(frames, bytes(16))

    assert len(caught.value.message) == 4_000


@pytest.mark.parametrize("length", range(3_980, 4_000))
def test_an_error_text_holds_no_password_also_where_it_is_cut(length: int) -> None:
    text = f"{'x' * (length - 20)} rtsp://viewer:canary@10.0.0.5/1"

    frames = answer_frames(bytes(16), RefusedError(ErrorCode.BUSY, text))

    assert b"canary" not in frames[1]
    assert b"cana" not in frames[1]


@pytest.mark.parametrize(
    ("changed", "reason", "code"),
    [
        ({"v": 2}, "version", "unsupported_version"),
        ({"id": b"short"}, "head", "bad_request"),
        ({"deadline_s": -1.0}, "head", "bad_request"),
        ({"deadline_s": 3_601.0}, "head", "bad_request"),
        ({"method": "x" * 65}, "head", "bad_request"),
        ({"method": 7}, "head", "bad_request"),
    ],
)
def test_a_request_head_that_is_wrong_is_refused_with_a_code(
    changed: dict[str, object], reason: str, code: str
) -> None:
    head = {"v": 1, "id": bytes(16), "method": "ping", "deadline_s": 1.0, "src": "test"} | changed

    with pytest.raises(MalformedError) as caught:
        door.decode_request([msgspec.msgpack.encode(head), b"\x80"])

    assert caught.value.reason == reason
    assert door.refusal_of(caught.value).code == code
