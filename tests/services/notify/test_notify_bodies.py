"""A notification in the form that its target takes."""

import base64
import json
from email import message_from_bytes
from email.message import Message
from typing import Any

from framebus.notify_settings import Form, Target
from framebus_services.notify.body import Post, make_post
from services.notify.samples_of_notify import NOW_AT_S, notification

JPEG = b"\xff\xd8 a picture\r\n--\xff\xd9"
ID = "0123456789abcdef0123456789abcdef"


def post(target: dict[str, Any], jpeg: bytes | None = JPEG, page: str = "", **changes: Any) -> Post:
    whom = Target(url="http://phone/", **target)
    return make_post(whom, notification(**changes), ID, jpeg=jpeg, page=page, zone=None)


def parts_of(sent: Post) -> dict[str, Message]:
    """The fields of a form, by their names."""
    whole = message_from_bytes(f"Content-Type: {sent.headers['Content-Type']}\r\n\r\n".encode() + sent.body)
    parts = whole.get_payload()
    assert isinstance(parts, list)
    return {str(part.get_param("name", header="content-disposition")): part for part in parts}


def test_json_says_all_there_is_and_the_picture() -> None:
    sent = post({}, page="http://nas:8480/")

    content = json.loads(sent.body)
    assert base64.b64decode(content.pop("picture")) == JPEG
    assert content == {
        "id": ID,
        "kind": "object",
        "title": "Person at Front Door (porch)",
        "text": "Person at Front Door (porch)",
        "camera": "front_door",
        "label": "person",
        "score": 0.812,
        "zones": ["porch"],
        "object_id": "1790000000250-00c0de",
        "since_at_s": NOW_AT_S,
        "page": "http://nas:8480/",
    }
    assert sent.headers == {"Content-Type": "application/json"}
    assert sent.picture_bytes == len(JPEG)


def test_a_picture_may_be_left_out_or_have_another_name() -> None:
    assert "picture" not in json.loads(post({"picture": False}).body)
    assert "picture" not in json.loads(post({}, jpeg=None).body)
    assert "image" in json.loads(post({"picture": "image"}).body)


def test_own_fields_are_sent_in_place_of_all_others_with_what_is_in_braces_replaced() -> None:
    fields = {"content": "{text}, {score} {zones}", "fixed": "{no} {", "none": "{page}"}

    content = json.loads(post({"fields": fields, "picture": False}).body)

    assert content == {"content": "Person at Front Door (porch), 0.812 porch", "fixed": "{no} {", "none": ""}


def test_a_form_holds_the_fields_and_the_picture_as_a_file() -> None:
    sent = post({"form": Form.MULTIPART, "fields": {"chat_id": "42", "caption": "{text}"}, "picture": "photo"})

    parts = parts_of(sent)
    assert {name: part.get_payload(decode=True) for name, part in parts.items()} == {
        "chat_id": b"42",
        "caption": b"Person at Front Door (porch)",
        "photo": JPEG,
    }
    assert (parts["photo"].get_filename(), parts["photo"].get_content_type()) == ("picture.jpg", "image/jpeg")


def test_a_form_without_own_fields_holds_what_json_would() -> None:
    parts = parts_of(post({"form": Form.MULTIPART}))

    assert parts["label"].get_payload(decode=True) == b"person"
    assert "page" not in parts


def test_a_picture_alone_has_its_words_in_headers() -> None:
    sent = post({"form": Form.PICTURE, "headers": {"Priority": "high", "title": "{label}"}}, page="http://nas:8480/")

    assert sent.body == JPEG
    assert sent.headers == {
        "Content-Type": "image/jpeg",
        "Click": "http://nas:8480/",
        "Message": "Person at Front Door (porch)",
        "Filename": "front_door.jpg",
        "Priority": "high",
        "title": "person",
    }


def test_where_a_picture_lacks_the_body_is_the_text() -> None:
    sent = post({"form": Form.PICTURE}, jpeg=None)

    assert sent.body == b"Person at Front Door (porch)"
    assert sent.headers["Content-Type"].startswith("text/plain")


def test_a_header_holds_one_line_of_ascii_whatever_is_said() -> None:
    sent = post({"form": Form.PICTURE}, text="Käfer\r\nX-Evil: 1 at the door")

    assert sent.headers["Message"].isascii()
    assert "\n" not in sent.headers["Message"]
    assert sent.headers["Message"].startswith("=?utf-8?")
