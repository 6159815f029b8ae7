"""The command line's end of a running group: asks its services, and finds jobs by digits of their id."""

import os
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from framebus import codec, requests
from framebus.access import find_reach
from framebus.clock import SystemClock
from framebus.errors import DeadlineError, ErrorCode, RefusedError
from framebus.group_here import find_launchers, run_here, run_of_data, written_run
from framebus.messages import JobView, Message, ServiceState
from framebus.place import Place
from framebus.requests import Config, GetConfig, GetJob, GetState, ListJobs, ListServices, Request, Services
from framebus.settings import Settings
from framebus.transport import ScriptCaller
from framebus_launcher.command import command_name
from framebus_launcher.ids import FULL_ID, ambiguity, clean_id, digits_needed, matching
from framebus_launcher.output import decoded

A = TypeVar("A", bound=Message)

CORE = ("dispatcher", "launcher")
PAGE = 500
DOOR_S = 1.0
MAX_PAGES = 40
"""more than the ledger keeps"""


class GroupClient:
    """Short calls to the services of one group. Use it in a `with` block."""

    def __init__(self, run: Path | None) -> None:
        self.place = find_group(run)
        self._caller = ScriptCaller(self.place)
        self.clock = SystemClock()

    def ask(self, service: str, request: Request[A], deadline_s: float = 5.0) -> A:
        """The answer of a service; raises RefusedError."""
        method = requests.method_of(type(request))
        body, _ = self.ask_raw(service, method.name, codec.encode(request), deadline_s)
        return codec.decode_body(body, method.answer)  # type: ignore[return-value]  # the table of methods pairs them

    def ask_raw(self, service: str, method: str, body: bytes, deadline_s: float = 5.0) -> tuple[bytes, bytes | None]:
        """Body and blob of any method's answer; raises RefusedError, at once for a service that is not there."""
        self._check_door(service)
        try:
            return self._caller.call(service, method, body, deadline_s)
        except DeadlineError:
            find_group(self.place.run)  # it may have died meanwhile: its socket outlives a kill
            if service != "launcher":
                with suppress(DeadlineError):  # of the launcher: the first one says more
                    self._check_state(service)
            raise

    def find_job(self, text: str) -> JobView:
        """The job whose id begins, or else ends, with these digits; of the newest 500 first, then of those before.

        Raises RefusedError when there is none, or more than one.
        """
        digits = clean_id(text)
        if len(digits) == FULL_ID:
            return self.ask("dispatcher", GetJob(id=digits))
        after: str | None = None
        for _ in range(MAX_PAGES):
            page = self.ask("dispatcher", ListJobs(limit=PAGE, next=after))
            views = {job.id: job for job in page.jobs}
            found = matching(digits, views)
            if len(found) > 1:
                raise ambiguity(digits, found)
            if found:
                return views[found[0]]
            after = page.next
            if after is None:
                break
        raise RefusedError(ErrorCode.NOT_FOUND, f"there is no job {digits}; framebus jobs lists them")

    def data(self) -> Path | None:
        """The data folder, as far as that can be known from here."""
        reach = find_reach(self.place.run)
        if reach is not None:
            return Path(reach.data)
        try:
            config, values = self._config()
        except RefusedError:
            return None
        return Path(config.file).parent / str(values.get("data") or Settings().data)

    def exports(self) -> Path | None:
        """The folder of the clips, as far as that can be known from here."""
        data = self.data()
        return data / "exports" if data is not None else None

    def cameras(self) -> list[str]:
        """The cameras of the group: of its configuration, or where no launcher has one, those that tell how they are.

        Raises RefusedError.
        """
        try:
            _, values = self._config()
            return list(values.get("cameras") or {})
        except RefusedError:
            rows = self.ask("dispatcher", GetState(prefix="camera/")).rows
            return sorted(row.topic.split("/")[1] for row in rows)

    def digits_for(self, ids: Collection[str]) -> int:
        """How many first digits tell these jobs from each other and from the newest 500."""
        return digits_needed(ids, {job.id for job in self.ask("dispatcher", ListJobs(limit=PAGE)).jobs})

    def close(self) -> None:
        self._caller.close()

    def __enter__(self) -> "GroupClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _config(self) -> tuple[Config, dict[str, Any]]:
        """The configuration that the group runs by, and its values; raises RefusedError."""
        config = self.ask("launcher", GetConfig())
        values = decoded(bytes(config.value))
        return config, values if isinstance(values, dict) else {}

    def _check_door(self, service: str) -> None:
        """Refuse at once what would only be waited for: a name that nobody here has, a service that was stopped."""
        if self._has_door(service):
            return
        if service in CORE:
            parts = self._parts() if service == "launcher" else []
            if parts:
                text = f"no launcher of a whole group runs in {self.place.run}, but {', '.join(parts)}"
                raise RefusedError(ErrorCode.UNAVAILABLE, f"{text}; framebus call {parts[0]} service.list asks one")
            if any(self._has_door(name) for name in CORE):
                self._check_state(service)
                return  # it is being started again: worth the wait
            raise RefusedError(ErrorCode.UNAVAILABLE, f"no {service} runs in {self.place.run}")
        if service not in self._check_state(service):
            doors = sorted(path.name.removeprefix("req.") for path in self.place.run.glob("req.*"))
            there = ", ".join(doors) or "none"
            raise RefusedError(ErrorCode.NOT_FOUND, f"no service {service} answers here; there are: {there}")

    def _check_state(self, service: str) -> dict[str, ServiceState]:
        """Refuse where the launcher has given it up, or was told to stop it; else the states of all services."""
        states = self._states()
        if states.get(service) in (ServiceState.STOPPED, ServiceState.BROKEN):
            text = f"{service} is {states[service].value}; framebus start {service}"
            raise RefusedError(ErrorCode.UNAVAILABLE, text)
        return states

    def _parts(self) -> list[str]:
        """The launchers of parts, `up --only`: each has a name of its own."""
        return sorted(path.name.removeprefix("req.") for path in self.place.run.glob("req.launcher@*"))

    def _has_door(self, service: str) -> bool:
        address = self.place.door(service)
        return not address.startswith("ipc://") or Path(address.removeprefix("ipc://")).exists()

    def _states(self) -> dict[str, ServiceState]:
        """The services that the launcher knows; none where no launcher runs."""
        if not self._has_door("launcher"):
            return {}
        method = requests.method_of(ListServices)
        body, _ = self._caller.call("launcher", method.name, codec.encode(ListServices()), 5.0)
        return {one.name: one.state for one in codec.decode_body(body, Services).services}


