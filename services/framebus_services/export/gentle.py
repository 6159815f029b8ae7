"""Makes a process give way to the cameras: for the processor and, where the system allows, for the disk."""

import os

import psutil

NICE = 10
"""clips wait; cameras do not"""
LEAST_IO = 7
"""of the classes of best effort, 0 to 7"""


def give_way() -> None:
    """To be called before there are threads: they inherit it."""
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    try:
        psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, LEAST_IO)
    except (AttributeError, OSError, psutil.Error):
        pass  # a system without it, or one that forbids it; what is copied is paced all the same
