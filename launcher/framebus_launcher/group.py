"""The group: keeps what runs equal to the table, by one loop that looks at every member after each event."""

import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from types import FrameType

from framebus.errors import ExitCode
from framebus.messages import ServiceStatus
from framebus.place import Place
from framebus.requests import WorkerLost
from framebus.settings import Settings
from framebus.transport import SocketBus
from framebus_launcher.desk import Desk
from framebus_launcher.folders import check_names, make_folders, remove_rings, tidy
from framebus_launcher.incarnation import Incarnations
from framebus_launcher.lock import LockedError, lock_group
from framebus_launcher.losses import Losses
from framebus_launcher.member import Member
from framebus_launcher.notices import Notices, leader_of
from framebus_launcher.process import RunningChild
from framebus_launcher.spawner import Spawner
from framebus_launcher.table import DISPATCHER, Row

log = logging.getLogger(__name__)

TURN_S = 0.5
STATUS_S = 5.0
STOP_S = 7.5
"""after so long of stopping what still lives is killed, so that all is gone within 8 s"""
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
        on_change: Callable[[ServiceStatus], None] = lambda status: None,
        on_line: Callable[[str, str], None] = lambda name, line: None,
    ) -> None:
        """`kinds` names those that `up --only` runs. Raises PermissionError, ConfigError; on the main thread only."""
        check_names(rows, place)
        make_folders(place)
        self._place = place
        self._rows = list(rows)
        self._kinds = list(kinds)
        self._on_change = on_change
        self._on_line = on_line
        self._incarnations = Incarnations(place.data)
        part = "-".join(kinds)[:32]
        self.bus = SocketBus(f"launcher@{part}" if part else "launcher", place=place)
        self.bus.epoch = self._incarnations.draw(self.bus.clock.wall_s())
        self._notify = place.run / (f"notify.{part}" if part else "notify")
        self._spawner = Spawner(place, self._notify, self._incarnations, self.bus.clock)
        policy = settings.launcher.restart
        self.members = {row.name: Member(row, policy, self._spawn, self.bus.clock.wall_s) for row in rows}
        self._tiers = sorted({row.tier for row in rows})
        """those that have not begun"""
        self._opened = ExitStack()
        self._began_s = self._turned_s = self.bus.clock.boot_s()
        self._was_all_ready = False
        self._stop_s: float | None = None
        self._is_urgent = False
        self._is_over = False
        self._exit_code: int = ExitCode.OK
        self._signals: list[int] = []

    def run(self) -> int:
        """Keep the group up until SIGTERM or SIGINT, or `stop()`; returns the exit code of the command."""
        handlers = {number: signal.signal(number, self._note_signal) for number in _SIGNALS}
        wakeup = signal.set_wakeup_fd(self.bus.wakeup_fd, warn_on_full_buffer=False)
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
            signal.set_wakeup_fd(wakeup)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def open(self) -> None:
        """Take the locks and open the doors; raises LockedError when another launcher has them."""
        has_dispatcher = DISPATCHER in self.members
        self._opened.enter_context(lock_group(self._place, self._kinds, with_data=has_dispatcher))
        remove_rings(self._place, self._rows, is_whole=not self._kinds)
        self._opened.callback(tidy, self._place, self._rows, is_whole=not self._kinds)
        self._notices = Notices(self._notify)
        self._opened.callback(self._notices.close)
        self._losses = Losses(self.bus, self._note_told)
        self._opened.callback(self._losses.close)
        self.bus.watch(self._notices.fileno(), self._hear)
        self._opened.callback(self.bus.unwatch, self._notices.fileno())
        self.bus.every(STATUS_S, self._measure)
        Desk(self.bus, self.members, lambda: self._stop_s is not None).open()
        self._opened.callback(self._kill_all)
        self._began_s = self._turned_s = self.bus.clock.boot_s()
        self._reconcile(self._began_s)

    def turn(self) -> None:
        """Wait for the next event, half a second at most, and do what is due."""
        wait_s = max(0.0, min(TURN_S, self._next_s() - self.bus.clock.boot_s()))
        self.bus.turn(wait_s)
        now_s = self.bus.clock.boot_s()
        gap_s = now_s - self._turned_s - wait_s
        self._turned_s = now_s
        if gap_s > GAP_S:
            log.warning("the launcher did not run for %.1f s", gap_s)
            for member in self.members.values():
                member.skip(gap_s)
        self._heed_signals()
        self._reconcile(now_s)

    def stop(self) -> None:
        """Begin to stop in good order; from other threads through `bus.call_soon`."""
        if self._stop_s is None:
            log.info("stopping")
            self._stop_s = self.bus.clock.boot_s()

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

    # The loop ---------------------------------------------------------------------------------------------------------

    def _next_s(self) -> float:
        due_s = min((member.next_s for member in self.members.values()), default=float("inf"))
        if self._stop_s is not None and not self._is_urgent:
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
            if member.is_changed:
                self._tell(member)

    def _begin_tiers(self, now_s: float) -> None:
        dispatcher = self.members.get(DISPATCHER)
        if dispatcher is not None and dispatcher.is_broken and not dispatcher.was_ready:
            log.error("without a dispatcher there is no group: %s", dispatcher.status.reason)
            self._exit_code = NO_DISPATCHER
            self.stop()
            return
        while self._tiers and all(member.is_settled for member in self._before(self._tiers[0])):
            tier = self._tiers.pop(0)
            for member in self.members.values():
                if member.row.tier == tier:
                    member.start(now_s)
        if not self._was_all_ready and all(member.is_up for member in self.members.values()):
            self._was_all_ready = True
            log.info("all %d services are ready after %.2f s", len(self.members), now_s - self._began_s)

    def _before(self, tier: int) -> list[Member]:
        return [member for member in self.members.values() if member.row.tier < tier]

    def _stop_tiers(self, now_s: float, stop_s: float) -> None:
        alive = [member for member in self.members.values() if member.child is not None]
        for member in self.members.values():
            if member.child is None:
                member.stop(now_s)  # it shall not start again
        if not alive:
            self._is_over = True
            return
        if now_s >= stop_s + STOP_S and not self._is_urgent:
            log.warning("not stopped within %.1f s: %s", STOP_S, ", ".join(member.row.name for member in alive))
            self._hurry()
        if not self._is_urgent:
            tier = max(member.row.tier for member in alive)
            for member in alive:
                if member.row.tier == tier:
                    member.stop(now_s)
            if tier == 0:
                self._losses.end()

    def _hurry(self) -> None:
        self._is_urgent = True
        self._losses.end()
        for member in self.members.values():
            member.kill()

    def _tell(self, member: Member) -> None:
        member.is_changed = False
        status = member.status
        self.bus.publish(status)
        self.bus.call_soon(partial(self._on_change, status))

    def _measure(self) -> None:
        for member in self.members.values():
            if isinstance(member.child, RunningChild):
                member.usage = member.child.usage()
            member.is_changed = True

    # Children ---------------------------------------------------------------------------------------------------------

    def _spawn(self, row: Row) -> RunningChild:
        child = self._spawner.spawn(row)
        member = self.members[row.name]
        self.bus.watch(child.out, partial(self._read, member, child))
        self.bus.watch(child.pidfd, partial(self._reap, member, child))
        return child

    def _hear(self) -> None:
        members = {member.child.pid: member for member in self.members.values() if member.child is not None}
        now_s = self.bus.clock.boot_s()
        for notice in self._notices.take():
            leader = leader_of(notice.pid, members)
            if leader is None:
                self.bus.stats.count("notices.stranger")
            else:
                members[leader].note(notice, now_s)

    def _read(self, member: Member, child: RunningChild) -> None:
        data = child.read()
        if data:
            self._show(member, member.tail.feed(data))
        elif data is not None:
            self.bus.unwatch(child.out)

    def _reap(self, member: Member, child: RunningChild) -> None:
        self._hear()  # what it said before it died
        self.bus.unwatch(child.pidfd)
        self.bus.unwatch(child.out)
        how, words = child.reap()
        self._show(member, member.tail.feed(words) + member.tail.flush())
        lost = member.die(how, self.bus.clock.boot_s())
        if member.row.name != DISPATCHER:
            self._losses.tell(lost)

    def _show(self, member: Member, lines: list[str]) -> None:
        if lines:
            self.bus.call_soon(partial(self._hand_lines, member.row.name, lines))

    def _hand_lines(self, name: str, lines: list[str]) -> None:
        for line in lines:
            self._on_line(name, line)

    def _note_told(self, lost: WorkerLost) -> None:
        self.members[lost.worker].told(lost.incarnation)

    def _kill_all(self) -> None:
        """The end, also when something of ours went wrong: no child outlives us."""
        self._losses.end()
        for member in self.members.values():
            child = member.child
            if isinstance(child, RunningChild):
                member.kill()
                self._reap(member, child)

    # Signals ----------------------------------------------------------------------------------------------------------

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _heed_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                log.warning("SIGHUP: reloading is not there yet; restart the group to read the configuration again")
            elif self._stop_s is None:
                self.stop()
            else:
                log.warning("asked twice: killing what still runs")
                self._hurry()


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
