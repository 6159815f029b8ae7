"""Where a group lives: its folders and the addresses of its doors."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from framebus.errors import ConfigError

MAX_IPC_PATH_BYTES = 107
"""sun_path of a Unix socket, less the closing zero (unix(7))."""


def default_run() -> Path:
    """The folder of sockets and locks: `$XDG_RUNTIME_DIR/framebus`, else one per user in the temp folder."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "framebus" if runtime else Path(tempfile.gettempdir()) / f"framebus-{os.getuid()}"


def default_shm(run: Path) -> Path:
    """The folder of rings of the group that lives at `run`; it is the group's alone."""
    group = hashlib.sha256(os.path.realpath(run).encode()).hexdigest()[:8]
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else Path(tempfile.gettempdir())
    return parent / f"framebus-{os.getuid()}-{group}"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Folders and addresses of one group."""

    run: Path
    data: Path
    shm: Path
    pub: str
    sub: str
    req: str
    """pattern: `{service}` stands for the service's instance name"""

    @classmethod
    def at(cls, run: Path | None = None, *, data: Path | None = None, shm: Path | None = None) -> "Place":
        """The group whose sockets stand in `run`; raises ConfigError when the path is too long for a socket."""
        run = Path(os.path.abspath(run or default_run()))
        place = cls(
            run=run,
            data=Path(os.path.abspath(data or "data")),
            shm=Path(os.path.abspath(shm)) if shm else default_shm(run),
            pub=f"ipc://{run}/pub",
            sub=f"ipc://{run}/sub",
            req=f"ipc://{run}/req.{{service}}",
        )
        place.check_door("dispatcher")
        return place

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Place":
        """The group that the launcher put this process in; without a launcher the default one."""

        def folder(name: str) -> Path | None:
            return Path(environment[name]) if environment.get(name) else None

        place = cls.at(folder("FRAMEBUS_RUN"), data=folder("FRAMEBUS_DATA"), shm=folder("FRAMEBUS_SHM"))
        return cls(
            run=place.run,
            data=place.data,
            shm=place.shm,
            pub=environment.get("FRAMEBUS_PUB", place.pub),
            sub=environment.get("FRAMEBUS_SUB", place.sub),
            req=environment.get("FRAMEBUS_REQ", place.req),
        )

    def to_environment(self) -> dict[str, str]:
        """What a child process is told of the group."""
        return {
            "FRAMEBUS_RUN": str(self.run),
            "FRAMEBUS_DATA": str(self.data),
            "FRAMEBUS_SHM": str(self.shm),
            "FRAMEBUS_PUB": self.pub,
            "FRAMEBUS_SUB": self.sub,
            "FRAMEBUS_REQ": self.req,
        }

    def check_door(self, service: str) -> None:
        """Raises ConfigError when the address of a service is too long to be a socket."""
        path = self.door(service).removeprefix("ipc://")
        excess = len(os.fsencode(path)) - MAX_IPC_PATH_BYTES
        if excess > 0:
            text = f"run: {self.run} is too long for the socket of {service}: choose a folder {excess} bytes shorter"
            raise ConfigError([f"{text} with --run"])

    def door(self, service: str) -> str:
        """The address where `service` answers requests."""
        return self.req.replace("{service}", service)
