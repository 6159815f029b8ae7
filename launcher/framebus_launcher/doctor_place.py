"""What `framebus doctor` looks at around a group: shared memory, its folders, the disk, the port, other groups."""

import contextlib
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path

from framebus.errors import ConfigError
from framebus.group_here import find_launchers
from framebus.keep_settings import size_bytes
from framebus.place import Place
from framebus.recordings import floor_bytes
from framebus_launcher.finding import Finding, can_write, existing, fail, first_line, ok, warn
from framebus_launcher.output import size
from framebus_launcher.taken import taken_bytes
from framebus_launcher.words import gigabytes

LONGEST_SERVICE = f"capture@{'x' * 12}"
RINGS_BYTES = 64 * 2**20
"""what the rings of a few cameras take"""
PORT = 8480
SYNCS = 5
SLOW_SYNC_MS = 100.0
SYNC_BYTES = 65_536
_VIRTUAL = ("vd", "xvd")
"""disks of virtual machines, which say that they spin"""


def check_shm(place: Place) -> Finding:
    """Where the rings are."""
    folder = existing(place.shm)
    state = os.statvfs(folder)
    total, free = state.f_blocks * state.f_frsize, state.f_bavail * state.f_frsize
    text = f"{folder}: {size(total)}, {size(free)} free"
    if not can_write(folder):
        return fail("shared memory", f"{folder} is not writable", "choose another folder: shm: in framebus.yml")
    if not Path("/dev/shm").is_dir():
        return warn("shared memory", f"{text}; no /dev/shm", "mount a tmpfs there: pictures go over the disk else")
    if free < RINGS_BYTES:
        return warn("shared memory", text, "make it larger (docker: shm_size: 512m), or shm: in framebus.yml")
    return ok("shared memory", text)


def check_run(place: Place) -> Finding:
    """The folder of the sockets: theirs may be 107 bytes at most, and nobody else may write there."""
    try:
        place.check_door(LONGEST_SERVICE)
    except ConfigError:
        return fail("run folder", f"{place.run} is too long for sockets", "choose a shorter one with --run")
    if not place.run.exists():
        parent = existing(place.run)
        if not can_write(parent):
            return fail("run folder", f"{place.run} cannot be made in {parent}", "choose another with --run")
        return ok("run folder", f"{place.run}, will be made")
    found = place.run.lstat()
    if place.run.is_symlink() or found.st_uid != os.getuid():
        return fail("run folder", f"{place.run} belongs to another user or is a link", "choose another with --run")
    if found.st_mode & 0o022:
        return fail("run folder", f"others may write in {place.run}", f"chmod 700 {place.run}")
    return ok("run folder", f"{place.run}, mode {found.st_mode & 0o777:o}")


def check_data(place: Place) -> Finding:
    """The folder of recordings, clips and ledger."""
    folder = existing(place.data)
    if not can_write(folder):
        mend = "choose another with --data, or give yourself the right to write there"
        return fail("data folder", f"{place.data}: {folder} is not writable", mend)
    state = os.statvfs(folder)
    free, total = state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize
    text = f"{place.data}: {size(free)} free of {size(total)}{disk_kind(folder)}"
    if folder != place.data:
        text += ", will be made"
    floor = floor_bytes(total)
    if free < floor:
        return fail("data folder", text, "recording pauses below 5 % or 2 GB: make room, or choose another with --data")
    if free < 2 * floor:
        return warn("data folder", text, "old recordings will be deleted soon: make room, or choose another disk")
    return ok("data folder", text)


def check_recordings(place: Place, most: str) -> Finding:
    """How full the bound of all recordings is, where there is one."""
    try:
        taken = taken_bytes(place.data)
    except OSError as error:
        return warn("recordings", f"cannot be counted: {error}", "see the data folder")
    text = f"{'too many files to count' if taken is None else gigabytes(taken)}, at most {most}"
    state = os.statvfs(existing(place.data))
    room = state.f_bavail * state.f_frsize + (taken or 0) - floor_bytes(state.f_blocks * state.f_frsize)
    if taken is not None and size_bytes(most) > room:
        return warn(
            "recordings", f"{text}; the disk has room for {gigabytes(max(0, room))}", "make recordings.max smaller"
        )
    return ok("recordings", text)


def disk_kind(folder: Path) -> str:
    """As in ` (card)`; empty where the kernel does not tell."""
    device = folder.stat().st_dev
    at = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    if at.name.startswith("mmcblk"):
        return " (card)"
    for block in (at, at.parent):
        spins = first_line(block / "queue" / "rotational")
        if spins == "0" or (spins == "1" and not block.name.startswith(_VIRTUAL)):
            return " (spinning disk)" if spins == "1" else " (SSD)"
    return ""


def check_disk_speed(place: Place) -> Finding:
    """How long a sync takes there: a job is accepted after one. Writes a small file of its own and removes it."""
    folder = existing(place.data)
    if not can_write(folder):
        return warn("disk speed", "not measured: the data folder is not writable", "see there")
    try:
        took_ms = _sync_ms(folder)
    except OSError as error:
        return fail("disk speed", f"{folder}: {error.strerror}", "choose another folder with --data")
    median, worst = statistics.median(took_ms), max(took_ms)
    text = f"a sync takes {median:.1f} ms, the worst of {SYNCS} {worst:.1f} ms"
    if median > SLOW_SYNC_MS:
        return warn("disk speed", text, "jobs are accepted that much later: put the data on a faster disk")
    return ok("disk speed", text)


def _sync_ms(folder: Path) -> list[float]:
    descriptor, name = tempfile.mkstemp(prefix=".framebus-doctor-", dir=folder)
    took_ms = []
    try:
        for _ in range(SYNCS):
            os.write(descriptor, bytes(SYNC_BYTES))
            started_s = time.monotonic()
            os.fsync(descriptor)
            took_ms.append(1_000.0 * (time.monotonic() - started_s))
    finally:
        os.close(descriptor)
        os.unlink(name)
    return took_ms


def check_port(place: Place) -> Finding:
    """The port of the page; a group that runs here has it itself."""
    with contextlib.closing(socket.socket()) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(("127.0.0.1", PORT))
        except OSError as error:
            if place.run.is_dir() and find_launchers(place.run):
                return ok("port", f"{PORT} is in use while a group runs here; framebus link tells where its page is")
            mend = "the page takes the next free one, and its link says which; http.port names another"
            return warn("port", f"{PORT}: {error.strerror}", mend)
    return ok("port", f"{PORT} is free for the page")


def check_groups(place: Place) -> Finding:
    """Whether a group runs here, or another has the data."""
    here = find_launchers(place.run) if place.run.is_dir() else []
    if here:
        return ok("groups", f"one runs here, its launcher is process {here[0]}")
    others = find_launchers(place.data) if place.data.is_dir() else []
    if others:
        text = f"{place.data} is in use by a group elsewhere, its launcher is process {others[0]}"
        return warn("groups", text, "choose another folder with --data, or name that group with --run")
    return ok("groups", "none runs here")
