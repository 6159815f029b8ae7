"""Which folder is which camera: remembered on disk before it is used, so that two folders never share one."""

import logging
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

from framebus.replacing import replacing
from framebus_services.ingest.names import camera_of

log = logging.getLogger(__name__)

FILE = ".cameras.json"


class HeldError(Exception):
    """The files of this folder wait, until somebody does what the text says."""


class Registry:
    """The cameras of the upload folder."""

    def __init__(self, root: Path, configured: Collection[str], *, max_cameras: int, auto_create: bool) -> None:
        """Raises OSError when the file of an earlier life can't be read."""
        self._file = root / FILE
        self._configured = frozenset(configured)
        self._max_cameras = max_cameras
        self._auto_create = auto_create
        self._folders = self._read()

    def configure(self, cameras: Collection[str]) -> None:
        """The cameras of the configuration are these now. From any thread."""
        self._configured = frozenset(cameras)

    @property
    def own(self) -> dict[str, str]:
        """The cameras that only upload, each with its folder."""
        return {camera: folder for camera, folder in self._folders.items() if camera not in self._configured}

    def camera_for(self, folder: str) -> str:
        """The camera that a folder delivers for; a new one is made. Raises HeldError, or OSError from the disk."""
        camera = camera_of(folder)
        if camera is None:
            raise HeldError(f"the folder {folder!r} names no camera: it needs a letter or digit")
        owner = self._folders.get(camera)
        if owner == folder:
            return camera
        if owner is not None:
            raise HeldError(f"the folders {owner!r} and {folder!r} are both camera {camera}: rename one")
        if camera not in self._configured:
            self._check_room(folder)
        folders = {**self._folders, camera: folder}
        self._write(folders)
        self._folders = folders
        return camera

    def known(self, folder: str) -> str | None:
        """The camera of a folder that is written down already."""
        camera = camera_of(folder)
        return camera if camera is not None and self._folders.get(camera) == folder else None

    def _read(self) -> dict[str, str]:
        """What is written down. Whoever uploads can write there: what is wrong in it must not keep all others away."""
        try:
            found = msgspec.json.decode(self._file.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (IsADirectoryError, msgspec.DecodeError) as error:
            aside = self._file.with_name(f"{FILE}.broken-{time.time_ns()}")
            self._file.rename(aside)
            log.error(
                "%s is no map of cameras to folders (%s); it is now %s, and a new one is made",
                self._file,
                error,
                aside.name,
            )
            return {}
        return {camera: folder for camera, folder in found.items() if camera_of(folder) == camera}

    def _check_room(self, folder: str) -> None:
        if not self._auto_create:
            raise HeldError(f"the folder {folder!r} is of no configured camera, and services.ingest.auto_create is off")
        if len(self.own) >= self._max_cameras:
            raise HeldError(
                f"the folder {folder!r} would be camera number {len(self.own) + 1}; services.ingest.max_cameras is"
                f" {self._max_cameras}"
            )

    def _write(self, folders: dict[str, str]) -> None:
        with replacing(self._file, is_synced=True) as file:
            file.write(msgspec.json.format(msgspec.json.encode(folders)))
