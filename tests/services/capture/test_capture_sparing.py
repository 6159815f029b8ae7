"""What nobody needs is not decoded, and what is shown is what it would have been anyway."""

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from capture_rig import Played

from framebus_services.capture.sampling import FrameGate
from framebus_services.capture.source import make_decoder
from framebus_services.capture.sparing import LEARN_PACKETS, Sparing
from framebus_services.capture.timestamps import Arrival
from framebus_services.video.packets import time_s
from framebus_services.video.roles import Role, Roles
from media import make_video

FPS = 25
KEY, REFERRED, ALONE, SETS = b"\0\0\0\1\x65", b"\0\0\0\1\x41", b"\0\0\0\1\x01", b"\0\0\0\1\x67\0\0\0\1\x68"

Shown = list[tuple[float, bytes]]


def play(movie: Path, rate_hz: float, *, spare: bool) -> tuple[Shown, int]:
    """The pictures that pass at this rate, each with its time, and how many packets were decoded for them."""
    played, gate = Played(movie), FrameGate(rate_hz)
    sparing = Sparing(Roles(played.decoder), gate, Counter())
    shown: Shown = []
    decoded = 0

    def show(frames: list[Any]) -> None:
        for frame in frames:
            at_s = float(frame.pts * played.video.time_base)
            if gate.passes(at_s):
                shown.append((at_s, frame.to_ndarray(format="yuv420p").tobytes()))

    for packet in played.packets():
        came = (packet, played.arrival())
        due = sparing.pick(*came, time_s(packet.pts, packet)) if spare else (came,)
        decoded += len(due)
        for each, _ in due:
            show(played.decoder.decode(each))
        packet.pts = packet.dts = 0  # as a recorder may change it
    show(played.decoder.decode(None))
    played.close()
    return shown, decoded


@pytest.mark.parametrize(
    ("name", "options", "at_most"),
    [
        ("h264.mp4", {}, 0.88),
        ("h264.ts", {}, 0.88),
        ("b_frames.mp4", {"b_frames": 2}, 0.85),
        ("h265.mp4", {"codec": "libx265"}, 1.0),
        ("mjpeg.mkv", {"codec": "mjpeg"}, 0.47),
        ("mpeg4.mp4", {"codec": "mpeg4"}, 1.0),
    ],
)
def test_less_is_decoded_and_the_same_is_shown(
    tmp_path: Path, name: str, options: dict[str, Any], at_most: float
) -> None:
    movie = tmp_path / name
    make_video(movie, seconds=8.0, fps=FPS, width=160, height=120, gop_frames=FPS, **options)

    spared, decoded = play(movie, 5.0, spare=True)

    assert spared == play(movie, 5.0, spare=False)[0]
    assert len(spared) == 40
    assert decoded <= at_most * 8 * FPS


def test_all_is_decoded_where_all_is_wanted(tmp_path: Path) -> None:
    movie = tmp_path / "movie.mp4"
    make_video(movie, seconds=3.0, fps=FPS, width=160, height=120, gop_frames=FPS, b_frames=2)

    shown, decoded = play(movie, FPS, spare=True)

    assert len(shown) == decoded == 3 * FPS


class Fed:
    """Sparing that is fed by hand, a packet each 40 ms, for pictures that are wanted five times a second; it has learnt
    the stream."""

    def __init__(self, rate_hz: float = 5.0) -> None:
        self.gate = FrameGate(rate_hz)
        self.tally: Counter[str] = Counter()
        self.sparing = Sparing(Roles(make_decoder("h264", None)), self.gate, self.tally)
        self.at = 0
        self.learnt = self.feed(*[ALONE] * LEARN_PACKETS, *[REFERRED] * 11)  # 3 s

    def feed(self, *units: bytes) -> list[int]:
        """How many packets are to be decoded, after each."""
        return [self._feed(unit) for unit in units]

    def _feed(self, unit: bytes) -> int:
        packet: Any = av.Packet(unit + bytes(20))
        packet.pts, packet.time_base = self.at, Fraction(1, FPS)
        due = self.sparing.pick(packet, Arrival(0.0, 0.0), self.at / FPS)
        for each, _ in due:
            self.gate.passes(float(each.pts * each.time_base))
        self.at += 1
        return len(due)


