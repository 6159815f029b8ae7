"""The configuration as others may see it: `${NAME}` as it stands in the file, passwords taken out, and put back in."""

import re
from typing import Any

from framebus.redact import redact

HIDDEN = "***"
_SECRET = (
    r"(?:password|passwd|pwd|passphrase|passcode|token|secret|credential|private|api_?key|auth"
    r"|(?<![a-z])(?:pass|key)(?![a-z]))"  # and no keyframe, no bypass
)
_SECRET_KEY = re.compile(rf"(?i){_SECRET}")
_USES = r"(?:\$\{[A-Za-z_][A-Za-z0-9_]*\})+"
_ONLY_USES = re.compile(_USES)
_USERINFO = re.compile(rf"://(?:[^\s/?#@:]*:)?{_USES}@")
_OPTION = re.compile(rf"(?i)--?[a-z-]*{_SECRET}[a-z-]*")
_OPTION_VALUE = re.compile(rf"(?i)(^--?[a-z-]*{_SECRET}[a-z-]*=)(.+)")
_LINE_VALUE = re.compile(
    rf"(?i)((?:(?<!\S)--?[a-z-]{{0,40}}{_SECRET}[a-z-]{{0,40}}[ =]"
    rf"|(?<![^\s;&|\"'])[a-z0-9_]{{0,40}}{_SECRET}[a-z0-9_]{{0,40}}=)\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s;&|]+)"
)
"""in a line for a shell, as after `sh -c`"""
_ALL_SECRET = re.compile(r"(?i)(?:passwords|secrets|tokens|credentials)$")
"""maps whose every text is one"""


def shown(value: Any, key: str = "") -> Any:
    """The value without passwords; `${NAME}` is none, and stays.

    >>> shown({"a": "rtsp://me:${PASSWORD}@host/", "b": "rtsp://me:s3cret@host/", "token": "x"})
    {'a': 'rtsp://me:${PASSWORD}@host/', 'b': 'rtsp://***@host/', 'token': '***'}
    """
    if isinstance(value, dict):
        return {redact(str(name)): shown(item, _key_in(key, str(name), item)) for name, item in value.items()}
    if isinstance(value, list):
        return [shown(item, _key_of(value, number) or key) for number, item in enumerate(value)]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if _SECRET_KEY.search(key) and not (isinstance(value, str) and _ONLY_USES.fullmatch(value)):
        return HIDDEN
    return _shown_text(value) if isinstance(value, str) else value


def restored(new: Any, old: Any, key: str = "") -> Any:
    """`new` with the passwords of `old` where it says `***` in their place, as who read the value could not know them.

    Raises ValueError where `***` stands for nothing that is known.
    """
    if isinstance(new, dict):
        known = old if isinstance(old, dict) else {}
        return {name: restored(item, known.get(name), _key_in(key, str(name), item)) for name, item in new.items()}
    if isinstance(new, list):
        known_items = [*(old if isinstance(old, list) else []), *[None] * len(new)]
        return [restored(item, known_items[number], _key_of(new, number) or key) for number, item in enumerate(new)]
    if isinstance(new, str) and HIDDEN in new:
        if old is not None and shown(old, key) == new:
            return old
        raise ValueError(f"{HIDDEN} stands for a password that is not known here; write it, or ${{NAME}}")
    return new


def _key_in(above: str, name: str, item: Any) -> str:
    """The key that tells what a text in a map is: its own, or in a map of secrets that of the map."""
    return above if isinstance(item, str) and _ALL_SECRET.search(above) else name


def _key_of(items: list[Any], number: int) -> str:
    """The option before an item of a command, as in `[curl, --password, x]`."""
    before = items[number - 1] if number else None
    return before if isinstance(before, str) and _OPTION.fullmatch(before) else ""


def _shown_text(text: str) -> str:
    """Redacted, but for user and `${PASSWORD}` of an address."""
    text = _OPTION_VALUE.sub(lambda use: use[0] if _ONLY_USES.fullmatch(use[2]) else f"{use[1]}{HIDDEN}", text)
    text = _LINE_VALUE.sub(
        lambda use: use[0] if _ONLY_USES.fullmatch(use[2].strip("\"'")) else f"{use[1]}{HIDDEN}", text
    )
    userinfo = _USERINFO.search(text)
    if userinfo is None or userinfo.start() != text.find("://"):
        return redact(text)
    before, after = text[: userinfo.start()], text[userinfo.end() :]
    return redact(before) + userinfo[0] + redact(f"://{after}").removeprefix("://")
