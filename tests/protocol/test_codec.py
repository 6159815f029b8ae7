"""Bytes and values: what is said is what is read, and what is no message is refused with its reason."""

import contextlib
import math
import sys
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framebus import codec, door, messages, requests, topics
from framebus.codec import ErrorBody, Head
from framebus.errors import MalformedError, RefusedError
from framebus.messages import CameraState, CameraStatus, Gone, JobBoard, Message
from protocol.strategies import values
from spec.samples import sample, structs, whole_messages

KINDS = [kind for _, kind in structs()]
BODIES = [row.body for row in topics.TOPICS]
HEAD = Head(v=1, src="export", epoch=1, seq=1, at_s=1.0, up_s=1.0, host="0123abcd")
GONE = codec.encode(Gone(src="export", incarnation=1))


def frames(*, topic: bytes = b"gone/export/", head: bytes | None = None, body: bytes = GONE) -> list[bytes]:
    return [topic, head if head is not None else codec.encode(HEAD), body]


def head_with(**changed: object) -> bytes:
    return codec.encode(msgspec.to_builtins(HEAD) | changed)


def reason_of(parts: list[bytes]) -> str:
    with pytest.raises(MalformedError) as caught:
        codec.decode_news(parts)
    return caught.value.reason


@settings(max_examples=400)
@given(st.sampled_from(KINDS).flatmap(values))
def test_whatever_is_encoded_is_decoded_to_the_same(value: Any) -> None:
    assert codec.decode_body(codec.encode(value), type(value)) == value


@settings(max_examples=100)
@given(st.sampled_from(BODIES).flatmap(values), values(Head), st.none() | st.binary(max_size=50))
def test_news_is_read_as_it_was_told(body: Message, head: Head, blob: bytes | None) -> None:
    topic = "gone/export/"
    head = msgspec.structs.replace(head, v=1)

    news = codec.decode_news(codec.encode_news(topic, head, body, blob))

    assert (news.topic, news.head, news.body, news.blob) == (topic, head, codec.encode(body), blob)


@settings(max_examples=500)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_random_frames_are_malformed_news_and_nothing_worse(parts: list[bytes]) -> None:
    with pytest.raises(MalformedError):
        codec.decode_news(parts)


@settings(max_examples=500)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_random_frames_are_malformed_requests_and_answers_and_nothing_worse(parts: list[bytes]) -> None:
    with pytest.raises(MalformedError):
        door.decode_request(parts)
    with pytest.raises(MalformedError):
        door.decode_answer(parts, bytes(16))


