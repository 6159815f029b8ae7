"""The group: keeps what runs equal to the table, by one loop that looks at every member after each event."""

import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import msgspec

from framebus.bus import Bus
from framebus.errors import ExitCode, RefusedError
from framebus.messages import ServiceStatus
from framebus.place import Place
from framebus.settings import DispatcherSettings, Settings
from framebus.transport import SocketBus
from framebus_launcher.bound import Bound
from framebus_launcher.config_file import ConfigFile
from framebus_launcher.crew import Crew
from framebus_launcher.desk import Desk
from framebus_launcher.folders import check_names, make_folders, remove_rings, tidy
from framebus_launcher.incarnation import Incarnations
from framebus_launcher.lock import LockedError, lock_group
from framebus_launcher.logbook import Logbook, OwnLines
from framebus_launcher.member import Member
from framebus_launcher.reload import Reloader
from framebus_launcher.removed_cameras import RemovedCameras
from framebus_launcher.renewal import Renewal
from framebus_launcher.signals import Signals
from framebus_launcher.spawner import Spawner
from framebus_launcher.table import DISPATCHER, Row

log = logging.getLogger(__name__)

TURN_S = 1.0
"""as often as everybody beats: more often would wake it for nothing"""
STATUS_S = 5.0
STOP_S = 7.5
"""after so long of stopping what still lives is killed, so that all is gone within 8 s"""
ONE_WISH_S = 0.5
"""a second signal to stop that comes so soon is no second wish: timeout(1) sends two, and keys bounce"""
TOLD_S = 0.5
"""a stopping dispatcher hears so long of those that have stopped before it"""
GIVE_UP_S = 5.0
"""what was killed and does not die within so long is left to the kernel"""
GAP_S = 1.0
"""a turn later than this: the launcher was stopped, or the machine slept"""
NO_DISPATCHER = 3
"""exit code: the dispatcher was never ready"""


