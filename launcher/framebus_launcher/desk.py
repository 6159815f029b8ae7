"""What the launcher answers at its own door about its services: list, start, stop, restart, kill, logs."""

import logging
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version

from framebus.bus import Bus
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import ServiceStats, ServiceStatus
from framebus.requests import (
    GetLogs,
    GetStats,
    KillService,
    ListServices,
    Ping,
    Pong,
    RestartService,
    Services,
    StartService,
    StopService,
)
from framebus_launcher.logbook import Logbook
from framebus_launcher.member import Member
from framebus_launcher.reload import Reloader
from framebus_launcher.table import no_service

log = logging.getLogger(__name__)


class Desk:
    """Answers requests about the members of a group."""

    def __init__(
        self,
        bus: Bus,
        members: Mapping[str, Member],
        logbook: Logbook,
        reloader: Reloader,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._bus = bus
        self._members = members
        self._logbook = logbook
        self._reloader = reloader
        self._is_stopping = is_stopping

    def open(self) -> None:
        """Open the door."""
        self._bus.answer(ListServices, self._list)
        self._bus.answer(StartService, self._start)
        self._bus.answer(StopService, self._stop)
        self._bus.answer(RestartService, self._restart)
        self._bus.answer(KillService, self._kill)
        self._bus.answer(GetLogs, self._logbook.read)
        self._bus.answer(Ping, self._ping)
        self._bus.answer(GetStats, self._stats)

    def _list(self, _: ListServices) -> Services:
        return Services(services=[member.status for member in self._members.values()])

    def _start(self, ask: StartService) -> ServiceStatus:
        member = self._find(ask.name)
        self._reloader.refresh(member)
        log.info("%s: a start was asked for", ask.name)
        member.start(self._bus.clock.boot_s())
        return member.status

    def _stop(self, ask: StopService) -> ServiceStatus:
        member = self._find(ask.name)
        log.info("%s: a stop was asked for", ask.name)
        member.stop(self._bus.clock.boot_s())
        return member.status

    def _restart(self, ask: RestartService) -> ServiceStatus:
        member = self._find(ask.name)
        self._reloader.refresh(member)
        log.info("%s: a restart was asked for", ask.name)
        member.stop(self._bus.clock.boot_s(), again=True)
        return member.status

    def _kill(self, ask: KillService) -> ServiceStatus:
        member = self._find(ask.name)
        if member.child is None:
            raise RefusedError(ErrorCode.CONFLICT, f"{ask.name} does not run now; it is {member.status.state.value}")
        member.send(ask.signal, self._bus.clock.boot_s())
        return member.status

    def _ping(self, _: Ping) -> Pong:
        return Pong(name=self._bus.name, pid=os.getpid(), epoch=self._bus.epoch, version=version("framebus"))

    def _stats(self, _: GetStats) -> ServiceStats:
        return self._bus.stats.read()

    def _find(self, name: str) -> Member:
        if self._is_stopping():
            raise RefusedError(ErrorCode.UNAVAILABLE, "the group is stopping")
        member = self._members.get(name)
        if member is None:
            raise RefusedError(ErrorCode.NOT_FOUND, no_service(name, self._members))
        if self._reloader.is_leaving(member):
            raise RefusedError(ErrorCode.NOT_FOUND, f"{name} is no longer in the configuration; it is stopping")
        return member
