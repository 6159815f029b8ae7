"""Files of the data folder over HTTP: only regular ones, only under the folder that they are asked of."""

import os
import stat
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct
from starlette.responses import FileResponse

from framebus.errors import ErrorCode, RefusedError

MEDIA = {".mp4": "video/mp4", ".part": "video/mp4", ".jpg": "image/jpeg"}


class FileQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be asked of a file."""

    download: bool = False


def file_response(folder: Path, name: str, *, is_download: bool = False) -> FileResponse:
    """The file `name` in `folder`, in ranges where asked for; raises RefusedError when it is not there.

    `name` is one name, no path; a link is no file, wherever it points.
    """
    path = folder / name
    is_name = name not in ("", ".", "..") and not name.startswith(".") and "/" not in name and "\0" not in name
    media = MEDIA.get(path.suffix)
    try:
        state = os.lstat(path) if is_name and media is not None else None
    except (OSError, ValueError):
        state = None
    if state is None or not stat.S_ISREG(state.st_mode):
        raise RefusedError(ErrorCode.NOT_FOUND, f"there is no file {name[:200]}")
    headers = {"Cache-Control": "private, no-cache"}
    if is_download:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name.removesuffix('.part'))}"
    return FileResponse(path, headers=headers, media_type=media, stat_result=state)
