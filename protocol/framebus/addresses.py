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
SCHEMES = ("rtsp", "rtsps", "http", "https", "v4l2", "plugin", "file", "synthetic")
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
SUPPORTED = (
    "a source is rtsp://, rtsps://, http://, https://, v4l2:///dev/video0, synthetic://, the path of a video file, "
    "or a source of your own: ./my_camera.py or plugin:NAME"
)
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
_PLUGIN_FILE = re.compile(r"^(?P<file>.*[^/]\.py)(?::(?P<class>[A-Za-z_][A-Za-z0-9_]*))?$")
_PLUGIN_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
_DEVICE = re.compile(r"^/dev/(?:video[0-9]{1,3}|v4l/by-(?:id|path)/[A-Za-z0-9_.:,+-]{1,200})$")
ONCE = "?once"


class Kind(Enum):
    NETWORK = "network"
    """rtsp:// and rtsps://"""
    WEB = "web"
    """http:// and https://"""
    DEVICE = "device"
    """a camera of this machine"""
    PLUGIN = "plugin"
    """a source of the user's own, in Python"""
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
class Capturing:
    """What a device is asked for; 0 and "" leave it to its driver."""

    width: int = 0
    height: int = 0
    fps: int = 0
    format: str = ""


_CAPTURING_LIMITS = {"width": (16, 16_384), "height": (16, 16_384), "fps": (1, 1_000)}
DEVICE_FORMATS = ("mjpeg", "h264", "yuyv422", "uyvy422", "yuv420p", "nv12", "gray", "bgr24", "rgb24")
"""pictures that a device may be asked for, by their names in FFmpeg"""


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
    capturing: Capturing = Capturing()
    plugin: str = ""
    """the name of an entry point, or the class in the file `url`; "": the only one there"""


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
    match = _SCHEME.match(source)
    if (found := _PLUGIN_FILE.match(source)) and (match is None or match[1].endswith(".py")):
        path = os.path.abspath(found["file"])
        return Address(kind=Kind.PLUGIN, url=path, shown=source, plugin=found["class"] or "")
    scheme = match[1].lower() if match else "file"
    if scheme not in SCHEMES:
        raise ValueError(f"unknown kind of address; {SUPPORTED}")
    return _READERS.get(scheme, _network)(source)


def _network(source: str) -> Address:
    scheme = source.partition(":")[0].lower()
    try:
        parts = urlsplit(source)
        host, port = parts.hostname, parts.port
        is_cut = "@" in parts.fragment  # no camera has one: a # stands in the password
    except ValueError:
        host, port, is_cut = None, None, False
    if not host or port == 0 or is_cut:
        quoting = "/ ? # @ in a password are written %2F %3F %23 %40"
        raise ValueError(f"is no whole address; write {scheme}://host/path, with user:password@ before host; {quoting}")
    kind = Kind.WEB if scheme in ("http", "https") else Kind.NETWORK
    return Address(kind=kind, url=source, shown=redact(source), host=host, port=port or DEFAULT_PORTS[scheme])


def _plugin(source: str) -> Address:
    name = source.partition(":")[2]
    if not _PLUGIN_NAME.match(name):
        raise ValueError("write plugin:NAME, the name of an entry point of an installed package")
    return Address(kind=Kind.PLUGIN, url="", shown=source, plugin=name)


def _device(source: str) -> Address:
    parts = urlsplit(source)
    if parts.netloc or parts.fragment or not _DEVICE.match(parts.path):
        raise ValueError("write v4l2:///dev/video0, or v4l2:///dev/v4l/by-id/NAME; options as in ?width=1280&fps=30")
    choice, numbers = "", []
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name != "format":
            numbers.append((name, text))
        elif text in DEVICE_FORMATS:
            choice = text
        else:
            raise ValueError(f"format of v4l2:// must be one of {', '.join(DEVICE_FORMATS)}")
    values = _numbers("v4l2://", numbers, _CAPTURING_LIMITS, ("format",))
    if ("width" in values) != ("height" in values):
        raise ValueError("width and height of v4l2:// go together")
    return Address(kind=Kind.DEVICE, url=parts.path, shown=source, capturing=Capturing(**values, format=choice))


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
    options = parse_qsl(parts.query, keep_blank_values=True)
    values = _numbers("synthetic://", options, _SCREEN_LIMITS)
    screen = Screen(**values)
    if screen.width % 2 or screen.height % 2:
        raise ValueError("width and height of synthetic:// must be even")
    return Address(kind=Kind.SYNTHETIC, url=source, shown=source, screen=screen)


def _numbers(
    kind: str, options: list[tuple[str, str]], limits: dict[str, tuple[int, int]], others: tuple[str, ...] = ()
) -> dict[str, int]:
    values = {}
    for name, text in options:
        if name not in limits:
            close = difflib.get_close_matches(name, limits, 1)
            right = f"did you mean {close[0]}?" if close else f"known are {', '.join((*limits, *others))}"
            raise ValueError(f"{kind} has no option {redact(name)[:20]!r}; {right}")
        least, most = limits[name]
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{name} of {kind} must be a whole number from {least} to {most}")
        values[name] = int(text)
    return values


_READERS = {"file": _file, "synthetic": _synthetic, "v4l2": _device, "plugin": _plugin}
