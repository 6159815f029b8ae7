"""Where a camera's video comes from: the `source` of the settings, taken apart and checked.

Both the launcher, which reads the configuration, and capture, which connects, ask here: so that what is checked is what
will be opened. What is wrong is said without the address itself, which may be a password.
"""

import difflib
import os
import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, unquote, urlsplit

from framebus.errors import ConfigError
from framebus.redact import redact

# An allow-list: FFmpeg knows dozens of protocols, and some of them run programs or join files.
SCHEMES = ("rtsp", "rtsps", "file", "synthetic")
LATER_SCHEMES = ("http", "https", "v4l2")
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
SUPPORTED = "a source is rtsp://, rtsps://, synthetic://, or the path of a video file"
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
ONCE = "?once"


class Kind(Enum):
    NETWORK = "network"
    FILE = "file"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, kw_only=True)
class Screen:
    """The picture of a synthetic camera."""

    width: int = 640
    height: int = 360
    fps: int = 10


# Bounds of each option of synthetic://
_SCREEN_LIMITS = {"width": (64, 3_840), "height": (64, 2_160), "fps": (1, 60)}


@dataclass(frozen=True, kw_only=True)
class Address:
    """One source. `url` may hold a password and is for the connection only; `shown` is for everybody."""

    kind: Kind
    url: str = field(repr=False)
    shown: str
    host: str = ""
    port: int = 0
    is_once: bool = False
    """a file that is played once, not for ever"""
    screen: Screen = Screen()


def parse_address(source: str, setting: str = "source") -> Address:
    """The address that a setting names; raises ConfigError, which names the setting and never a password."""
    try:
        return _parse(source)
    except ValueError as error:
        raise ConfigError([f"{setting}: {error}"]) from None


def find_address_problem(source: str) -> str | None:
    """What is wrong with an address, or None; a relative path is as good as a full one."""
    try:
        _parse(source)
    except ValueError as error:
        return str(error)
    return None


def _parse(source: str) -> Address:
    if not source.strip() or "\0" in source:
        raise ValueError(f"is empty; {SUPPORTED}")
    scheme = match[1].lower() if (match := _SCHEME.match(source)) else "file"
    if scheme in LATER_SCHEMES:
        raise ValueError(f"{scheme}:// is not supported yet; {SUPPORTED}")
    if scheme not in SCHEMES:
        raise ValueError(f"unknown kind of address; {SUPPORTED}")
    if scheme == "synthetic":
        return _synthetic(source)
    return _file(source) if scheme == "file" else _network(source, scheme)


def _network(source: str, scheme: str) -> Address:
    try:
        parts = urlsplit(source)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0:
        quoting = "/ ? # @ in a password are written %2F %3F %23 %40"
        raise ValueError(f"is no whole address; write {scheme}://user:password@host/path; {quoting}")
    return Address(kind=Kind.NETWORK, url=source, shown=redact(source), host=host, port=port or DEFAULT_PORTS[scheme])


def _file(source: str) -> Address:
    path, is_once = source.removesuffix(ONCE), source.endswith(ONCE)
    if path.lower().startswith("file:"):
        parts = urlsplit(path)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ValueError("write file:///with/the/full/path, or the path alone")
        path = unquote(parts.path)
    if not path:
        raise ValueError(f"names no file; {SUPPORTED}")
    return Address(kind=Kind.FILE, url=os.path.abspath(path), shown=source, is_once=is_once)


def _synthetic(source: str) -> Address:
    parts = urlsplit(source)
    if parts.netloc or parts.path:
        raise ValueError("write its options as in synthetic://?width=640&height=360&fps=10")
    values = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _SCREEN_LIMITS:
            close = difflib.get_close_matches(name, _SCREEN_LIMITS, 1)
            right = f"did you mean {close[0]}?" if close else f"known are {', '.join(_SCREEN_LIMITS)}"
            raise ValueError(f"synthetic:// has no option {redact(name)[:20]!r}; {right}")
        least, most = _SCREEN_LIMITS[name]
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{name} of synthetic:// must be a whole number from {least} to {most}")
        values[name] = int(text)
    screen = Screen(**values)
    if screen.width % 2 or screen.height % 2:
        raise ValueError("width and height of synthetic:// must be even")
    return Address(kind=Kind.SYNTHETIC, url=source, shown=source, screen=screen)