GROUP = (KEY, *[REFERRED] * 9)
"""the one at 0.2 s is the last that is wanted before the next key frame"""


def test_the_rest_of_a_group_waits_for_a_key_frame_and_goes() -> None:
    fed = Fed()

    counts = [fed.feed(*GROUP) for _ in range(4)]

    assert counts == [[1] * 10, [1] * 10, [1] * 6 + [0] * 4, [1] * 6 + [0] * 4]
    assert fed.tally == {"frames": 4, "spared": 4}  # of the last group it is not known yet


def test_what_waits_is_decoded_after_all_when_no_key_frame_comes() -> None:
    fed = Fed()
    for _ in range(2):
        fed.feed(*GROUP)

    counts = fed.feed(*GROUP, *[REFERRED] * 3)

    assert counts == [*[1] * 6, *[0] * 4, 5, 1, 1]


def test_at_first_all_is_decoded_for_the_decoder_has_to_see_how_far_pictures_are_out_of_order() -> None:
    assert Fed().learnt == [1] * (LEARN_PACKETS + 11)


def test_what_nobody_refers_to_is_decoded_where_it_is_wanted() -> None:
    fed = Fed()

    counts = fed.feed(KEY, *[ALONE, REFERRED] * 5)

    assert counts == [1, *[0, 1, 0, 1, 1, 1], *[0, 1, 0, 1]]


def test_at_least_once_a_second_something_is_decoded_however_seldom_pictures_are_wanted() -> None:
    fed = Fed(rate_hz=0.1)

    counts = fed.feed(KEY, *[ALONE] * 99)

    assert [number for number, count in enumerate(counts) if count] == [0, 25, 50, 75]


@pytest.mark.parametrize(
    ("data", "role"),
    [
        (SETS + KEY, Role.KEY),
        (SETS + ALONE, Role.NEEDED),
        (b"\0\0\0\1\x09\x10" + ALONE, Role.ALONE),
        (REFERRED, Role.REFERRED),
        (b"\0\0\0\1\x02", Role.NEEDED),
        (b"", Role.NEEDED),
        (b"\0\0\1", Role.NEEDED),
        (ALONE + b"\x9a" + ALONE + b"\x40", Role.ALONE),  # two slices
        (ALONE + b"\x9a" + ALONE + b"\x9a", Role.NEEDED),  # two pictures
        (ALONE + b"\x9a" + REFERRED, Role.NEEDED),
        (KEY + b"\x88" + REFERRED + b"\x9a", Role.KEY),
        (ALONE + b"\x9a" + SETS, Role.NEEDED),
        (ALONE + b"\x9a\0\0\0\1\x0c\xff", Role.ALONE),  # filled up
    ],
)
def test_the_role_of_a_packet_is_read_from_its_units(data: bytes, role: Role) -> None:
    packet: Any = av.Packet(data)

    assert Roles(make_decoder("h264", None)).of(packet) is role


@pytest.mark.parametrize(
    ("data", "role"),
    [
        (b"\0\0\0\2\x09\xf0\0\0\0\2\x01\x9a", Role.ALONE),
        (b"\0\0\0\2\x01\x9a\0\0\0\2\x41\x9a", Role.NEEDED),  # two pictures
        (b"\0\0\0\1\x09\xf0\0\0\0\1\x41\x9a", Role.NEEDED),  # start codes after all
        (b"\0\0\0\x09\x01\x9a", Role.NEEDED),  # cut off
    ],
)
def test_with_lengths_the_units_must_fill_the_packet(data: bytes, role: Role) -> None:
    packet: Any = av.Packet(data)

    assert Roles(make_decoder("h264", b"\1\x42\0\x0a\xff")).of(packet) is role


def test_nothing_is_said_of_packets_whose_description_is_of_an_unknown_kind() -> None:
    packet: Any = av.Packet(b"\0\0\1\x26" + bytes(0x126))  # as if a key frame stood behind a start code

    assert Roles(make_decoder("hevc", b"\0\x01" + bytes(30))).of(packet) is Role.NEEDED
