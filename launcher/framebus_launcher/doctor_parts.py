"""What `framebus doctor` looks at in the software: Python, libraries, codecs; the extra `cameras` may be missing."""

import importlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from framebus_launcher.finding import Finding, fail, ok, warn

OLDEST = (3, 11)
CAMERAS_MEND = "for cameras: pip install 'framebus[cameras]' (make demo does it); bus, ring and ledger work without"
NO_CAMERA_LIBRARIES = f"PyAV or OpenCV is missing here; {CAMERAS_MEND}"
_CODECS = (
    ("H.264 read", "h264", "r"),
    ("H.265 read", "hevc", "r"),
    ("JPEG write", "mjpeg", "w"),
    ("H.264 write", "libx264", "w"),
)
_NEEDED = ("H.264 read", "JPEG write")


def check_python() -> Finding:
    """The interpreter."""
    text = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info[:2] < OLDEST:
        return fail("python", text, "framebus needs Python 3.11 or newer")
    return ok("python", text)


def check_libraries() -> Finding:
    """What the base installation needs."""
    names = ("framebus", "pyzmq", "msgspec", "numpy", "psutil")
    found = {name: version_of(name) for name in names}
    text = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    try:
        # By name: only the transport may have sockets, and this only asks for a number.
        text += f", libzmq {importlib.import_module('zmq').zmq_version()}"
    except ImportError as error:
        return fail("libraries", f"{text}; {error}", "install framebus again")
    if None in found.values():
        return fail("libraries", text, "install framebus again")
    return ok("libraries", text)


def check_camera_libraries() -> Finding:
    """PyAV and OpenCV: an extra."""
    modules = {"PyAV": ("av", "av"), "OpenCV": ("opencv-python-headless", "cv2")}
    found: dict[str, str | None] = dict.fromkeys(modules)
    for name, (package, module) in modules.items():
        if (loaded := load(module)) is not None:
            found[name] = version_of(package) or str(getattr(loaded, "__version__", "of unknown version"))
    text = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    return warn("cameras", text, CAMERAS_MEND) if None in found.values() else ok("cameras", text)


def check_codecs() -> Finding:
    """What PyAV can read and write."""
    av = load("av")
    if av is None:
        return warn("codecs", "unknown without PyAV", CAMERAS_MEND)
    able = {words: _can(av, codec, way) for words, codec, way in _CODECS}
    text = ", ".join(f"{words}: {'yes' if can else 'no'}" for words, can in able.items())
    if not all(able[words] for words in _NEEDED):
        return fail("codecs", text, "install the wheel of PyAV: pip install --force-reinstall av")
    if not all(able.values()):
        return warn("codecs", text, "cameras of the missing kinds are not read; PyAV's wheel has all of them")
    return ok("codecs", text)


def load(module: str) -> Any:
    """A module that may be missing, or broken; then None."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError):
        return None


def version_of(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _can(av: Any, codec: str, way: str) -> bool:
    try:
        av.codec.Codec(codec, way)
    except ValueError:  # PyAV's UnknownCodecError is one
        return False
    return True
