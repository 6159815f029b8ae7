"""A bus of a script's own: a dispatcher in a folder of its own, for as long as a `with` block lasts."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from framebus import codec
from framebus.errors import DeadlineError, ErrorCode, RefusedError
from framebus.place import Place
from framebus.requests import Ping
from framebus.transport import ScriptCaller
from framebus_launcher.process import RunningChild
from framebus_launcher.tail import Tail

START_S = 15.0
STOP_S = 5.0


@contextlib.contextmanager
def own_bus(run: Path | None) -> Iterator[Place]:
    """A dispatcher at `run`, or in a temporary folder; nothing is left of it. Raises RefusedError, OSError."""
    with contextlib.ExitStack() as opened:
        opened.enter_context(_ended_by_signals())
        folder = Path(tempfile.mkdtemp(prefix="framebus-"))
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        place = Place.at(run or folder / "run", data=folder / "data", shm=folder / "shm")
        place.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (place.run / "sub").exists():
            raise RefusedError(ErrorCode.CONFLICT, f"a group runs in {place.run} already; leave --alone out, or --run")
        environment = {**os.environ, **place.to_environment(), "FRAMEBUS_INCARNATION": str(int(time.time() * 1e6))}
        for name in ("NOTIFY_SOCKET", "FRAMEBUS_SETTINGS", "FRAMEBUS_NAME"):  # those are not meant for it
            environment.pop(name, None)
        argv = (sys.executable, "-m", "framebus_services.dispatcher")
        child = RunningChild(argv, environment=environment, nice=0, incarnation=0)
        try:
            _wait_ready(place, child)
            yield place
        finally:
            child.send(signal.SIGTERM)
            child.has_ended(STOP_S)
            child.reap()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does: by themselves they would leave its folder behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # by nohup
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_ready(place: Place, child: RunningChild) -> None:
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and not child.has_ended(0.0):
        with contextlib.suppress(DeadlineError), contextlib.closing(ScriptCaller(place)) as caller:
            caller.call("dispatcher", "ping", codec.encode(Ping()), 1.0)
            return
    lines = Tail().feed(child.read() or b"")
    raise RefusedError(ErrorCode.UNAVAILABLE, f"the dispatcher does not start: {lines[-1] if lines else 'no word'}")