@settings(max_examples=500)
@given(st.sampled_from(KINDS), st.binary(max_size=200))
def test_random_bytes_as_any_body_are_read_or_malformed(kind: Any, data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        codec.decode_body(data, kind)


@settings(max_examples=1_000)
@given(st.sampled_from(KINDS), st.data())
def test_damaged_messages_are_read_or_malformed(kind: Any, data: st.DataObject) -> None:
    whole = bytearray(codec.encode(sample(kind, is_full=True)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]

    with contextlib.suppress(MalformedError):
        codec.decode_body(bytes(whole), kind)


@settings(max_examples=300)
@given(st.sampled_from(sorted(whole_messages())), st.data())
def test_damaged_frames_are_read_or_refused(name: str, data: st.DataObject) -> None:
    parts = [bytearray(part) for part in whole_messages()[name]]
    part = data.draw(st.sampled_from([part for part in parts if part]))
    part[data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = [bytes(part) for part in parts]

    for read in (codec.decode_news, door.decode_request, lambda some: door.decode_answer(some, bytes(range(16)))):
        with contextlib.suppress(MalformedError, RefusedError):
            read(damaged)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 8, 9, 200_000])
def test_news_of_too_few_or_too_many_frames_is_refused(count: int) -> None:
    assert reason_of([b""] * count) == "frames"


@pytest.mark.parametrize(
    "topic",
    [
        b"",
        b"/",
        b"gone",
        b"gone/",
        b"gone/export",
        b"gone//",
        b"gone/export/more/",
        b"nothing/export/",
        b"gone/\xff\xfe/",
        b"job/export/",
        b"gone/" + b"x" * 200 + b"/",
    ],
)
def test_a_topic_that_fits_no_row_is_refused(topic: bytes) -> None:
    assert reason_of(frames(topic=topic)) == "topic"


@pytest.mark.parametrize("row", topics.TOPICS, ids=lambda row: row.prefix)
def test_the_topic_of_every_message_is_found_in_the_table(row: topics.Topic) -> None:
    topic = row.name(sample(row.body, is_full=True))

    assert codec.decode_news(frames(topic=topic.encode())).row is row


@pytest.mark.parametrize("version", [0, 2, 2**53 - 1])
def test_another_version_is_refused_by_name(version: int) -> None:
    assert reason_of(frames(head=head_with(v=version))) == "version"


@pytest.mark.parametrize(
    "changed",
    [
        {"seq": -1},
        {"epoch": 2**53},
        {"src": "Export"},
        {"src": "export\n"},
        {"src": "a@b@c"},
        {"at_s": math.nan},
        {"up_s": math.inf},
        {"host": "123456789"},
        {"v": "1"},
        {"v": None},
    ],
)
def test_a_head_with_a_value_out_of_its_range_is_refused(changed: dict[str, object]) -> None:
    assert reason_of(frames(head=head_with(**changed))) == "head"


def test_a_head_may_have_fields_that_are_not_known() -> None:
    assert codec.decode_news(frames(head=head_with(mood="fine"))).head == HEAD


def test_a_head_over_its_limit_is_refused_before_it_is_decoded() -> None:
    assert reason_of(frames(head=head_with(mood="x" * codec.MAX_HEAD_BYTES))) == "head"


def test_a_head_with_a_bomb_inside_is_refused_however_deep_the_stack_is() -> None:
    bomb = b"\x88" + codec.encode(HEAD)[1:] + b"\xa1x" + b"\x91" * 800 + b"\xc0"

    def sink(depth: int) -> str:
        return sink(depth - 1) if depth else reason_of(frames(head=bomb))

    assert sink(sys.getrecursionlimit() - 300) == "head"


def test_a_body_over_the_limit_of_news_is_refused() -> None:
    assert reason_of(frames(body=bytes(codec.MAX_NEWS_BYTES + 1))) == "too_large"


def test_a_body_of_a_retained_topic_may_be_larger_but_has_its_limit_too() -> None:
    large = frames(topic=b"job_state/export/", body=bytes(codec.MAX_RETAINED_BYTES))
    too_large = frames(topic=b"job_state/export/", body=bytes(codec.MAX_RETAINED_BYTES + 1))

    assert len(codec.decode_news(large).body) == codec.MAX_RETAINED_BYTES
    assert reason_of(too_large) == "too_large"


def test_nobody_can_tell_news_that_readers_would_refuse() -> None:
    with pytest.raises(MalformedError, match="at most 65536 are allowed"):
        codec.encode_news("gone/export/", HEAD, bytes(codec.MAX_NEWS_BYTES + 1))


def test_a_request_over_its_limit_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        door.decode_request([b"", bytes(codec.MAX_REQUEST_BYTES + 1)])

    assert caught.value.reason == "too_large"


BOMBS = {
    "arrays in arrays": b"\x91" * 60_000,
    "maps in maps": b"\x81\xa1a" * 20_000,
    "an array that claims 4 billion": b"\xdd\xff\xff\xff\xff",
    "a map that claims 4 billion": b"\xdf\xff\xff\xff\xff",
    "text that claims 4 GB": b"\xdb\xff\xff\xff\xffa",
    "bytes that claim 4 GB": b"\xc6\xff\xff\xff\xffa",
    "an extension that claims 4 GB": b"\xc9\xff\xff\xff\xff\x01a",
    "a reserved byte": b"\xc1",
    "nothing": b"",
    "a million empty maps": b"\xdd\x00\x0f\x42\x40" + b"\x80" * 1_000_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("kind", [Gone, JobBoard, ErrorBody, requests.SubmitJob, codec.RequestHead])
def test_a_bomb_is_malformed_as_a_body(kind: Any, bomb: bytes) -> None:
    with pytest.raises(MalformedError):
        codec.decode_body(bomb, kind)


@pytest.mark.parametrize("bomb", [BOMBS["arrays in arrays"], BOMBS["maps in maps"]])
def test_a_bomb_is_malformed_within_a_field_that_takes_anything(bomb: bytes) -> None:
    params = b"\x82\xa4type\xa6export\xa6params" + bomb + b"\xc0"
    details = b"\x83\xa4code\xa1x\xa7message\xa1y\xa7details\x81\xa1a" + bomb + b"\xc0"

    for data, kind in ((params, requests.SubmitJob), (details, ErrorBody)):
        with pytest.raises(MalformedError):
            codec.decode_body(data, kind)


def test_bytes_behind_a_body_are_malformed() -> None:
    with pytest.raises(MalformedError):
        codec.decode_body(GONE + b"\xc0", Gone)


def test_news_may_have_fields_that_are_not_known() -> None:
    data = codec.encode({"src": "export", "incarnation": 1, "mood": ["fine"]})

    assert codec.decode_body(data, Gone) == Gone(src="export", incarnation=1)


def test_a_value_of_a_set_that_is_not_known_is_read_as_unknown_in_news() -> None:
    data = codec.encode({"camera": "front", "state": "dreaming", "since_at_s": 1.0})

    assert codec.decode_body(data, CameraStatus).state is CameraState.UNKNOWN


@pytest.mark.parametrize("method", requests.METHODS, ids=lambda method: method.name)
def test_a_request_with_a_field_that_is_not_known_is_refused_by_its_name(method: requests.Method) -> None:
    body = msgpack.unpackb(codec.encode(sample(method.request, is_full=False))) | {"typo": 1}

    with pytest.raises(MalformedError, match="typo"):
        codec.decode_body(codec.encode(body), method.request)


@pytest.mark.parametrize("state", ["runing", "unknown"])
def test_a_state_that_is_not_known_is_refused_in_a_request(state: str) -> None:
    with pytest.raises(MalformedError, match="state is one of queued, running"):
        codec.decode_body(codec.encode({"state": state}), requests.ListJobs)


@pytest.mark.parametrize("field", ["src", "incarnation"])
def test_a_missing_field_is_named(field: str) -> None:
    body = {"src": "export", "incarnation": 1}
    del body[field]

    with pytest.raises(MalformedError, match=field):
        codec.decode_body(codec.encode(body), Gone)


def test_a_wrong_field_is_named_with_its_path() -> None:
    board = msgpack.unpackb(codec.encode(sample(JobBoard, is_full=True)))
    board["running"][0]["percent"] = 101

    with pytest.raises(MalformedError, match=r"running\[...\].percent|running\[0\].percent"):
        codec.decode_body(codec.encode(board), JobBoard)


@pytest.mark.parametrize("name", ["", "Front", "front door", "-front", "a" * 33, "front\n", "../x", "a/b", "fränt"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(MalformedError):
        codec.decode_body(codec.encode({"type": name, "params": {}}), requests.SubmitJob)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value: float) -> None:
    body = {"processor": "p", "camera": "c", "label": "l", "value": value}

    with pytest.raises(MalformedError):
        codec.decode_body(codec.encode(body), messages.Finding)


def test_an_answer_of_another_version_says_so() -> None:
    head = codec.encode({"v": 2, "id": bytes(16), "ok": True})

    with pytest.raises(RefusedError) as caught:
        door.decode_answer([head, b"\x80"], bytes(16))

    assert caught.value.code == "unsupported_version"


def test_an_answer_to_another_request_is_malformed() -> None:
    answer = door.answer_frames(b"a" * 16, requests.Done())

    with pytest.raises(MalformedError, match="another request"):
        door.decode_answer(answer, b"b" * 16)


def test_an_error_code_that_is_not_known_is_read_as_internal() -> None:
    head = codec.encode({"v": 1, "id": b"", "ok": False})

    with pytest.raises(RefusedError) as caught:
        door.decode_answer([head, codec.encode({"code": "sulking", "message": "no"})], bytes(16))

    assert (caught.value.code, caught.value.message) == ("internal", "no")
