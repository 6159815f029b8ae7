"""What has to wait for somebody: a folder in conflict, a file that nobody may read or move. Told once, tried again."""

import logging

from framebus.throttle import backoff_s
from framebus_services.ingest.names import shown

log = logging.getLogger(__name__)

AGAIN_S, AGAIN_LIMIT_S = 30.0, 900.0
MAX_TEXTS = 100
MAX_FILES = 10_000
"""files that are tried again by themselves; of more the next scan tells"""


class Held:
    """Of a held folder no file is kept, so that a million of them keep nobody else from being seen."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        """folder or file to why it waits"""
        self._folders: dict[str, float] = {}
        self._files: dict[str, int] = {}

    @property
    def next_due_s(self) -> float:
        """When the next folder is to be tried again."""
        return min(self._folders.values(), default=float("inf"))

    @property
    def files(self) -> int:
        return len(self._files)

    def has_folder(self, folder: str | None) -> bool:
        return folder in self._folders

    def hold_folder(self, folder: str, text: str, now_s: float) -> None:
        """Leave its files alone until it is due again."""
        self._folders[folder] = now_s + AGAIN_S
        self._tell(folder, text)

    def due_folders(self, now_s: float) -> list[str]:
        return [folder for folder, due_s in self._folders.items() if due_s <= now_s]

    def hold_file(self, path: str, text: str, now_s: float) -> float | None:
        """When it is to be tried again, later each time; None: too many wait for that."""
        if path not in self._files and len(self._files) >= MAX_FILES:
            return None
        self._files[path] = self._files.get(path, 0) + 1
        if text:
            self._tell(path, text)
        return now_s + backoff_s(self._files[path], base_s=AGAIN_S, limit_s=AGAIN_LIMIT_S)

    def tries(self, path: str) -> int:
        return self._files.get(path, 0)

    def note_unread(self, folder: str, error: OSError) -> None:
        """A folder that can't be looked into; each scan tries it again."""
        if len(self.texts) < MAX_TEXTS:
            self.texts[f"{folder}/"] = f"the folder {shown(folder)[:200]} can't be read: {error.strerror}"

    def forget_unread(self, below: str) -> None:
        """What was told of folders below is looked at anew."""
        for what in [what for what in self.texts if what.endswith("/") and what.startswith(below)]:
            del self.texts[what]

    def release(self, what: str) -> None:
        """A folder or a file that waits for nobody any more."""
        self._folders.pop(what, None)
        self._files.pop(what, None)
        self.texts.pop(what, None)

    def _tell(self, what: str, text: str) -> None:
        if what not in self.texts and len(self.texts) < MAX_TEXTS:
            log.warning("uploads wait: %s", text)
        if what in self.texts or len(self.texts) < MAX_TEXTS:
            self.texts[what] = text
