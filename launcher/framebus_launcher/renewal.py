"""Under `demo` and `up --dev`: a processor's file that was saved is checked, and enrich starts again with it."""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from framebus.bus import Bus
from framebus.processor_file import read_reference
from framebus.settings import EnrichSettings
from framebus_launcher.checks import CheckError, check_processors
from framebus_launcher.member import Member
from framebus_launcher.saved_files import SavedFiles
from framebus_launcher.table import ENRICH

log = logging.getLogger(__name__)

LOOK_S = 0.5
CHECK_S = 30.0
"""what libraries may take to load that a file imports"""
STOP_S = 1.0

Tell = Callable[[str, bool], None]
"""takes a line, and whether all is well"""


def tell_log(line: str, is_well: bool) -> None:
    log.log(logging.INFO if is_well else logging.ERROR, "%s", line)


class Renewal:
    """Looks and checks on a thread of its own; a process is started and stopped by the launcher's loop alone."""

    def __init__(self, bus: Bus, members: Mapping[str, Member], tell: Tell = tell_log) -> None:
        self._bus = bus
        self._members = members
        self._tell = tell
        self._files = SavedFiles()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        self._look()  # what is there now is what enrich starts with
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._is_stopping.wait(LOOK_S):
            settings, saved = self._look()
            if settings is not None and saved:
                self._renew(settings, ", ".join(path.name for path in saved))

    def _look(self) -> tuple[EnrichSettings | None, list[Path]]:
        member = self._members.get(ENRICH)
        if member is None:
            return None, []
        settings = _settings_of(member.row.section)
        return settings, self._files.look(_files_of(settings))

    def _renew(self, settings: EnrichSettings, names: str) -> None:
        """Let enrich have the new code if it is any good."""
        try:
            problems = check_processors(settings, CHECK_S, self._is_stopping.is_set)
        except CheckError as error:
            problems = [str(error)]
        if self._is_stopping.is_set():
            return
        if problems:
            text = "; ".join(_in_short(problem) for problem in problems)
            self._bus.call_soon(partial(self._tell, f"{names} saved, but {ENRICH} goes on as it was: {text}", False))
        else:
            self._bus.call_soon(partial(self._start_again, names))

    def _start_again(self, names: str) -> None:
        member = self._members.get(ENRICH)
        if member is not None and not member.is_off:
            self._tell(f"{names} saved: {ENRICH} starts again", True)
            member.stop(self._bus.clock.boot_s(), again=True)


def _in_short(problem: str) -> str:
    """Without the place in the configuration, where a file and its line are named."""
    place, _, text = problem.partition(": ")
    return text if text.startswith("/") else f"{place}: {text}"


def _settings_of(section: bytes) -> EnrichSettings:
    """What its own settings are; the row's section says more."""
    value = msgspec.json.decode(section, type=dict[str, Any])
    return msgspec.convert({name: value[name] for name in EnrichSettings.__struct_fields__}, EnrichSettings)


def _files_of(settings: EnrichSettings) -> list[Path]:
    references = [entry if isinstance(entry, str) else next(iter(entry), "") for entry in settings.processors]
    return [file.path for file in map(read_reference, references) if file is not None]
