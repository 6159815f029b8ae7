"""Who may come in over HTTP: the tokens of a group, in a file that only its user can read.

The gateway reads it, the command `framebus link` adds to it and takes from it.
"""

import fcntl
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from framebus.replacing import replacing

FILE = "access.json"
TOKEN_BYTES = 24
MAX_TOKENS = 100
ADDRESS = "FRAMEBUS_ADDRESS"
"""how the page is reached from outside, where the gateway cannot know it: out of a container"""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""hosts of an address that only this machine can open"""


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    """sees"""
    ADMIN = "admin"
    """makes clips, cancels, restarts, reads logs and the configuration, too"""


class Grant(Struct, frozen=True, kw_only=True):
    """One token, and what it is good for."""

    token: str
    role: Role
    cameras: list[str] | None = None
    """that a viewer may see; None: all"""
    made_at_s: float

    @property
    def id(self) -> str:
        """What names this grant without giving it away."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:16]


class Grants(Struct, frozen=True, kw_only=True):
    """The whole file."""

    grants: list[Grant] = []


class AccessFile:
    """`<data>/access.json`. Every method may raise OSError; a file that can't be read raises ValueError."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE
        self._read: tuple[tuple[int, int, int], Grants] | None = None

    def grants(self) -> list[Grant]:
        """All grants that hold now; none where there is no file."""
        try:
            state = self._path.stat()
        except FileNotFoundError:
            return []
        mark = (state.st_ino, state.st_mtime_ns, state.st_size)
        if self._read is None or self._read[0] != mark:
            self._read = mark, _decode(self._path)
        return self._read[1].grants

    def find(self, token: str) -> Grant | None:
        """The grant of this token. Takes as long for one that nearly fits."""
        given = token.encode(errors="replace")
        found = [grant for grant in self.grants() if hmac.compare_digest(grant.token.encode(), given)]
        return found[0] if found else None

    def give(self, role: Role, cameras: list[str] | None = None) -> Grant:
        """The grant of this role and these cameras; made where there is none yet."""

        def add(grants: list[Grant]) -> list[Grant]:
            if any((grant.role, grant.cameras) == (role, cameras) for grant in grants):
                return grants
            if len(grants) >= MAX_TOKENS:
                raise ValueError(f"{self._path} holds {MAX_TOKENS} tokens; take some back with --revoke")
            token = secrets.token_urlsafe(TOKEN_BYTES)
            return [*grants, Grant(token=token, role=role, cameras=cameras, made_at_s=time.time())]

        return next(grant for grant in self._change(add)[1] if (grant.role, grant.cameras) == (role, cameras))

    def revoke(self, role: Role, cameras: list[str] | None = None) -> int:
        """Take back the grants of a role, or only the one of these cameras; returns how many."""

        def keep(grants: list[Grant]) -> list[Grant]:
            return [grant for grant in grants if grant.role is not role or (cameras and grant.cameras != cameras)]

        before, after = self._change(keep)
        return len(before) - len(after)

    def _change(self, change: Callable[[list[Grant]], list[Grant]]) -> tuple[list[Grant], list[Grant]]:
        """Read, change and write as one step among all processes; the grants before and after."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            old = self.grants()
            new = change(old)
            if new != old or not self._path.exists():
                with replacing(self._path, 0o600, is_synced=True) as file:
                    file.write(msgspec.json.format(msgspec.json.encode(Grants(grants=new))) + b"\n")
            return old, new

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # held by others for the time of one small write
            yield
        finally:
            os.close(descriptor)


def _decode(path: Path) -> Grants:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Grants)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} can't be read: {error}; remove it, and make new links") from None


# Where the gateway is ------------------------------------------------------------------------------------------------


class Reach(Struct, frozen=True, kw_only=True):
    """`<run>/http.json`: where the gateway listens; written by it alone."""

    address: str
    """as in http://127.0.0.1:8480 and the prefix; without a slash at the end"""
    data: str
    """the group's data folder, where the tokens are"""
    pid: int


def reach_file(run: Path) -> Path:
    return run / "http.json"


def find_reach(run: Path) -> Reach | None:
    """Where the gateway of this group listens; None where none does."""
    try:
        return msgspec.json.decode(reach_file(run).read_bytes(), type=Reach)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def base_of(reach: Reach, address: str = "") -> str:
    """Where the page is for who opens a link: as it is given, as the environment says, as the gateway says."""
    base = (address or os.environ.get(ADDRESS) or reach.address).rstrip("/")
    return base if "://" in base else f"http://{base}"  # else no browser, and no phone, takes it for a link
