"""Where a camera's video comes from: the `source` of the settings, taken apart and checked."""

import os
import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, unquote, urlsplit

from framebus.errors import ConfigError
from framebus.redact import redact

# An allow-list: FFmpeg knows dozens of protocols, and some of them run programs or join files.
SCHEMES = ("rtsp", "rtsps", "file", "synthetic")
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
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
    scheme = match[1].lower() if (match := _SCHEME.match(source)) else "file"
    if scheme not in SCHEMES:
        raise ConfigError([f"{setting}: {scheme}: is not supported; use rtsp://, rtsps://, synthetic:// or a file"])
    try:
        if scheme == "synthetic":
            return _synthetic(source)
        return _file(source) if scheme == "file" else _network(source, scheme)
    except ValueError as error:
        raise ConfigError([f"{setting}: {redact(source)}: {error}"]) from None


def _network(source: str, scheme: str) -> Address:
    try:
        parts = urlsplit(source)
        host, port = parts.hostname, parts.port or DEFAULT_PORTS[scheme]
    except ValueError:
        raise ValueError("is no address; write a password's special characters as %40 and the like") from None
    if not host:
        raise ValueError(f"has no host, as in {scheme}://10.0.0.5/stream")
    return Address(kind=Kind.NETWORK, url=source, shown=redact(source), host=host, port=port)


def _file(source: str) -> Address:
    path, is_once = source.removesuffix(ONCE), source.endswith(ONCE)
    if path.lower().startswith("file:"):
        parts = urlsplit(path)
        if parts.netloc not in ("", "localhost"):
            raise ValueError("names another host; write file:///path")
        path = unquote(parts.path)
    if not path:
        raise ValueError("names no file")
    return Address(kind=Kind.FILE, url=os.path.abspath(path), shown=source, is_once=is_once)


def _synthetic(source: str) -> Address:
    parts = urlsplit(source)
    values = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _SCREEN_LIMITS:
            raise ValueError(f"unknown option {name}; known are {', '.join(_SCREEN_LIMITS)}")
        least, most = _SCREEN_LIMITS[name]
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{name} must be a whole number from {least} to {most}")
        values[name] = int(text)
    screen = Screen(**values)
    if screen.width % 2 or screen.height % 2:
        raise ValueError("width and height must be even")
    return Address(kind=Kind.SYNTHETIC, url=source, shown=source, screen=screen)
