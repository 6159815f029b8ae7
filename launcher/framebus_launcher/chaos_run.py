"""One run of `framebus chaos` against a group: strikes, waits for each recovery, and collects what was seen."""

import contextlib
import os
import signal
import time
from collections.abc import Callable

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import ServiceState, ServiceStatus
from framebus.place import Place
from framebus.requests import KillService, ListServices, Ping
from framebus_launcher.chaos_client import TimedClient, Work, cancel_all, fates_of
from framebus_launcher.chaos_news import Subscriber
from framebus_launcher.chaos_plan import SIGNALS, Blow, Kind, draw_plan
from framebus_launcher.chaos_verdict import Records, Recovery

BACK_LIMIT_S = 20.0
"""6 s to find a stopped process, the rest to start it"""
PING_S = 2.0
LAUNCHER_S = 5.0
POLL_S = 0.02
JOBS_LIMIT_S = 60.0
CUT_LIMIT_S = 5.0
"""after Ctrl-C nobody waits long"""
STATE_LIMIT_S = 5.0
SLOW_S = 0.5

Tell = Callable[[Recovery], None]


class ChaosRun:
    """Strikes until the time is over. `run()` is all of it; what it saw is in `records`."""

    def __init__(self, place: Place, seed: int, seconds: float, tell: Tell) -> None:
        """Raises RefusedError when no launcher answers, or nothing of its group is ready."""
        self._place = place
        self._tell = tell
        self.records = Records(seed=seed, seconds=seconds)
        self._client = TimedClient(place, self.records.calls)
        ready = [one.name for one in self._services() if one.state is ServiceState.READY]
        if not ready:
            raise RefusedError(ErrorCode.UNAVAILABLE, f"nothing is ready in {place.run}; look at: framebus status")
        self._doors = {name for name in ready if self._answers(name, PING_S)}
        """who has none is waited for until it is ready, and only killed"""
        self.plan = draw_plan(seed, ready, self._doors)
        self.cameras = self._client.recording_cameras(LAUNCHER_S)
        self.exports = self._client.exports()
        """the folder of the clips, where it is known"""

    def run(self) -> Records:
        """Strike and collect; Ctrl-C ends it early. Raises RefusedError when the launcher goes away."""
        work = Work(self._place, self.cameras)
        with contextlib.ExitStack() as opened:
            opened.callback(self._client.close)
            prefix = f"chaos-{os.getpid()}"
            subscribers = [
                self._subscribe(opened, f"{prefix}-steady"),
                self._subscribe(opened, f"{prefix}-slow", SLOW_S),
            ]
            try:
                self._strike_all()
            except KeyboardInterrupt:
                self.records.is_cut = True
            except RefusedError as error:
                text = f"the group ended after {len(self.records.recoveries)} blows: {error.message}"
                raise RefusedError(ErrorCode.UNAVAILABLE, text) from None
            finally:
                work.end()
            self.records.calls.add(work.calls)
            self.records.refused, self.records.unanswered = work.refused, work.unanswered
            try:
                subscribers.append(self._subscribe(opened, f"{prefix}-late"))
                self._look_back(subscribers, work.accepted)
            except KeyboardInterrupt:
                self.records.is_cut = True
        return self.records

    def _subscribe(self, opened: contextlib.ExitStack, name: str, pause_s: float = 0.0) -> Subscriber:
        subscriber = Subscriber(self._place, name, pause_s=pause_s)
        opened.callback(subscriber.close)
        return subscriber

    def _look_back(self, subscribers: list[Subscriber], accepted: list[str]) -> None:
        limit_s = CUT_LIMIT_S if self.records.is_cut else JOBS_LIMIT_S
        if self.records.is_cut:  # what is made after we have gone would stay
            cancel_all(self._client, accepted, limit_s)
        for fate in fates_of(self._client, accepted, limit_s):
            self.records.fates.append(fate)  # one by one: of those that are known by a second Ctrl-C the clips go, too
        rows = self._client.state("", BACK_LIMIT_S)
        for subscriber in subscribers:
            topic = subscriber.await_state(rows, STATE_LIMIT_S)
            self.records.behind += [f"{subscriber.name} lacks {topic}"] if topic else []
            self.records.stale += subscriber.check.stale
            self.records.torn += subscriber.torn
        self.records.subscribers = len(subscribers)

    # Blows ------------------------------------------------------------------------------------------------------------

    def _strike_all(self) -> None:
        end_s = time.monotonic() + self.records.seconds
        for blow in self.plan:
            if time.monotonic() + blow.pause_s >= end_s:
                time.sleep(max(0.0, end_s - time.monotonic()))
                return
            time.sleep(blow.pause_s)
            recovery = self._strike(blow)
            if recovery is not None:
                self.records.recoveries.append(recovery)
                self._tell(recovery)

    def _strike(self, blow: Blow) -> Recovery | None:
        """Strike and wait; None when the member could not be struck: somebody has stopped or removed it."""
        try:
            old = self._client.ask("launcher", KillService(name=blow.name, signal=SIGNALS[blow.kind]), LAUNCHER_S)
        except RefusedError as error:
            if error.code in (ErrorCode.CONFLICT, ErrorCode.NOT_FOUND):
                return None
            raise
        struck_s = time.monotonic()
        try:
            is_back = self._await_back(blow.name, old.incarnation, struck_s + BACK_LIMIT_S)
        except KeyboardInterrupt:
            self._let_go(blow)
            raise
        back_after_s = time.monotonic() - struck_s if is_back else None
        if not is_back:
            self._let_go(blow)
        return Recovery(name=blow.name, kind=blow.kind, back_after_s=back_after_s)

    def _await_back(self, name: str, old: int, end_s: float) -> bool:
        """Whether it is ready in a later life, and answers."""
        while not any(one.name == name and _is_later(one, old) for one in self._services()):
            if time.monotonic() > end_s:
                return False
            time.sleep(POLL_S)
        return name not in self._doors or self._answers(name, max(POLL_S, end_s - time.monotonic()))

    def _let_go(self, blow: Blow) -> None:
        """Leave nobody standing still, whatever became of the run."""
        if blow.kind is Kind.STOP:
            with contextlib.suppress(RefusedError):  # the launcher was quicker
                self._client.ask("launcher", KillService(name=blow.name, signal=signal.SIGCONT), LAUNCHER_S)

    def _services(self) -> list[ServiceStatus]:
        return self._client.ask("launcher", ListServices(), LAUNCHER_S).services

    def _answers(self, name: str, limit_s: float) -> bool:
        try:
            self._client.ask(name, Ping(), limit_s)
        except RefusedError:
            return False
        return True


def _is_later(status: ServiceStatus, old: int) -> bool:
    return status.state is ServiceState.READY and status.incarnation > old