def place_meant(run: Path | None) -> Place:
    """Where the group is looked for: in `run`, else where that of the configuration here runs, else where groups do."""
    return Place.at(run or run_here())


def find_group(run: Path | None) -> Place:
    """Where the group lives; raises RefusedError when none does."""
    place = place_meant(run)
    if not any((place.run / door).exists() for door in ("sub", "req.launcher")):
        raise nobody_runs(place)
    if not find_launchers(place.run) and not any(_is_open(door) for door in place.run.glob("req.*")):
        raise nobody_runs(place, "; the last launcher died")  # and left its sockets: nobody has to wait for them
    return place


def _is_open(door: Path) -> bool:
    """Whether a process listens at this socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(DOOR_S)
        try:
            probe.connect(str(door))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # full, or not for us: somebody is there
            return True
        return True


def nobody_runs(place: Place, why: str = "") -> RefusedError:
    """What to say where no group lives, or no longer."""
    mend = f"start one with: {command_name()} up  (or name its folder with --run)"
    for here in (written_run(), run_of_data()):
        if here is not None and os.path.abspath(here) != str(place.run):
            mend = f"the group of this folder runs in {here}: leave out --run, or unset FRAMEBUS_RUN"
    return RefusedError(ErrorCode.UNAVAILABLE, f"no group runs in {place.run}{why}; {mend}")
