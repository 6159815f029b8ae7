"""Why a camera gives no pictures, in words for people, with what to look at first."""

from framebus.addresses import Kind, parse_address
from framebus.errors import ConfigError
from framebus.messages import Cause

WORDS = {  # what has no room says itself where
    Cause.AUTH: "wrong user or password",
    Cause.DNS: "there is no host of this name in the network",
    Cause.REFUSED: "the host refuses the connection: is the port right, and its stream switched on?",
    Cause.TIMEOUT: "no answer: is the address right, and the camera on?",
    Cause.NOT_FOUND: "there is nothing under this path",
    Cause.CODEC: "what comes from there is no video that can be read",
    Cause.STALLED: "it connects, and then sends nothing",
    Cause.ENDED: "it ends the connection",
}
_DEVICE = {
    Cause.AUTH: "you may not open it: sudo usermod -aG video $USER, and log in anew",
    Cause.REFUSED: "another program has it",
    Cause.ENDED: "it was pulled out, or switched off",
}

_FILE = {Cause.AUTH: "you may not read it", Cause.ENDED: "it has been played to its end"}


def said_of(cause: Cause, detail: str, source: str) -> str:
    """One sentence; the machine's own words behind it in brackets. Empty when nothing is wrong.

    >>> said_of(Cause.AUTH, "401 Unauthorized", "rtsp://***@10.0.0.5/1")
    'wrong user or password (401 Unauthorized)'
    """
    words = WORDS.get(cause, "")
    kind = _kind_of(source)
    if kind is Kind.DEVICE:
        words = _DEVICE.get(cause, words)
    elif kind is Kind.FILE:
        words = _FILE.get(cause, words)
    elif cause is Cause.AUTH and "://" in source and "@" not in source:
        words = "it wants a user and a password: write USER@ before the host"
    if not words:
        return detail or ("" if cause is Cause.NONE else cause.value)
    return f"{words} ({detail})" if detail else words


def _kind_of(source: str) -> Kind | None:
    try:
        return parse_address(source).kind
    except ConfigError:  # a status of another version may say what it likes
        return None