class Group:
    """The processes of a table. `run()` is all of it; `open()`, `turn()` and `close()` are its parts."""

    def __init__(
        self,
        settings: Settings,
        place: Place,
        *,
        rows: Sequence[Row],
        kinds: Sequence[str] = (),
        file: ConfigFile | None = None,
        on_change: Callable[[ServiceStatus], None] = lambda status: None,
        on_line: Callable[[str, str], None] = lambda name, line: None,
        renew: Callable[[Bus, Mapping[str, Member]], Renewal] | None = None,
    ) -> None:
        """`kinds` names those that `up --only` runs; `file` is what a reload reads; `renew` makes what sees to code.

        Raises PermissionError, ConfigError; on the main thread only.
        """
        check_names(rows, place)
        make_folders(place)
        self._settings = settings
        self._place = place
        self._kinds = list(kinds)
        self._on_change = on_change
        self._incarnations = Incarnations(place.data)
        part = "-".join(kinds)[:32]
        self.bus = SocketBus(f"launcher@{part}" if part else "launcher", place=place)
        self.bus.epoch = self._incarnations.draw(self.bus.clock.wall_s())
        self._notify = place.run / (f"notify.{part}" if part else "notify")
        self._spawner = Spawner(place, self._notify, self._incarnations, self.bus.clock)
        self._logbook = Logbook(self.bus.clock.wall_s, self.bus.epoch)
        self._crew = Crew(self.bus, self._spawner, settings.launcher.restart, self._logbook, on_line)
        self._waiting = [self._crew.add(row) for row in rows]
        """members whose tier has not begun"""
        self._reloader = Reloader(self.bus, self._crew, place, file, self._begin, lambda: self._stop_s is not None)
        self._renewal = renew(self.bus, self.members) if renew is not None else None
        self._opened = ExitStack()
        self._began_s = self._turned_s = self.bus.clock.boot_s()
        self._was_all_ready = False
        self._stop_s: float | None = None
        self._urgent_s: float | None = None
        """when what still ran was killed"""
        self._told_until_s: float | None = None
        """when a dispatcher that is the last one left is stopped, whatever it has heard"""
        self._is_over = False
        self._exit_code: int = ExitCode.OK
        self._signals = Signals(self.bus.wakeup_fd)

    def run(self) -> int:
        """Keep the group up until SIGTERM or SIGINT, or `stop()`; returns the exit code of the command."""
        with self._signals:
            try:
                self.open()
                while not self._is_over:
                    self.turn()
                return self._exit_code
            except LockedError as error:
                log.error("%s", error)
                return ExitCode.TRY_AGAIN
            finally:
                self.close()

    def open(self) -> None:
        """Take the locks and open the doors; raises LockedError when another launcher has them."""
        is_whole = not self._kinds
        self._opened.enter_context(lock_group(self._place, self._kinds, with_data=DISPATCHER in self.members))
        remove_rings(self._place, self._crew.rows, is_whole=is_whole)
        self._opened.callback(lambda: tidy(self._place, self._crew.rows, is_whole=is_whole))
        handler = OwnLines(self._logbook.add)
        logging.getLogger().addHandler(handler)
        self._opened.callback(logging.getLogger().removeHandler, handler)
        self._crew.open(self._notify)
        self._opened.callback(self._crew.close)
        if is_whole and any(row.module for row in self._crew.rows):
            self._crew.warm_up()
        self.bus.every(STATUS_S, self._crew.measure)
        Desk(self.bus, self.members, self._logbook, self._reloader, lambda: self._stop_s is not None).open()
        self._reloader.open(self._settings)
        if DISPATCHER in self.members:
            removed = RemovedCameras(self._place.data, self._cameras, self.bus.clock)
            removed.start()
            self._opened.callback(removed.stop)
            bound = Bound(self._place.data, lambda: self._reloader.max_bytes, self.bus.clock)
            bound.start()
            self._opened.callback(bound.stop)
        if self._renewal is not None:
            self._renewal.start()
            self._opened.callback(self._renewal.stop)
        self._began_s = self._turned_s = self.bus.clock.boot_s()
        self._reconcile(self._began_s)

    def turn(self) -> None:
        """Wait for the next event, a second at most, and do what is due."""
        wait_s = max(0.0, min(TURN_S, self._next_s() - self.bus.clock.boot_s()))
        self.bus.turn(wait_s)
        now_s = self.bus.clock.boot_s()
        gap_s = now_s - self._turned_s - wait_s
        self._turned_s = now_s
        if gap_s > GAP_S:
            log.warning("the launcher did not run for %.1f s", gap_s)
            for member in self.members.values():
                member.skip(gap_s)
        for number in self._signals.take():
            self._heed(number)
        self._crew.mind_zygote()
        self._reconcile(now_s)

    def stop(self) -> None:
        """Begin to stop in good order; from other threads through `bus.call_soon`."""
        if self._stop_s is None:
            log.info("stopping")
            self._stop_s = self.bus.clock.boot_s()
            self._crew.begin_end()

    @property
    def is_stopping(self) -> bool:
        """Whether the stop was asked for, by a signal or otherwise."""
        return self._stop_s is not None

    def close(self) -> None:
        """Give everything back; what still runs is killed."""
        self._opened.close()
        self.bus.turn(0.0)  # the last calls of on_change and on_line
        self.bus.close()

    def services(self) -> list[ServiceStatus]:
        """How every row is, in the order of the table."""
        return [member.status for member in self.members.values()]

    @property
    def is_over(self) -> bool:
        """Whether everything has stopped."""
        return self._is_over

    @property
    def members(self) -> dict[str, Member]:
        """Who belongs to the group now, by name."""
        return self._crew.members

    def _cameras(self) -> list[str]:
        """Those of the configuration as it is now; a launcher of a part knows the others' from the dispatcher's row."""
        section = self.members[DISPATCHER].row.section
        return msgspec.json.decode(section, type=DispatcherSettings).cameras

    # The loop ---------------------------------------------------------------------------------------------------------

    def _next_s(self) -> float:
        due_s = min((member.next_s for member in self.members.values()), default=float("inf"))
        if self._urgent_s is not None:
            due_s = min(due_s, self._urgent_s + GIVE_UP_S)
        elif self._stop_s is not None:
            due_s = min(due_s, self._stop_s + STOP_S)
        return due_s

    def _reconcile(self, now_s: float) -> None:
        if self._stop_s is None:
            self._begin_tiers(now_s)
        if self._stop_s is not None:
            self._stop_tiers(now_s, self._stop_s)
        for member in self.members.values():
            member.step(now_s)
        for member in self.members.values():
            if member.standing.is_changed:
                self._tell(member)
        self._reloader.step(now_s)

    def _begin_tiers(self, now_s: float) -> None:
        dispatcher = self.members.get(DISPATCHER)
        if dispatcher is not None and dispatcher.is_broken and not dispatcher.was_ready:
            log.error("without a dispatcher there is no group: %s", dispatcher.status.reason)
            self._exit_code = NO_DISPATCHER
            self.stop()
            return
        self._waiting = [member for member in self._waiting if not member.is_stopped]  # it was asked, while it waited
        for member in sorted(self._waiting, key=lambda member: member.row.tier):
            if self._crew.is_warming_up(member.row):
                continue
            if all(other.is_settled for other in self._before(member.row)):
                self._waiting.remove(member)
                member.start(now_s)
        if not self._was_all_ready and all(member.is_up for member in self.members.values()):
            self._was_all_ready = True
            log.info("all %d services are ready after %.2f s", len(self.members), now_s - self._began_s)

    def _begin(self, member: Member) -> None:
        self._waiting.append(member)

    def _before(self, row: Row) -> list[Member]:
        """Whom its start waits for: those of lower tiers, or, where it bears that others come later, the first."""
        lower = [member for member in self.members.values() if member.row.tier < row.tier]
        return [member for member in lower if member.row.tier == 0] if row.is_eager else lower

    def _stop_tiers(self, now_s: float, stop_s: float) -> None:
        alive = [member for member in self.members.values() if member.child is not None]
        names = ", ".join(member.row.name for member in alive)
        for member in self.members.values():
            if member.child is None:
                member.stop(now_s)  # it shall not start again
        if not alive:
            self._is_over = True
        elif self._urgent_s is not None:
            if now_s >= self._urgent_s + GIVE_UP_S:
                log.error("killed and not dead after %.0f s: %s; left to the kernel", GIVE_UP_S, names)
                self._is_over, self._exit_code = True, ExitCode.FAILED
        elif now_s >= stop_s + STOP_S:
            log.warning("not stopped within %.1f s: %s", STOP_S, names)
            self._hurry()
        else:
            tier = max(member.row.tier for member in alive)
            if tier == 0 and self._wait_until_told(now_s):
                return
            for member in alive:
                if member.row.tier == tier:
                    member.stop(now_s)
            if tier == 0:
                self._crew.end_telling()

    def _wait_until_told(self, now_s: float) -> bool:
        """Whether the dispatcher has yet to hear who stopped before it: the jobs in their hands are handed back."""
        if self._told_until_s is None:
            self._told_until_s = now_s + TOLD_S
            self.bus.after(TOLD_S, lambda: None)  # no event may come by then: it is looked at
        return self._crew.has_untold and now_s < self._told_until_s

    def _hurry(self) -> None:
        self._urgent_s = now_s = self.bus.clock.boot_s()
        self._crew.end_telling()
        for member in self.members.values():
            member.kill(now_s)

    def _tell(self, member: Member) -> None:
        member.standing.is_changed = False
        status = member.status
        self.bus.publish(status)
        self.bus.call_soon(partial(self._on_change, status))

    # What is asked by signals -----------------------------------------------------------------------------------------

    def _heed(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload()
        elif self._stop_s is None:
            self.stop()
        elif self.bus.clock.boot_s() >= self._stop_s + ONE_WISH_S:
            log.warning("asked twice: killing what still runs")
            self._hurry()

    def _reload(self) -> None:
        """As asked by SIGHUP: what is wrong stands in the log."""
        try:
            self._reloader.reload()
        except RefusedError as error:
            for line in error.message.splitlines():
                log.error("%s", line)
