"""Estimates what a configuration takes: processor, and disk for what it keeps. Honest guesses, each with its source."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from framebus.addresses import Address, Kind, parse_address
from framebus.keep import Keep, words_of
from framebus.keep_settings import size_bytes
from framebus.recordings import floor_bytes
from framebus.settings import DEFAULT_FPS, Camera, Encoder
from framebus_launcher.config_file import Reading
from framebus_launcher.edit import find_value
from framebus_launcher.finding import existing
from framebus_launcher.measured import Measured, MeasuredFile, mark_of
from framebus_launcher.taken import taken_bytes
from framebus_launcher.words import gigabytes, lasting

DAY_S = 86_400.0

BYTES_PER_S = {Kind.SYNTHETIC: 41_000.0, Kind.FILE: 250_000.0, Kind.PLUGIN: 250_000.0}
NETWORK_BYTES_PER_S = 500_000.0
"""4 Mbit/s: 1080p in H.264 as cameras come"""
MAIN_PIXELS_PER_S = 1_920 * 1_080 * 15.0
SMALL_PIXELS_PER_S = 640 * 360 * 15.0
SEEN_PIXELS = 1_280 * 720.0
"""of a picture that processors see, at most"""

# Measured on one machine, two cores of x86-64, with H.264; smaller processors take several times that.
GROUP_PERCENT = 4.0
"""of one core: all that is there without a camera"""
CAMERA_PERCENT = 1.0
DECODE_NS = 2.2
"""for a pixel that comes"""
SEE_NS = 4.0
"""for a pixel that processors see: made smaller, copied, compared"""


@dataclass
class Needs:
    """What to print."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What recordings take in bytes, when nothing happens and when always something does."""

    least: float
    most: float
    bound: float

    @property
    def wish(self) -> str:
        """What `keep` alone asks for."""
        return (
            f"about {gigabytes(self.least)}"
            if self.least == self.most
            else f"{gigabytes(self.least)} to {gigabytes(self.most)}"
        )

    def __str__(self) -> str:
        if min(self.most, self.bound) <= self.least:
            return gigabytes(min(self.most, self.bound))
        return f"{gigabytes(self.least)} to {gigabytes(min(self.most, self.bound))} (by how much goes on)"


def find_needs(reading: Reading) -> Needs:
    """What the cameras of a configuration will take, before any of them was started."""
    needs = Needs()
    cameras = reading.settings.cameras
    if not cameras:
        return needs
    measured = _measured(reading)
    percent = GROUP_PERCENT + sum(_percent(camera, measured.get(name)) for name, camera in cameras.items())
    rates = {name: _rate(camera, measured.get(name)) for name, camera in cameras.items() if _is_recorded(camera)}
    keeps = {name: Keep.of(cameras[name].record.keep) for name in rates}
    kept = Kept(
        least=sum(rate * keeps[name].all_s for name, rate in rates.items()),
        most=sum(rate * keeps[name].longest_s for name, rate in rates.items()),
        bound=size_bytes(reading.settings.recordings.max) if reading.settings.recordings.max else math.inf,
    )
    day = sum(rates.values()) * DAY_S
    cores = len(os.sched_getaffinity(0))
    needs.lines.append(
        f"estimate: {percent:.0f} % of one core (there are {cores}), more on a small processor or with a detector; "
        f"{gigabytes(day)} a day, {kept} for all that is kept"
    )
    for name, rate in rates.items():
        keep = keeps[name]
        source = "measured when it was added" if name in measured else f"a guess: {_guess_words(cameras[name])}"
        takes = f"{gigabytes(rate * keep.all_s)} in {words_of(cameras[name].record.keep)[0]}"
        if keep.is_by_kind:
            takes += f", up to {gigabytes(rate * keep.longest_s)} in {words_of(cameras[name].record.keep)[-1]}"
        needs.lines.append(f"  {name}: {8 * rate / 1e6:.2g} Mbit/s ({source}), {takes}")
    needs.warnings += _room_warnings(reading, kept, day / DAY_S)
    if percent > 100.0 * cores:
        needs.warnings.append(
            f"the cameras may take {percent:.0f} % of one core, and there are {cores}: give them a small detect.source"
        )
    return needs


