"""Which folder is which camera: remembered on disk before it is used, so that two folders never share one."""

import os
from collections.abc import Collection
from pathlib import Path

import msgspec

from framebus_services.ingest.names import camera_of

FILE = ".cameras.json"


class HeldError(Exception):
    """The files of this folder wait, until somebody does what the text says."""


class Registry:
    """The cameras of the upload folder."""

    def __init__(self, root: Path, configured: Collection[str], *, max_cameras: int, auto_create: bool) -> None:
        """Raises ValueError when the file of an earlier life can't be read."""
        self._file = root / FILE
        self._configured = frozenset(configured)
        self._max_cameras = max_cameras
        self._auto_create = auto_create
        self._folders: dict[str, str] = {}
        try:
            self._folders = msgspec.json.decode(self._file.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            pass
        except msgspec.DecodeError as error:
            raise ValueError(f"{self._file} is no map of cameras to folders ({error}); mend or remove it") from None

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

    def _check_room(self, folder: str) -> None:
        if not self._auto_create:
            raise HeldError(f"the folder {folder!r} is of no configured camera, and services.ingest.auto_create is off")
        if len(self.own) >= self._max_cameras:
            raise HeldError(
                f"the folder {folder!r} would be camera number {len(self.own) + 1}; services.ingest.max_cameras is"
                f" {self._max_cameras}"
            )

    def _write(self, folders: dict[str, str]) -> None:
        new = self._file.with_name(f"{FILE}.part")
        with new.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(folders)))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)
