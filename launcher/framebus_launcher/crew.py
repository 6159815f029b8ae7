"""The members of a group and their processes: started, heard, read, buried."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from framebus.bus import Bus
from framebus.requests import WorkerLost
from framebus.settings import STDOUT, Restart
from framebus_launcher.logbook import Logbook
from framebus_launcher.losses import Losses
from framebus_launcher.member import Member
from framebus_launcher.notices import Notices, leader_of, read_notice
from framebus_launcher.orphans import Orphans
from framebus_launcher.process import RunningChild
from framebus_launcher.spawner import Spawner
from framebus_launcher.table import DISPATCHER, Row
from framebus_launcher.zygote import FORK_S, take_zygote

log = logging.getLogger(__name__)

BURY_S = 2.0
"""what killed children have to die, at the very end; the kernel may hold one for as long as a disk is away"""


class Crew:
    """Who belongs to the group, and what their processes do."""

    def __init__(
        self, bus: Bus, spawner: Spawner, policy: Restart, logbook: Logbook, on_line: Callable[[str, str], None]
    ) -> None:
        self.members: dict[str, Member] = {}
        self.policy = policy
        self._bus = bus
        self._spawner = spawner
        self._logbook = logbook
        self._on_line = on_line
        self._is_ending = False

    def open(self, notify: Path) -> None:
        """Begin to hear what the children say of themselves."""
        self._losses = Losses(self._bus, self._note_told)
        self._notices = Notices(notify)
        self._bus.watch(self._notices.fileno(), self._hear)

    def warm_up(self) -> None:
        """From now on services come from a zygote, and the plain way where it fails."""
        self._orphans = Orphans()
        zygote = self._spawner.zygote = take_zygote()
        if zygote is not None:
            self._bus.watch(zygote.fileno(), self._hear_zygote)

    def is_warming_up(self, row: Row) -> bool:
        """Whether its process had better wait for the zygote."""
        zygote = self._spawner.zygote
        return zygote is not None and zygote.is_loading(row.module)

    def close(self) -> None:
        """The end, also when something of ours went wrong: no child outlives us."""
        self._losses.end()
        for member in self.members.values():
            member.kill(self._bus.clock.boot_s())
        if zygote := self._spawner.zygote:
            self._bus.unwatch(zygote.fileno())
            zygote.end()
        end_s = time.monotonic() + BURY_S
        for member in self.members.values():
            child = member.child
            if isinstance(child, RunningChild) and not child.pid:
                self._bus.unwatch(child.out)
                child.forget()
            elif isinstance(child, RunningChild):
                if child.has_ended(max(0.0, end_s - time.monotonic())):
                    self._reap(member, child)
                else:
                    log.error(
                        "%s, pid %d, was killed and does not die: the kernel holds it", member.row.name, child.pid
                    )
        if zygote is not None:
            self._orphans.kill(self._pids())
            zygote.close()
        self._losses.close()
        self._bus.unwatch(self._notices.fileno())
        self._notices.close()

    def add(self, row: Row) -> Member:
        """A new member; it does not start by itself."""
        member = Member(row, self.policy, self._spawn, self._bus.clock.wall_s)
        self.members[row.name] = member
        self._logbook.open(row.name)
        return member

    def remove(self, name: str) -> None:
        """Forget a member that has no process any more."""
        del self.members[name]
        self._logbook.forget(name)

    def set_policy(self, policy: Restart) -> None:
        """How soon who dies is started again, from the next death on."""
        self.policy = policy
        for member in self.members.values():
            member.policy = policy

    def measure(self) -> None:
        """Look at what each process takes of the machine."""
        for member in self.members.values():
            if isinstance(member.child, RunningChild):
                member.usage = member.child.usage()
            member.standing.is_changed = True
        if zygote := self._spawner.zygote:
            self._orphans.bury([zygote.pid or 0, *self._pids()])
            if not self._is_ending and zygote.revive():
                self._bus.watch(zygote.fileno(), self._hear_zygote)

    def mind_zygote(self) -> None:
        """Who waits for a fork waits no longer than it should; each second."""
        if zygote := self._spawner.zygote:
            zygote.mind()

    def begin_end(self) -> None:
        """The group stops: nothing is made for later starts."""
        self._is_ending = True

    @property
    def has_untold(self) -> bool:
        """Whether the dispatcher has deaths to hear of."""
        return self._losses.untold > 0

    def end_telling(self) -> None:
        """The dispatcher stops, too: nobody is there to hear of deaths."""
        self._losses.end()

    @property
    def rows(self) -> list[Row]:
        """The table as it is now."""
        return [member.row for member in self.members.values()]

    # Inside -----------------------------------------------------------------------------------------------------------

    def _spawn(self, row: Row) -> RunningChild:
        member = self.members[row.name]
        child = self._spawner.spawn(row, was_killed=member.was_killed)
        self._bus.watch(child.out, partial(self._read, member, child))
        child.when_born(partial(self._see_birth, member, child))
        self._bus.after(FORK_S, self.mind_zygote)  # in case nothing else wakes us
        return child

    def _see_birth(self, member: Member, child: RunningChild, error: OSError | None) -> None:
        if error is None:
            self._bus.watch(child.pidfd, partial(self._reap, member, child))
            member.standing.is_changed = True  # it has a pid now
        else:
            self._bus.unwatch(child.out)
            child.forget()
            member.fail(error, self._bus.clock.boot_s())

    def _pids(self) -> list[int]:
        """Without those whom the zygote has yet to fork."""
        return [member.child.pid for member in self.members.values() if member.child is not None and member.child.pid]

    def _hear_zygote(self) -> None:
        zygote = self._spawner.zygote
        if zygote is not None and (line := zygote.fileno()) >= 0 and not zygote.hear():
            self._bus.unwatch(line)

    def _hear(self) -> None:
        self._hear_zygote()  # who speaks may be a child that it has just made
        now_s = self._bus.clock.boot_s()
        leaders = {member.child.pid: member for member in self.members.values() if member.child and member.child.pid}
        for notice in self._notices.take():
            leader = leader_of(notice.pid, leaders)
            if leader is None:
                self._bus.stats.count("notices.stranger")
            else:
                leaders[leader].note(notice, now_s)

    def _read(self, member: Member, child: RunningChild) -> None:
        data = child.read()
        if data:
            self._show(member, self._lines(member, child, data))
        elif data is not None:
            self._bus.unwatch(child.out)

    def _reap(self, member: Member, child: RunningChild) -> None:
        self._hear()  # what it said before it died
        self._bus.unwatch(child.pidfd)
        self._bus.unwatch(child.out)
        how, words = child.reap()
        self._show(member, self._lines(member, child, words) + member.tail.flush())
        lost = member.die(how, self._bus.clock.boot_s())
        if member.row.name != DISPATCHER:
            self._losses.tell(lost)

    def _lines(self, member: Member, child: RunningChild, data: bytes) -> list[str]:
        """The lines that these bytes complete; what is said to us among them is heard, and left out."""
        if member.row.notify != STDOUT:
            return member.tail.feed(data)
        now_s = self._bus.clock.boot_s()
        return member.tail.feed(data, lambda line: member.note(read_notice(child.pid, line), now_s))

    def _show(self, member: Member, lines: list[str]) -> None:
        if lines:
            self._logbook.add(member.row.name, lines)
            self._bus.call_soon(partial(self._hand_lines, member.row.name, lines))

    def _hand_lines(self, name: str, lines: list[str]) -> None:
        for line in lines:
            self._on_line(name, line)

    def _note_told(self, lost: WorkerLost) -> None:
        if lost.worker in self.members:  # else the configuration no longer has it
            self.members[lost.worker].told(lost.incarnation)
