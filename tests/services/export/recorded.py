"""Cuts a video into recorded segments as capture leaves them, for tests of what reads recordings."""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from framebus.recordings import closed_name, hour_folder, open_name
from framebus_services.video.mp4 import MOVFLAGS

START_S = 1_790_000_000.0
"""wall time of the first picture where a test names no other"""


@dataclass(frozen=True)
class Recorded:
    """One segment on disk."""

    path: Path
    start_s: float
    end_s: float
    payloads: list[bytes]
    """of its video packets, in order of decoding"""


def record(
    data: Path,
    video: Path,
    *,
    camera: str = "front",
    start_s: float = START_S,
    segment_s: float = 2.0,
    with_audio: bool = True,
) -> list[Recorded]:
    """Cut `video` at the first key frame after each `segment_s` into closed segments under `data`."""
    return [
        _write(data, camera, start_s, video, begin_s, end_s, with_audio=with_audio)
        for begin_s, end_s in _cuts(video, Fraction(segment_s))
    ]


def grow(path: Path, segment: Recorded, share: float, *, reaches_s: float) -> Path:
    """Make a closed segment the open one it was before: `share` of its bytes, last changed at `reaches_s`."""
    fragmented = path.parent / "fragmented.mp4"
    with av.open(str(segment.path)) as source:
        options = {"movflags": MOVFLAGS, "frag_duration": "500000", "flush_packets": "1"}
        with av.open(str(fragmented), "w", format="mp4", options=options) as target:
            streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream_index]
                    target.mux(packet)
            written = fragmented.read_bytes()
    fragmented.unlink()
    segment.path.unlink()
    path.write_bytes(written[: round(len(written) * share)])
    os.utime(path, (reaches_s, reaches_s))
    return path


def open_path(segment: Recorded) -> Path:
    """The name that a segment has while it is written."""
    return segment.path.with_name(open_name(round(segment.start_s * 1_000)))


def _cuts(video: Path, segment_s: Fraction) -> list[tuple[Fraction, Fraction]]:
    """From and to of each segment, in seconds of the video."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        base = stream.time_base or Fraction(1)
        packets = [packet for packet in container.demux(stream) if packet.size and packet.pts is not None]
        keys = [packet.pts * base for packet in packets if packet.is_keyframe and packet.pts is not None]
        end = max((packet.pts or 0) + (packet.duration or 0) for packet in packets) * base
    begins = [keys[0]]
    for key in keys:
        if key - begins[-1] >= segment_s:
            begins.append(key)
    return list(zip(begins, [*begins[1:], end], strict=True))


def _write(
    data: Path, camera: str, start_s: float, video: Path, begin: Fraction, end: Fraction, *, with_audio: bool
) -> Recorded:
    at_s = start_s + float(begin)
    folder = hour_folder(data, camera, at_s)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / closed_name(round(at_s * 1_000), round(float(end - begin) * 1_000))
    payloads = []
    with av.open(str(video)) as source, av.open(str(path), "w", options={"movflags": MOVFLAGS}) as target:
        chosen = [source.streams.video[0], *(source.streams.audio if with_audio else ())]
        streams = {stream.index: target.add_stream_from_template(stream) for stream in chosen}
        is_in = False
        for packet in source.demux(chosen):
            if packet.dts is None or packet.pts is None:
                continue
            at = packet.pts * packet.time_base
            if packet.stream_index == chosen[0].index and packet.is_keyframe:
                is_in = begin <= at < end
            is_video = packet.stream_index == chosen[0].index
            if not (is_in if is_video else begin <= at < end):
                continue
            if is_video:
                payloads.append(bytes(packet))
            shift = round(begin / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = streams[packet.stream_index]
            target.mux(packet)
    return Recorded(path, at_s, start_s + float(end), payloads)
