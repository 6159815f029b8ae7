"""One launcher for one group: locks on its folders, which tell others the pid of who has them."""

import fcntl
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from framebus.errors import FramebusError
from framebus.group_here import pid_in
from framebus.place import Place


class LockedError(FramebusError):
    """Another launcher has this folder; ends the command with exit 75."""

    def __init__(self, path: Path, pid: int | None, setting: str) -> None:
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{path.parent} is in use by the launcher that runs as {holder}; stop it with `framebus down`, or give "
            f"this group a folder of its own: {setting}: ./{setting} in framebus.yml, or --{setting}"
        )
        self.path = path
        self.pid = pid


class Lock:
    """A file that one process holds, and its pid stands in it; or several share it, and none is named."""

    def __init__(self, path: Path, *, is_shared: bool = False, setting: str = "run") -> None:
        """Take it; raises LockedError when another has it. `setting` is what names its folder."""
        self.path = path
        self._is_shared = is_shared
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise LockedError(path, pid_in(path), setting) from None
        if not is_shared:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give it back. The file stays: who removes it may take it from under one who waits for it."""
        if not self._is_shared:
            os.ftruncate(self._file, 0)
        os.close(self._file)


def lock_group(place: Place, kinds: Sequence[str] = (), *, with_data: bool = True) -> ExitStack:
    """Hold the run folder, or only those kinds of it, and the data folder where the dispatcher is ours.

    Launchers of parts share the run folder with each other, and with no launcher of a whole group.
    Leave the `with` block to give them back; raises LockedError.
    """
    with ExitStack() as held:
        held.enter_context(Lock(place.run / "lock", is_shared=bool(kinds)))
        for kind in kinds:
            held.enter_context(Lock(place.run / f"lock.{kind}"))
        if with_data:
            held.enter_context(Lock(place.data / "lock", setting="data"))
        return held.pop_all()
