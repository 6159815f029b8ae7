"""Looks at a source before it is written down: a short process of capture's connects, and tells what comes."""

import msgspec

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import Cause
from framebus.source_report import LookAt, SourceReport
from framebus_launcher.checks import CheckError, ask_module, last_words
from framebus_launcher.doctor_parts import NO_CAMERA_LIBRARIES
from framebus_launcher.table import has_camera_libraries
from framebus_launcher.words import lasting

LOOK_S = 10.0
LIMIT_S = 25.0
"""with the connection, and the start of Python"""


def look_at(source: str) -> SourceReport:
    """What comes from there; `cause` says why nothing does. Raises RefusedError where nothing can be looked at."""
    if not has_camera_libraries():
        raise RefusedError(ErrorCode.UNAVAILABLE, NO_CAMERA_LIBRARIES)
    request = msgspec.json.encode(LookAt(source=source, limit_s=LOOK_S))
    try:
        code, out, err = ask_module("capture", "--look", request, LIMIT_S)
    except CheckError as error:
        return SourceReport(cause=Cause.TIMEOUT, detail=str(error))
    lines = out.splitlines()
    if code or not lines:
        raise RefusedError(
            ErrorCode.INTERNAL, f"the look at the source failed: {last_words(err) or f'exit code {code}'}"
        )
    return msgspec.json.decode(lines[-1], type=SourceReport)


def description(report: SourceReport) -> str:
    """As in `H264 1920x1080, 15 fps, a key frame every 2.0 s, 3.1 Mbit/s, sound AAC`."""
    parts = [f"{report.codec.upper()} {report.width}x{report.height}", f"{report.fps:.4g} fps"]
    if report.key_s:
        parts.append(f"a key frame every {report.key_s:.1f} s")
    elif report.bytes_per_s:
        parts.append(f"no second key frame within {lasting(report.watched_s)}")
    if report.bytes_per_s:
        parts.append(f"{8 * report.bytes_per_s / 1e6:.2g} Mbit/s")
    parts.append(f"sound {report.audio.upper()}" if report.audio else "no sound")
    return ", ".join(parts)