def _room_warnings(reading: Reading, kept: Kept, bytes_per_s: float) -> list[str]:
    """Where less can be kept than `keep` asks for."""
    warnings = []
    room = _room(reading.place.data)
    if room is not None and kept.bound < math.inf and kept.bound > room:
        warnings.append(
            f"recordings.max: {reading.settings.recordings.max} is more than the {gigabytes(room)} that the disk of "
            f"{reading.place.data} has for recordings"
        )
    if kept.bound < min(kept.least, math.inf if room is None else room):
        warnings.append(
            f"recordings.max: `keep` asks for {kept.wish}, and {gigabytes(kept.bound)} are the bound: recordings go "
            f"before their time, after about {lasting(kept.bound / bytes_per_s)} if all of it is alike"
        )
    elif room is not None and min(kept.least, kept.bound) > room:
        warnings.append(
            f"{reading.place.data}: its disk has room for {gigabytes(room)} of recordings, and `keep` asks for "
            f"{kept.wish}: the oldest go after about {lasting(room / bytes_per_s)}; keep less, or choose a larger disk"
        )
    elif room is not None and min(kept.most, kept.bound) > room:
        warnings.append(
            f"{reading.place.data}: its disk has room for {gigabytes(room)} of recordings, and `keep` asks for "
            f"{kept.wish}: where much goes on, all is kept shorter; keep less, or choose a larger disk"
        )
    return warnings


def _measured(reading: Reading) -> dict[str, Measured]:
    """What was measured of the sources as they stand there now."""
    found = {}
    for name, measured in MeasuredFile(reading.place.data).find().items():
        try:
            source = find_value(reading.written, ["cameras", name, "source"])
        except LookupError:
            continue
        if measured.mark == mark_of(str(source)):
            found[name] = measured
    return found


def _is_recorded(camera: Camera) -> bool:
    """A source of one's own gives pictures, which only an encoder makes into a recording."""
    is_encoded = camera.record.encoder is not Encoder.NONE or parse_address(camera.source).kind is not Kind.PLUGIN
    return camera.record.enabled and is_encoded


def _rate(camera: Camera, measured: Measured | None) -> float:
    if measured is not None:
        return measured.bytes_per_s
    return BYTES_PER_S.get(parse_address(camera.source).kind, NETWORK_BYTES_PER_S)


def _guess_words(camera: Camera) -> str:
    kind = parse_address(camera.source).kind
    return "framebus add measures" if kind not in BYTES_PER_S else "as usual for such a source"


def _percent(camera: Camera, measured: Measured | None) -> float:
    """Of one core."""
    if camera.detect.source is not None:
        come = SMALL_PIXELS_PER_S
        size = 640 * 360.0
    else:
        come, size = _main(parse_address(camera.source), measured)
    if camera.detect.width and camera.detect.height:
        size = float(camera.detect.width * camera.detect.height)
    see = min(size, SEEN_PIXELS) * (camera.detect.fps or DEFAULT_FPS)
    return CAMERA_PERCENT + 100e-9 * (come * DECODE_NS + see * SEE_NS)


def _main(address: Address, measured: Measured | None) -> tuple[float, float]:
    """The pixels of a second that come, and those of one picture."""
    if measured is not None:
        size = float(measured.width * measured.height)
        return size * measured.fps, size
    if address.kind is Kind.SYNTHETIC:
        size = float(address.screen.width * address.screen.height)
        return size * address.screen.fps, size
    return MAIN_PIXELS_PER_S, 1_920 * 1_080.0


def _room(data: Path) -> float | None:
    """What recordings may take on this disk in all, those included that are there; None where it takes long to know."""
    try:
        state = os.statvfs(existing(data))
        taken = taken_bytes(data)
    except OSError:
        return None
    if taken is None:
        return None
    return max(0.0, state.f_bavail * state.f_frsize + taken - floor_bytes(state.f_blocks * state.f_frsize))
