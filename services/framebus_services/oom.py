"""Asks the kernel whether it killed for want of memory: then who died is to blame, and not somebody outside."""

from pathlib import Path


def count_oom_kills() -> int | None:
    """How many processes the kernel has killed for want of memory since the boot; None where it does not tell."""
    try:
        _, found, rest = Path("/proc/vmstat").read_bytes().partition(b"\noom_kill ")
    except OSError:
        return None
    return int(rest.split(maxsplit=1)[0]) if found else None
