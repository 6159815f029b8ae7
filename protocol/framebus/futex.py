"""Sleep until a word of shared memory changes: futex(2) of Linux. Elsewhere the word is looked at every 5 ms."""

import ctypes
import errno
import platform
import sys
import time
from collections.abc import Callable

LOOK_S = 0.005
LONGEST_S = 3_600.0
"""of one sleep; who waits for longer sleeps again"""

# From Linux: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h; include/uapi/linux/futex.h.
_SYSTEM_CALLS = {"x86_64": 202, "aarch64": 98}
_WAIT, _WAKE = 0, 1
_ALL = 2**31 - 1
_WORD = 2**32 - 1
_EXPECTED = (errno.EAGAIN, errno.ETIMEDOUT)
"""the word was another one already; nothing came"""

_Timespec = ctypes.c_long * 2
_call: Callable[..., int] | None = None
_number = _SYSTEM_CALLS.get(platform.machine(), 0)
if sys.platform == "linux" and _number and sys.maxsize > _WORD:
    _call = ctypes.CDLL(None, use_errno=True).syscall
    _call.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p]
    _call.restype = ctypes.c_long


def sleep(address: int, value: int, limit_s: float) -> None:
    """Until somebody wakes those at `address`, for at most `limit_s`; not at all when the word there is not `value`.

    The word has 32 bits, at an address that 4 divides, in memory that may be read only; of `value` the low bits count.
    A signal does not end it, unless its handler raises. May return early without a reason.
    """
    limit_s = min(max(limit_s, 0.0), LONGEST_S)
    end_s = time.monotonic() + limit_s
    while _call is not None:
        limit = _Timespec(*divmod(int(limit_s * 1e9), 10**9))
        if not _call(_number, address, _WAIT, value & _WORD, ctypes.byref(limit)):
            return
        if (reason := ctypes.get_errno()) in _EXPECTED:
            return
        limit_s = max(0.0, end_s - time.monotonic())  # by now a handler of Python has run
        if reason != errno.EINTR:
            break
    _look(address, value & _WORD, limit_s)


def _look(address: int, value: int, limit_s: float) -> None:
    """As `sleep`, where the kernel has no such call or refuses it; whoever wakes is not heard."""
    word = ctypes.c_uint32.from_address(address)
    end_s = time.monotonic() + limit_s
    while word.value == value and (left_s := end_s - time.monotonic()) > 0.0:
        time.sleep(min(left_s, LOOK_S))


def wake(address: int) -> None:
    """Wake all, of any process, that sleep at this word."""
    if _call is not None:
        _call(_number, address, _WAKE, _ALL, None)
