"""The bytes on the wire are those that were once called right; every other library reads the same in them."""

from typing import Any

import msgpack
import pytest

from framebus import codec, door, requests, topics
from framebus.codec import ErrorBody
from framebus.errors import RefusedError
from spec import golden, samples

GOLDEN = golden.read()
STRUCTS = dict(samples.structs())
FORMS = sorted(GOLDEN["structs"])


def kind_and_value(form: str) -> tuple[Any, Any]:
    name, size = form.split()
    return STRUCTS[name], samples.sample(STRUCTS[name], is_full=size == "full")


def test_there_are_samples_of_exactly_the_structs_of_the_protocol() -> None:
    expected = {f"{name} {size}" for name in STRUCTS for size in ("least", "full")}

    assert set(FORMS) == expected


def test_every_topic_and_every_method_has_a_golden_sample() -> None:
    bodies = {row.body.__name__ for row in topics.TOPICS}
    asked = {kind.__name__ for row in requests.METHODS for kind in (row.request, row.answer)}

    assert {f"{name} full" for name in bodies | asked} <= set(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_is_encoded_to_its_golden_bytes(form: str) -> None:
    _, value = kind_and_value(form)

    assert codec.encode(value).hex() == GOLDEN["structs"][form]["hex"]


@pytest.mark.parametrize("form", FORMS)
def test_golden_bytes_are_decoded_to_their_sample(form: str) -> None:
    kind, value = kind_and_value(form)

    assert codec.decode_body(bytes.fromhex(GOLDEN["structs"][form]["hex"]), kind) == value


@pytest.mark.parametrize("form", FORMS)
def test_another_library_reads_in_golden_bytes_what_they_mean(form: str) -> None:
    entry = GOLDEN["structs"][form]

    assert golden.as_json(msgpack.unpackb(bytes.fromhex(entry["hex"]))) == entry["means"]


@pytest.mark.parametrize("form", FORMS)
def test_what_another_library_packs_is_decoded_to_the_sample(form: str) -> None:
    kind, value = kind_and_value(form)
    packed = msgpack.packb(msgpack.unpackb(codec.encode(value)))

    assert codec.decode_body(packed, kind) == value


@pytest.mark.parametrize("form", [form for form in FORMS if form.endswith("least")])
def test_fields_that_have_a_default_may_be_left_out(form: str) -> None:
    kind, value = kind_and_value(form)
    required = {field.name for field in codec.msgspec.structs.fields(kind) if field.required}
    every = msgpack.unpackb(codec.encode(value))
    packed = msgpack.packb({name: item for name, item in every.items() if name in required})

    assert codec.decode_body(packed, kind) == value


def test_whole_messages_have_their_golden_frames() -> None:
    messages = {name: [frame.hex() for frame in frames] for name, frames in samples.whole_messages().items()}

    assert messages == GOLDEN["messages"]


def test_golden_news_is_decoded_with_its_blob() -> None:
    frames = [bytes.fromhex(frame) for frame in GOLDEN["messages"]["news with blob"]]

    news = codec.decode_news(frames)

    assert (news.topic, news.blob) == ("finding/counter/front/", b"\xff\xd8\xff\xd9")


def test_a_golden_request_is_decoded_to_its_method_and_body() -> None:
    frames = [bytes.fromhex(frame) for frame in GOLDEN["messages"]["request"]]

    head, body = door.decode_request(frames)

    assert (head.id, head.method) == (samples.REQUEST_ID, "job.submit")
    assert codec.decode_body(body, requests.SubmitJob) == samples.sample(requests.SubmitJob, is_full=True)


def test_a_golden_error_is_raised_with_its_code_and_details() -> None:
    frames = [bytes.fromhex(frame) for frame in GOLDEN["messages"]["error"]]

    with pytest.raises(RefusedError) as caught:
        door.decode_answer(frames, samples.REQUEST_ID)

    assert (caught.value.code, caught.value.retry_after_s, caught.value.details) == ("queue_full", 1.5, {"limit": 100})


def test_an_error_leaves_out_what_it_does_not_say() -> None:
    error = ErrorBody(code="lost", message="somebody else has the job")

    assert msgpack.unpackb(codec.encode(error)) == {"code": "lost", "message": "somebody else has the job"}
