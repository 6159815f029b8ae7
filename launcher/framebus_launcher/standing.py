"""How a member of the group stands: what everybody is told of it."""

from collections.abc import Callable

from framebus.messages import ServiceState, ServiceStatus
from framebus_launcher.process import Child, Exit, Usage
from framebus_launcher.tail import Tail


class Standing:
    """State and reason of a member, and what there is to tell of its past."""

    def __init__(self, wall_s: Callable[[], float]) -> None:
        self._wall_s = wall_s
        self.state = ServiceState.STARTING
        self.reason = "waits for its turn"
        self.since_at_s = wall_s()
        self.said = ""
        """what the child says of itself"""
        self.incarnation = 0
        self.restarts = 0
        self.last_exit = Exit()
        self.hung_s: float | None = None
        self.back_after_s: float | None = None
        self.is_changed = True
        """there is news; who tells it sets it back"""

    def become(self, state: ServiceState, reason: str = "") -> None:
        """From now on it stands so."""
        self.state, self.reason = state, reason
        self.since_at_s = self._wall_s()
        self.is_changed = True

    def say(self, text: str) -> None:
        """The child says this of itself; it is told where there is no other reason."""
        if text != self.said:
            self.said = text
            self.is_changed = True

    def status(self, name: str, child: Child | None, usage: Usage, tail: Tail) -> ServiceStatus:
        """All of it, for everybody to know."""
        return ServiceStatus(
            name=name,
            state=self.state,
            pid=(child.pid or None) if child is not None else None,
            incarnation=self.incarnation,
            restarts=self.restarts,
            since_at_s=self.since_at_s,
            exit_code=self.last_exit.code,
            signal=self.last_exit.signal,
            reason=(self.reason or self.said)[:500],
            back_after_s=self.back_after_s,
            hung_s=self.hung_s,
            cpu_percent=usage.cpu_percent,
            rss_bytes=usage.rss_bytes,
            log_tail=list(tail.lines) if self.state is ServiceState.BROKEN else [],
        )
