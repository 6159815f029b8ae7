"""What `framebus doctor` looks at in the machine: kernel, cores, memory, heat, clock, limits."""

import ctypes
import os
import platform
import resource
import time
from datetime import datetime
from pathlib import Path

import psutil

from framebus_launcher.child import MAX_FILES
from framebus_launcher.finding import Finding, fail, first_line, ok, warn
from framebus_launcher.output import size

ENOUGH_MEMORY_BYTES = 300 * 2**20
ENOUGH_WATCHES = 8_192
ENOUGH_INSTANCES = 64
BUILT_AT_S = 1_735_689_600.0
"""2025: a clock before that was never set"""
TIME_ERROR = 5
_PI_FLAGS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "temperature limit"}


def check_system() -> Finding:
    """The kernel must be Linux with pidfds: deaths are seen by them."""
    text = f"{platform.system()} {platform.release()}, {platform.machine()}"
    if platform.system() != "Linux":
        return fail("system", text, "framebus needs Linux")
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return fail("system", f"{text}: no pidfd", "needs Linux 5.3 or newer, and a container that allows pidfd_open")
    return ok("system", text)


def check_cores() -> Finding:
    """How many cores this process may use."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    text = f"{cores} cores, load {load:.1f}, pages of {os.sysconf('SC_PAGE_SIZE')} bytes"
    if load > 2.0 * cores:
        return warn("cores", text, "others use the cores: pictures may be dropped")
    return ok("cores", text)


def check_memory() -> Finding:
    """What is free, within the limit of a container."""
    free_bytes, total_bytes = psutil.virtual_memory().available, psutil.virtual_memory().total
    limit = first_line(Path("/sys/fs/cgroup/memory.max")) or ""
    used = first_line(Path("/sys/fs/cgroup/memory.current")) or ""
    if limit.isdecimal() and used.isdecimal() and int(limit) < total_bytes:
        total_bytes, free_bytes = int(limit), min(free_bytes, max(0, int(limit) - int(used)))
    text = f"{size(total_bytes)}, {size(free_bytes)} free"
    if free_bytes < ENOUGH_MEMORY_BYTES:
        return warn("memory", text, "two cameras need about 350 MB: end other programs, or raise the limit")
    return ok("memory", text)


def check_heat() -> Finding:
    """Whether the processor was slowed down: what a Raspberry Pi or an x86 kernel tells of it."""
    for path in Path("/sys/devices/platform").glob("soc*/soc*:firmware/get_throttled"):  # of a Raspberry Pi
        if (flags := first_line(path)) is not None:
            return pi_heat(flags)
    counts = [
        first_line(path) for path in Path("/sys/devices/system/cpu").glob("cpu*/thermal_throttle/*_throttle_count")
    ]
    numbers = [int(count) for count in counts if count is not None and count.isdecimal()]
    if not numbers:
        return ok("throttling", "this machine does not tell")
    if max(numbers) > 0:
        return warn("throttling", f"{max(numbers)} times slowed down by heat since it started", "cool it better")
    return ok("throttling", "never slowed down by heat since it started")


def pi_heat(flags: str) -> Finding:
    """The firmware's word: the low bits are now, those from 16 on were so since the start."""
    try:
        bits = int(flags, 16)
    except ValueError:
        return ok("throttling", f"the firmware says {flags!r}")
    now = [word for bit, word in _PI_FLAGS.items() if bits >> bit & 1]
    before = [word for bit, word in _PI_FLAGS.items() if bits >> (bit + 16) & 1]
    mend = "a 5 V power supply of 5 A, and a fan or heat sink"
    if now:
        return warn("throttling", f"now: {', '.join(now)}", mend)
    if before:
        return warn("throttling", f"since the start: {', '.join(before)}", mend)
    return ok("throttling", "none since the start")


def check_clock() -> Finding:
    """Recordings are named by the wall clock."""
    text = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}"
    mend = "switch on time synchronisation (timedatectl set-ntp true)"
    if time.time() < BUILT_AT_S:
        return fail("clock", f"{text}: it was never set", mend)
    if _is_unsynchronized():
        return warn("clock", f"{text}, not synchronized", mend)
    return ok("clock", text)


def _is_unsynchronized() -> bool:
    """What the kernel says of its clock; False where it may not be asked."""
    try:
        kernel = ctypes.CDLL(None)
        answer = ctypes.create_string_buffer(512)  # larger than struct timex; all zero asks only
        return bool(kernel.adjtimex(answer) == TIME_ERROR)
    except (OSError, AttributeError):
        return False


def check_files() -> Finding:
    """How many files a process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{_limit(soft)}, can be raised to {_limit(hard)}"
    if hard != resource.RLIM_INFINITY and hard < MAX_FILES:
        return warn("open files", text, f"services want {MAX_FILES}: raise the hard limit (ulimit -Hn {MAX_FILES})")
    return ok("open files", text)


def _limit(number: int) -> str:
    return "without limit" if number == resource.RLIM_INFINITY else str(number)


def check_inotify() -> Finding:
    """How many folders may be watched for new files."""
    folder = Path("/proc/sys/fs/inotify")
    watches, instances = (first_line(folder / f"max_user_{what}") for what in ("watches", "instances"))
    if watches is None or instances is None:
        return ok("inotify", "this system does not tell its limits")
    text = f"{watches} watches, {instances} instances"
    if int(watches) < ENOUGH_WATCHES or int(instances) < ENOUGH_INSTANCES:
        mend = f"sysctl fs.inotify.max_user_watches={ENOUGH_WATCHES} fs.inotify.max_user_instances={ENOUGH_INSTANCES}"
        return warn("inotify", text, mend)
    return ok("inotify", text)
