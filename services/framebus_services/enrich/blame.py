"""Which processor was called when the process died: written into a small mapped file, which outlives the process.

| part of the file | bytes | what |
| --- | --- | --- |
| call on the loop | 8 | number of the processor + 1; 0: none is called now |
| | 8 | number of the frame; 0: no frame |
| | 40 | name of the camera, filled up with zeros |
| call on a thread | 56 | the same, for each of `THREADS` processors by their number |
| names | the rest | JSON: the processors in the order of their numbers, and the deaths that each is blamed for |

A processor that leaves, and the one of the same name with other settings that takes its place, have a number each: both
may be at work at once. A number is given again when who had it has ended.

A kill from outside is nobody's fault: the launcher says that it did not send that SIGKILL itself, as to one who hangs,
and the kernel that it has killed no process for its memory meanwhile.

Who is called on the loop is blamed; if nobody is, who is at work on a thread. Of several who are, all are named, and
none is blamed.

An end in good order leaves nothing behind. The third death within `WITHIN_S` that a processor is blamed for leaves it
out, until its settings change, or enrich ends in good order: a human restarts or stops it. The deaths of others in
between change nothing: of two that crash, both must go.
"""

import hashlib
import logging
import mmap
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from framebus.processor_file import names_of
from framebus.replacing import replacing

log = logging.getLogger(__name__)

DEADLY = 3
WITHIN_S = 600.0
SIZE_BYTES = 8_192
THREADS = 64
"""processors that can be named while they are at work on a thread"""
_CALL = struct.Struct("<QQ40s")
_CALLED = struct.Struct("<Q")
_CALLS_BYTES = (1 + THREADS) * _CALL.size
_NOBODY = ("", "")


class Deaths(Struct):
    """The deaths that one processor is blamed for."""

    settings: str
    """a digest of its entry: with others it is another"""
    at_s: list[float]
    """wall clock"""


class _Names(Struct):
    processors: list[str]
    """empty: the number is free"""
    settings: list[str]
    """a digest of the entry of each"""
    deaths: dict[str, Deaths]
    """by processor"""
    oom_kills: int | None = None
    """what `count_oom_kills()` gave when this life began"""


