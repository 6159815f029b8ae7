"""Looks at a source once, for `framebus add`: `python -m framebus_services.capture --look REQUEST`.

REQUEST is a JSON file with a LookAt, /dev/stdin as a rule, so that no password stands in a command line. The answer is
one line of JSON, a SourceReport.
"""

import logging
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import av
import msgspec

from framebus.addresses import Address, Kind, parse_address
from framebus.clock import SystemClock
from framebus.errors import ConfigError, ExitCode
from framebus.messages import Cause
from framebus.source_report import LookAt, SourceReport
from framebus_services.capture.links import open_packets
from framebus_services.capture.plugin import PluginCamera
from framebus_services.capture.source import PacketSource
from framebus_services.capture.trouble import EndedError, NoVideoError, SourceError, trouble_of
from framebus_services.video.packets import AnyPacket, time_s

log = logging.getLogger(__name__)

ENOUGH_S = 3.0
"""of its own time, when two key frames were among it"""
ENOUGH_PICTURES = 20
"""of a source of one's own"""


@dataclass
class Tally:
    """What came in so far; times are the source's own."""

    times_s: list[float] = field(default_factory=list)
    """of each picture"""
    keys_s: list[float] = field(default_factory=list)
    sizes: list[tuple[float, int]] = field(default_factory=list)
    """of all packets, with the time of the picture before"""
    has_frame: bool = False

    @property
    def span_s(self) -> float:
        return self.times_s[-1] - self.times_s[0] if self.times_s else 0.0

    def take(self, packet: AnyPacket, *, is_video: bool) -> None:
        at_s = time_s(packet.dts if packet.dts is not None else packet.pts, packet)
        if is_video and at_s is not None:
            self.times_s.append(at_s)
            if packet.is_keyframe:
                self.keys_s.append(at_s)
        if self.times_s:
            self.sizes.append((self.times_s[-1], packet.size))

    def is_enough(self) -> bool:
        return self.has_frame and self.span_s >= ENOUGH_S and len(self.keys_s) > 1

    def bytes_per_s(self) -> float:
        """Over whole groups of pictures, as a key frame is many times as large as the others."""
        first_s, last_s = (self.keys_s[0], self.keys_s[-1]) if len(self.keys_s) > 1 else (self.times_s[0], None)
        total = sum(size for at_s, size in self.sizes if first_s <= at_s and (last_s is None or at_s < last_s))
        span_s = (last_s if last_s is not None else self.times_s[-1]) - first_s
        return total / span_s if span_s > 0.0 else 0.0


def look(file: Path) -> int:
    """Write what came of the source that `file` names to standard output; returns the exit code."""
    try:
        asked = msgspec.json.decode(file.read_bytes(), type=LookAt)
    except (OSError, msgspec.DecodeError) as error:
        log.error("what to look at cannot be read: %s", error)
        return ExitCode.USAGE
    sys.stdout.write(msgspec.json.encode(look_at(asked)).decode() + "\n")
    return ExitCode.OK


def look_at(asked: LookAt) -> SourceReport:
    """Connect, take packets for a while, and tell what they are."""
    was_connected = False

    def note_connected() -> None:
        nonlocal was_connected
        was_connected = True

    try:
        address = parse_address(asked.source)
        if address.kind is Kind.PLUGIN:
            return _look_at_pictures(address, asked.limit_s)
        return _look_at_packets(address, asked.limit_s, note_connected)
    except ConfigError as error:
        return SourceReport(cause=Cause.NOT_FOUND, detail=error.problems[0])
    except (OSError, ValueError, av.FFmpegError, SourceError) as error:
        trouble = trouble_of(error, was_connected=was_connected)
        return SourceReport(cause=trouble.cause, detail=trouble.detail)


def _look_at_packets(address: Address, limit_s: float, on_connected: Callable[[], None]) -> SourceReport:
    source = open_packets("look", address, SystemClock(), lambda _: False)  # a file as fast as it can be read
    on_connected()
    tally = Tally()
    with closing(source):
        try:
            _fill(tally, source, limit_s)
        except EndedError:  # a short one
            if not tally.has_frame:
                raise
        return _report(source, tally)


def _fill(tally: Tally, source: PacketSource, limit_s: float) -> None:
    end_s = time.monotonic() + limit_s
    for packet in source.items():
        is_video = source.is_video(packet)
        tally.take(packet, is_video=is_video)
        if is_video and not tally.has_frame:
            tally.has_frame = _is_decoded(source, packet)
        if tally.is_enough() or tally.span_s >= limit_s or time.monotonic() >= end_s:
            break


def _is_decoded(source: PacketSource, packet: AnyPacket) -> bool:
    try:
        return bool(source.decoder.decode(packet))
    except av.FFmpegError:  # before the first key frame
        return False


def _report(source: PacketSource, tally: Tally) -> SourceReport:
    if not tally.times_s:
        raise NoVideoError("no packet of video with a time came")
    if not tally.has_frame:
        return SourceReport(cause=Cause.CODEC, detail="packets come, but no frame comes of them")
    steps = len(tally.times_s) - 1
    keys = len(tally.keys_s) - 1
    return SourceReport(
        codec=source.kind.codec,
        width=source.kind.width or source.decoder.width,
        height=source.kind.height or source.decoder.height,
        fps=steps / tally.span_s if tally.span_s > 0.0 else 0.0,
        key_s=(tally.keys_s[-1] - tally.keys_s[0]) / keys if keys > 0 else 0.0,
        bytes_per_s=tally.bytes_per_s(),
        audio=source.audio.codec_context.name if source.audio is not None else "",
        watched_s=tally.span_s,
    )


def _look_at_pictures(address: Address, limit_s: float) -> SourceReport:
    source = PluginCamera(address, {}, SystemClock()).connect(lambda _: False)
    try:
        started_s = time.monotonic()
        pictures = 0
        for _ in source.items():
            pictures += 1
            if pictures >= ENOUGH_PICTURES or time.monotonic() - started_s >= limit_s:
                break
        took_s = time.monotonic() - started_s
        kind = source.kind
        fps = (pictures - 1) / took_s if pictures > 1 else 0.0
        return SourceReport(codec=kind.codec, width=kind.width, height=kind.height, fps=fps, watched_s=took_s)
    finally:
        source.close()
