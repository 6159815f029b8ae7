"""The zygote: a process that has loaded what services need, and forks them on the launcher's word.

`python -m framebus_launcher.zygote_process LINE PARENT_PID MODULES`: a fork shares the pages of what is loaded,
and starts in milliseconds. It has one thread and no socket but the line, so that a fork cuts nothing in two; when an
import has left a thread behind, it refuses. Its death is no service's: they are the launcher's children.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import runpy
import select
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from framebus_launcher import child

PR_SET_NAME = 15
READ_BYTES = 262_144
GO = b"."
LOADED, FAILED, FORKED, REFUSED = "loaded", "failed", "forked", "refused"
REST_S = 1.0
"""loaded, and without an order for so long: it lets go of what only loading needed"""
MADV_DONTNEED = 4


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A service to fork; its output goes to the descriptor that comes along."""

    argv: tuple[str, ...]
    """as in `python -m MODULE ARGUMENT...`"""
    environment: dict[str, str]
    nice: int


def main() -> None:
    number, parent, modules = sys.argv[1:]
    if problem := child.die_with(int(parent)):
        raise SystemExit(problem)
    line = _only_descriptor(int(number))
    launcher = int(parent)
    _be_called("framebus zygote")
    gc.disable()  # what is loaded stays; to look through it would copy its pages in every child
    for order, output in _orders(line, modules.split(",")):
        if _fork(line, order, output, launcher):
            gc.enable()
            _run(order.argv)  # in the child; the interpreter ends as after any `python -m`
            return


def _only_descriptor(number: int) -> socket.socket:
    """The line, with what else our parent left open closed."""
    os.closerange(3, number)
    os.closerange(number + 1, child.MAX_FILES)
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)


def _orders(line: socket.socket, modules: Sequence[str]) -> Iterator[tuple[Order, int]]:
    """What the launcher orders, while and after the modules are loaded; it ends when the launcher does."""
    poll = select.poll()
    poll.register(line, select.POLLIN)
    waiting = list(modules)
    is_lean = False
    while True:
        if waiting and not poll.poll(0):
            _load(line, waiting.pop(0))
            continue
        if not is_lean and not poll.poll(REST_S * 1_000):
            _let_go_of_files()
            is_lean = True
            continue
        data, descriptors, _, _ = socket.recv_fds(line, READ_BYTES, 1)
        if not data:
            raise SystemExit
        yield msgspec.json.decode(data, type=Order), descriptors[0]


def _load(line: socket.socket, module: str) -> None:
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  # the service itself will say so, in its own log
        _tell(line, FAILED, f"{module} {type(error).__name__}")
        return
    _tell(line, LOADED, module)


def _let_go_of_files() -> None:
    """No longer map what of libraries was only read while they were loaded: 26 MB, which the kernel may then have."""
    libc = ctypes.CDLL(None)
    try:
        smaps = Path("/proc/self/smaps").read_text()
    except OSError:  # a kernel without it
        return
    for start, end in clean_files(smaps):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


def clean_files(smaps: str) -> Iterator[tuple[int, int]]:
    """The areas of files, from start to end, that nobody has written to: what the linker wrote would be lost."""
    start = end = written_kb = 0
    is_file = False
    for line in smaps.splitlines():
        name, value, *more = line.split()
        if not name.endswith(":"):  # as in 7f00-7f10 r-xp 00000000 fe:00 1234 /usr/lib/libc.so.6
            start, end = (int(number, 16) for number in name.split("-"))
            is_file, written_kb = "w" not in value and more[2] != "0", 0
        elif name == "Anonymous:":
            written_kb = int(value)
        elif name == "Swap:" and is_file and not written_kb + int(value):  # what is in swap is not counted above
            yield start, end


def _fork(line: socket.socket, order: Order, output: int, launcher: int) -> bool:
    """Make a child of the launcher; True in that child, False here."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        os.close(output)
        _tell(line, REFUSED, f"an import has started {threads - 1} threads")
        return False
    gc.freeze()
    told, tell = os.pipe()
    waits, go = os.pipe()
    try:
        middle = os.fork()
    except OSError as error:
        for descriptor in (output, told, tell, waits, go):
            os.close(descriptor)
        _tell(line, REFUSED, str(error))
        return False
    if middle == 0:
        # Whose parent has died belongs to the launcher, which asked the kernel for that (PR_SET_CHILD_SUBREAPER).
        if os.fork():
            os._exit(0)
        os.setsid()  # before the launcher hears of us: it speaks to the whole group
        os.write(tell, str(os.getpid()).encode())
        for descriptor in (told, tell, go, line.detach()):
            os.close(descriptor)
        _begin(order, output, waits, launcher)
        return True
    for descriptor in (output, tell, waits):
        os.close(descriptor)
    os.waitpid(middle, 0)
    pid_text = os.read(told, 32).decode()
    os.close(told)
    if pid_text:
        _tell(line, FORKED, pid_text)
        with contextlib.suppress(BrokenPipeError):  # killed already
            os.write(go, GO)  # not before the launcher can know of it: should we die here, it ends by itself
    else:
        _tell(line, REFUSED, "its child failed to fork")
    os.close(go)
    return False


def _begin(order: Order, output: int, waits: int, launcher: int) -> None:
    """Be a process as if started anew: output, surroundings, limits, title."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    if os.read(waits, 1) != GO:
        os._exit(child.INTERNAL)  # the zygote has died on the way
    os.close(waits)
    os.environ.clear()
    os.environ.update(order.environment)
    if problem := child.join(launcher, order.nice):
        sys.stderr.write(f"ERROR {problem}\n")
        os._exit(child.INTERNAL)
    name = order.environment.get("FRAMEBUS_NAME")
    _be_called(f"framebus {name}" if name else " ".join(order.argv), name)
    _show(os.environ)


def _be_called(title: str, short: str | None = None) -> None:
    """Let `ps` and /proc/PID/cmdline tell this title, and `top` a short one: the zygote's is written over, in place."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, (short or title).encode()[:15], 0, 0, 0)
    arguments, arguments_end, _, _ = _areas()
    room = arguments_end - arguments - 1
    # A last byte that is no zero tells the kernel that the title ends at the first zero.
    ctypes.memmove(arguments, title.encode(errors="replace")[: room - 1].ljust(room, b"\0") + b".", room + 1)


def _show(environment: Mapping[str, str]) -> None:
    """Let /proc/PID/environ tell this environment, in place of the zygote's."""
    _, _, variables, variables_end = _areas()
    room = variables_end - variables
    ours_first = sorted(environment.items(), key=lambda item: not item[0].startswith("FRAMEBUS_"))
    text = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in ours_first)
    text = text[: text.rfind(b"\0", 0, room) + 1]  # no variable is cut in two
    ctypes.memmove(variables, text.ljust(room, b"\0"), room)


def _areas() -> tuple[int, int, int, int]:
    """Where the kernel reads arguments and environment: arg_start, arg_end, env_start, env_end of proc(5)."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    arguments, arguments_end, variables, variables_end = map(int, fields[45:49])
    return arguments, arguments_end, variables, variables_end


def _run(argv: Sequence[str]) -> None:
    _, _, module, *arguments = argv
    sys.argv[:] = [module, *arguments]
    sys.modules.pop(module, None)  # where it is loaded already it runs once more, under its other name
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _tell(line: socket.socket, word: str, text: str) -> None:
    try:
        line.send(f"{word} {text}".encode())
    except OSError:
        raise SystemExit from None  # the launcher is gone


if __name__ == "__main__":
    main()