class Blame:
    """The blame file of one process; without a folder to stand in, nobody is blamed."""

    def __init__(
        self,
        path: Path,
        entries: Sequence[str | dict[str, Any]],
        now_s: float,
        *,
        was_killed: bool = False,
        oom_kills: int | None = None,
    ) -> None:
        """Reads what the process before left; `now_s` is wall clock. `was_killed`: it was, and not by its launcher;
        `oom_kills`: how many processes the kernel has killed for their memory by now, None: unknown."""
        self._path = path
        self._was_killed = was_killed
        self._oom_kills = oom_kills
        self._map: mmap.mmap | None = None
        self._deaths: dict[str, Deaths] = {}
        self._accused = ""
        self._entries = {name: _digest(entry) for name, entry in zip(names_of(entries), entries, strict=True)}
        self._numbered: list[tuple[str, str]] = []
        """name and digest by number"""
        self.left_out: dict[str, str] = {}
        """processors that must not run, and why"""
        self._judge(now_s)

    def open(self) -> None:
        """Begin to write."""
        if not self._path.parent.is_dir():
            return
        try:
            with replacing(self._path) as file:
                file.write(bytes(_CALLS_BYTES) + self._names())
            with self._path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), SIZE_BYTES)
        except OSError as error:
            log.warning("%s can't be written: should enrich die, nobody is blamed: %s", self._path, error)

    def follow(self, entries: Mapping[str, str | dict[str, Any]]) -> None:
        """Other entries are in force, by name: who was left out with another one gets a chance."""
        self._entries = {name: _digest(entry) for name, entry in entries.items()}
        self._forget_others()
        self.left_out = {name: why for name, why in self.left_out.items() if name in self._deaths}
        self._write_names()

    def give_number(self, processor: str) -> int:
        """What names a processor, with its entry that is in force now, until the number is taken back."""
        number = self._numbered.index(_NOBODY) if _NOBODY in self._numbered else len(self._numbered)
        self._numbered[number : number + 1] = [(processor, self._entries.get(processor, ""))]
        self._write_names()
        self.leave_thread(number)  # the mark of a thread that was abandoned in a call
        return number

    def take_back(self, number: int) -> None:
        """Who had it has ended."""
        self._numbered[number] = _NOBODY

    def enter(self, number: int, camera: str, frame: int) -> None:
        """This processor is called now."""
        if self._map is not None:
            _CALL.pack_into(self._map, 0, number + 1, frame, camera.encode())

    def leave(self) -> None:
        """It has returned."""
        if self._map is not None:
            _CALLED.pack_into(self._map, 0, 0)

    def enter_thread(self, number: int, camera: str, frame: int) -> None:
        """This processor is at work on its thread now; called there."""
        if self._map is not None and number < THREADS:
            with suppress(ValueError):  # closed just now
                _CALL.pack_into(self._map, (1 + number) * _CALL.size, number + 1, frame, camera.encode())

    def leave_thread(self, number: int) -> None:
        """It has returned; called on its thread."""
        if self._map is not None and number < THREADS:
            with suppress(ValueError):  # as above
                _CALLED.pack_into(self._map, (1 + number) * _CALL.size, 0)

    def accuse(self, processor: str) -> None:
        """The process must end because of this processor, even if in good order."""
        self._accused = processor

    def close(self, now_s: float) -> None:
        """The end in good order: who was left out gets another chance."""
        mapped, self._map = self._map, None
        if mapped is None:
            return
        mapped.close()
        try:
            if self._accused:
                self._note(self._accused, self._entries.get(self._accused, ""), now_s)
                names = msgspec.json.encode(_Names(processors=[], settings=[], deaths=self._deaths))
                self._path.write_bytes(bytes(_CALLS_BYTES) + names)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s can't be written: %s", self._path, error)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _judge(self, now_s: float) -> None:
        try:
            data = self._path.read_bytes()
            calls = list(_CALL.iter_unpack(data[:_CALLS_BYTES]))
            names = msgspec.json.decode(data[_CALLS_BYTES:].rstrip(b"\0"), type=_Names)
        except (OSError, struct.error, msgspec.MsgspecError):  # nothing, or of another version
            return
        self._deaths = names.deaths
        known = min(len(names.processors), len(names.settings))
        at_work = [call for call in calls if 0 < call[0] <= known]
        suspects = at_work[:1] if calls[0] in at_work else at_work
        if suspects and self._was_killed and self._oom_kills is not None and self._oom_kills == names.oom_kills:
            log.warning("enrich was killed from outside: no processor that was at work is to blame")
            suspects = []
        for called, frame, camera in suspects:
            where = (
                f"frame {frame} of camera {camera.rstrip(bytes(1)).decode(errors='replace')}" if frame else "no frame"
            )
            log.error("enrich died while processor %s looked at %s", names.processors[called - 1], where)
        if len(suspects) == 1:
            called = suspects[0][0]
            self._note(names.processors[called - 1], names.settings[called - 1], now_s)
        self._forget_others()
        for name, deaths in self._deaths.items():
            if len(deaths.at_s) >= DEADLY:
                self.left_out[name] = (
                    f"processor {name} is left out: enrich died {len(deaths.at_s)} times while it worked; "
                    f"mend it or change its settings, then `framebus restart enrich`"
                )

    def _forget_others(self) -> None:
        """With other settings it is another processor."""
        self._deaths = {
            name: deaths for name, deaths in self._deaths.items() if self._entries.get(name) == deaths.settings
        }

    def _write_names(self) -> None:
        if self._map is not None:
            self._map[_CALLS_BYTES:] = self._names()

    def _names(self) -> bytes:
        """The second part of the file."""
        processors, settings = [name for name, _ in self._numbered], [digest for _, digest in self._numbered]
        names = msgspec.json.encode(
            _Names(processors=processors, settings=settings, deaths=self._deaths, oom_kills=self._oom_kills)
        )
        if len(names) > SIZE_BYTES - _CALLS_BYTES:
            log.warning("too many processors for %s: should enrich die, nobody is blamed", self._path)
            names = b""
        return names.ljust(SIZE_BYTES - _CALLS_BYTES, b"\0")

    def _note(self, name: str, settings: str, now_s: float) -> None:
        before = self._deaths.get(name)
        earlier = before.at_s if before is not None and before.settings == settings else []
        recent = [at_s for at_s in earlier if 0.0 <= now_s - at_s < WITHIN_S]
        self._deaths[name] = Deaths(settings=settings, at_s=[*recent, now_s][-DEADLY:])


def _digest(entry: str | dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(entry)).hexdigest()[:16]
