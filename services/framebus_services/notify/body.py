"""Writes a notification in the form that its target takes: JSON, the fields of a form, or the picture itself."""

import json
import secrets
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, tzinfo
from email.header import Header
from typing import Any

from framebus.notify_settings import PLACEHOLDER, Form, Target
from framebus_services.notify.contract import NotifyParams

PICTURE_NAME = "picture.jpg"
PICTURE_FIELD = "picture"


@dataclass(frozen=True, kw_only=True)
class Post:
    """What is sent."""

    headers: dict[str, str]
    body: bytes
    picture_bytes: int = 0


def make_post(
    target: Target, params: NotifyParams, id: str, *, jpeg: bytes | None, page: str, zone: tzinfo | None
) -> Post:
    """One notification for one target; `id` is the same whenever it is sent again."""
    if target.picture is False:
        jpeg = None
    values = values_of(params, id, page)
    words = {name: _word(value) for name, value in values.items()}
    since = params.since_at_s
    words["since"] = "" if since is None else f"{datetime.fromtimestamp(since, zone):%Y-%m-%d %H:%M:%S}"
    own = {name: filled(text, words) for name, text in target.headers.items()}
    name = PICTURE_FIELD if isinstance(target.picture, bool) else target.picture
    if target.form is Form.PICTURE:
        headers, body = _picture(values, jpeg)
    elif target.form is Form.MULTIPART:
        fields = _fields(target, words) if target.fields else {key: word for key, word in words.items() if word}
        headers, body = _multipart(fields, name, jpeg)
    else:
        content: dict[str, Any] = dict(_fields(target, words)) if target.fields else values
        if jpeg is not None:
            content[name] = b64encode(jpeg).decode()
        headers, body = {"Content-Type": "application/json"}, json.dumps(content).encode()
    given = {key.casefold() for key in own}
    headers = {key: value for key, value in headers.items() if key.casefold() not in given}
    coded = {key: _coded(value) for key, value in (headers | own).items()}
    return Post(headers=coded, body=body, picture_bytes=len(jpeg or b""))


def values_of(params: NotifyParams, id: str, page: str) -> dict[str, Any]:
    """What there is to say; `docs/notify.md` has the table."""
    return {
        "id": id,
        "kind": params.kind.value,
        "title": params.title or params.text,
        "text": params.text,
        "camera": params.camera,
        "label": params.label or None,
        "score": None if params.score is None else round(params.score, 3),
        "zones": params.zones,
        "object_id": params.object_id or None,
        "since_at_s": params.since_at_s,
        "page": page or None,
    }


def filled(text: str, words: dict[str, str]) -> str:
    """The text with {text} and the like replaced.

    >>> filled("{text}!", {"text": "Person at Front Door"})
    'Person at Front Door!'
    """
    return PLACEHOLDER.sub(lambda use: words.get(use[1], use[0]), text)


def _fields(target: Target, words: dict[str, str]) -> dict[str, str]:
    return {name: filled(text, words) for name, text in target.fields.items()}


def _word(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _picture(values: dict[str, Any], jpeg: bytes | None) -> tuple[dict[str, str], bytes]:
    headers = {"Title": str(values["title"]), **({"Click": values["page"]} if values["page"] else {})}
    if jpeg is None:
        return {"Content-Type": "text/plain; charset=utf-8", **headers}, str(values["text"]).encode()
    return {
        "Content-Type": "image/jpeg",
        **headers,
        "Message": str(values["text"]),
        "Filename": f"{values['camera'] or 'picture'}.jpg",
    }, jpeg


def _multipart(fields: dict[str, str], name: str, jpeg: bytes | None) -> tuple[dict[str, str], bytes]:
    boundary = secrets.token_hex(16)
    start = f"--{boundary}\r\nContent-Disposition: form-data; name="
    parts = [f'{start}"{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()]
    if jpeg is not None:
        head = f'{start}"{name}"; filename="{PICTURE_NAME}"\r\nContent-Type: image/jpeg\r\n\r\n'
        parts += [head.encode(), jpeg, b"\r\n"]
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, b"".join(
        [*parts, f"--{boundary}--\r\n".encode()]
    )


def _coded(value: str) -> str:
    """A header holds ASCII only; what else is in it is written as RFC 2047 says."""
    line = " ".join(value.split())
    return line if line.isascii() else Header(line, "utf-8", maxlinelen=10_000).encode()
