"""Runs a service as a process: signals, readiness and beats, one loop, an error boundary, exit codes."""

import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol, runtime_checkable

import msgspec

from framebus.bus import Bus
from framebus.errors import ConfigError, ExitCode
from framebus.group_here import place_here
from framebus.logs import log_to_stderr
from framebus.messages import ServiceState, ServiceStats, ServiceStatus
from framebus.notify import Notifier
from framebus.place import Place
from framebus.requests import GetStats, Ping, Pong
from framebus.transport import SocketBus

log = logging.getLogger(__name__)

STATS_S = 1.0
STATS_AGAIN_S = 5.0
"""how often what has not changed is told where nobody asked for it by name"""
STATUS_S = 5.0
BEAT_AGAIN_S = 0.1
TURN_S = 10.0
"""a signal ends it, too"""


@runtime_checkable
class Stoppable(Protocol):
    """A service that has something to finish before it ends."""

    def stop(self) -> None:
        """Finish or hand back the work at hand, within 5 s."""


@runtime_checkable
class SelfChecking(Protocol):
    """A service that can tell that it is stuck although its loop turns."""

    def is_healthy(self) -> bool:
        """False stops the beats, and the supervisor replaces the process."""


def run(name: str, make: Callable[[Bus], object], argv: Sequence[str] | None = None) -> int:
    """Run the service that `make(bus)` builds until SIGTERM; returns the process's exit code.

    Under the launcher or systemd the surroundings come from the environment; in a terminal from `--run`.
    """
    folder = _run_folder(name, sys.argv[1:] if argv is None else argv)
    faulthandler.enable()  # SIGABRT from a supervisor that misses our beats writes every stack to the log
    log_to_stderr(os.environ.get("FRAMEBUS_NAME", name))
    try:
        bus = _make_bus(name, folder)
        process = Process(bus, make, Notifier())
    except (ConfigError, msgspec.ValidationError) as error:
        log.error("configuration: %s", error)
        return ExitCode.CONFIGURATION
    except PermissionError as error:
        log.error("permission: %s", error)
        return ExitCode.PERMISSION
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.FAILED
    except Exception:  # counted by who started us, by the exit code
        log.exception("%s could not start", name)
        return ExitCode.INTERNAL
    return process.loop()


def leave(code: int) -> NoReturn:
    """End this process with an exit code, also beside threads that hang in native code.

    Python would wait for nothing of them, and yet crash now and then when one comes back while it takes itself apart.
    """
    logging.shutdown()
    if any(thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


class Process:
    """One service in its loop."""

    def __init__(self, bus: SocketBus, make: Callable[[Bus], object], notifier: Notifier) -> None:
        self._bus = bus
        self._notifier = notifier
        self._is_stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_signal)
        signal.set_wakeup_fd(bus.wakeup_fd, warn_on_full_buffer=False)
        self._started_at_s = bus.clock.wall_s()
        self._service = make(bus)
        # Asked once: Python compares such a type with every attribute of a class, each time.
        self._is_healthy = self._service.is_healthy if isinstance(self._service, SelfChecking) else lambda: True
        bus.answer(Ping, self._answer_ping)
        bus.every(notifier.beat_s, self._beat)
        StatsTeller(bus)

    def loop(self) -> int:
        """Turn until asked to stop."""
        self._bus.turn(0.0)
        self._tell(ServiceState.READY)
        if not self._notifier.send("READY=1", "WATCHDOG=1"):
            self._bus.after(BEAT_AGAIN_S, self._beat)
        if not self._notifier.is_supervised:  # nobody else tells who started it by hand
            log.info("%s is ready in %s", self._bus.name, self._bus.place.run)
        while not self._is_stopping:
            self._bus.turn(TURN_S)
        self._notifier.send("STOPPING=1")
        try:
            if isinstance(self._service, Stoppable):
                self._service.stop()
            self._tell(ServiceState.STOPPED)
        except Exception:  # as above
            log.exception("could not stop in good order")
            return ExitCode.INTERNAL
        finally:
            signal.set_wakeup_fd(-1)
            self._bus.close()
            self._notifier.close()
        return ExitCode.OK

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True

    def _beat(self) -> None:
        if self._is_healthy():
            # READY again with each beat: a supervisor whose queue was full has not heard the first.
            status = f"STATUS={self._bus.complaint}".replace("\n", " ")
            if not self._notifier.send("READY=1", "WATCHDOG=1", status):
                self._bus.after(BEAT_AGAIN_S, self._beat)  # all beat at once, and its queue may be short

    def _answer_ping(self, _: Ping) -> Pong:
        return Pong(name=self._bus.name, pid=os.getpid(), epoch=self._bus.epoch, version=version("framebus"))

    def _tell(self, state: ServiceState) -> None:
        """Say for ourselves what a launcher would say of us, where none does."""
        if self._notifier.is_supervised:
            return
        status = ServiceStatus(
            name=self._bus.name,
            state=state,
            pid=os.getpid(),
            incarnation=self._bus.epoch,
            since_at_s=self._started_at_s,
        )
        self._bus.publish(status)
        if state is ServiceState.READY:
            self._bus.every(STATUS_S, lambda: self._bus.publish(status))


class StatsTeller:
    """Tells what a service counts: when it has changed, each second to who asks for it by name, else now and then."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._newest = bus.stats.read()
        self._due_s = 0.0
        self._is_watched = False
        bus.on_watched(f"stats/{bus.name}/", self._note_watched)
        bus.answer(GetStats, self._answer)
        bus.every(STATS_S, self._tell)

    def _tell(self) -> None:
        before, self._newest = self._newest, self._bus.stats.read()
        now_s = self._bus.clock.boot_s()
        if self._newest != before or self._is_watched or now_s >= self._due_s:
            self._due_s = now_s + STATS_AGAIN_S - STATS_S / 2
            self._bus.publish(self._newest)

    def _note_watched(self, is_watched: bool) -> None:
        self._is_watched = is_watched

    def _answer(self, _: GetStats) -> ServiceStats:
        return self._newest  # reading again would take the latencies of the second away from the news


def _run_folder(name: str, argv: Sequence[str]) -> Path | None:
    """What `--run` names."""
    if not argv:  # as the launcher starts us: argparse would take 1 MB of each service
        return None
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog=name, description=f"The framebus service {name}.")
    parser.add_argument(
        "--run", type=Path, help="folder of the group's sockets (default: that of the group of this folder)"
    )
    run: Path | None = parser.parse_args(argv).run
    return run


def _make_bus(name: str, run: Path | None) -> SocketBus:
    place = place_here()
    if run is not None:
        place = Place.at(
            run, data=place.data, shm=Path(os.environ["FRAMEBUS_SHM"]) if "FRAMEBUS_SHM" in os.environ else None
        )
    place.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.environ.get("FRAMEBUS_SETTINGS")
    incarnation = os.environ.get("FRAMEBUS_INCARNATION", "")
    bus = SocketBus(
        os.environ.get("FRAMEBUS_NAME", name),
        place=place,
        epoch=int(incarnation) if incarnation.isdigit() else None,
        settings=Path(file).read_bytes() if file else b"{}",
    )
    bus.settings_file = Path(file) if file else None
    bus.was_killed = os.environ.get("FRAMEBUS_KILLED") == "1"
    return bus
