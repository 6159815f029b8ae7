"""The command line's end of a running group: asks its services, and finds jobs by the first digits of their id."""

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from framebus import codec, requests
from framebus.clock import SystemClock
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobView, Message
from framebus.place import Place
from framebus.requests import GetJob, ListJobs, Request
from framebus.transport import Line

A = TypeVar("A", bound=Message)

RunOption = Annotated[
    Path | None, typer.Option("--run", envvar="FRAMEBUS_RUN", help="Folder of the group's sockets (default: yours).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
FULL_ID = 32


class GroupClient:
    """Short calls to the services of one group. Use it in a `with` block."""

    def __init__(self, run: Path | None) -> None:
        self.place = find_group(run)
        self._line = Line(self.place)
        self.clock = SystemClock()

    def ask(self, service: str, request: Request[A], deadline_s: float = 5.0) -> A:
        """The answer of a service; raises RefusedError."""
        method = requests.method_of(type(request))
        body, _ = self._line.caller.call(service, method.name, codec.encode(request), deadline_s)
        return codec.decode_body(body, method.answer)  # type: ignore[return-value]  # the table of methods pairs them

    def ask_raw(self, service: str, method: str, body: bytes, deadline_s: float = 5.0) -> tuple[bytes, bytes | None]:
        """Body and blob of any method's answer."""
        return self._line.caller.call(service, method, body, deadline_s)

    def find_job(self, digits: str) -> JobView:
        """The job whose id starts with these digits; raises RefusedError when there is none, or more than one."""
        if len(digits) == FULL_ID:
            return self.ask("dispatcher", GetJob(id=digits))
        found = [job for job in self.ask("dispatcher", ListJobs(limit=500)).jobs if job.id.startswith(digits)]
        if not found:
            raise RefusedError(ErrorCode.NOT_FOUND, f"there is no job {digits}; framebus jobs lists them")
        if len(found) > 1:
            raise RefusedError(ErrorCode.BAD_REQUEST, f"{len(found)} jobs start with {digits}; give more digits")
        return found[0]

    def close(self) -> None:
        self._line.close()

    def __enter__(self) -> "GroupClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_group(run: Path | None) -> Place:
    """Where the group lives; raises RefusedError when none does."""
    place = Place.at(run)
    if not any((place.run / door).exists() for door in ("sub", "req.launcher")):
        text = f"no group runs in {place.run}; start one with: framebus up  (or name its folder with --run)"
        raise RefusedError(ErrorCode.UNAVAILABLE, text)
    return place
