"""Routes about clips that are finished: a list, and the files."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from msgspec import Meta, Struct
from starlette.responses import Response

from framebus.asking import MAX_ROWS
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import NAME_PATTERN, Name, Text
from framebus.recordings import folders_in
from framebus_services.gateway.authority import Listing, OfCamera
from framebus_services.gateway.desk import Call
from framebus_services.gateway.files import FileQuery, file_response
from framebus_services.gateway.refusals import FieldError
from framebus_services.gateway.route import Route
from framebus_services.gateway.views import Exports, ExportView


class ExportsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    camera: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 100
    next: Text | None = None


async def exports(call: Call) -> Exports:
    query: ExportsQuery = call.query
    thing = Listing() if query.camera is None else OfCamera(camera=query.camera, what=f"camera {query.camera}")
    call.authorise(thing)
    skip = query.next or "0"
    if not skip.isdecimal() or len(skip) > 6:
        raise FieldError("next is what the answer before said - at `$.next`")
    folder, sees = call.desk.place.data / "exports", call.subject.sees
    names = [query.camera] if query.camera is not None else await call.desk.pool.run(lambda: _folders(folder))
    cameras = [name for name in names if sees(name)]
    return await call.desk.pool.run(lambda: _list(folder, cameras, int(skip), query.limit))


async def file(call: Call) -> Response:
    query: FileQuery = call.query
    camera, name = call.path["camera"], call.path["file"]
    call.authorise(OfCamera(camera=camera, what=f"file {name}"))
    if not re.fullmatch(NAME_PATTERN, camera):
        raise RefusedError(ErrorCode.NOT_FOUND, f"there is no file {name[:200]}")
    folder = call.desk.place.data / "exports" / camera
    return await call.desk.pool.run(lambda: file_response(folder, name, is_download=query.download))


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folders_in(folder) if re.match(NAME_PATTERN, path.name))


def _list(folder: Path, cameras: list[str], skip: int, limit: int) -> Exports:
    found = []
    for camera in cameras:
        for path in _clips(folder / camera):
            try:
                state = path.stat()
            except OSError:  # it was deleted just now
                continue
            found.append((state.st_mtime, camera, path, state.st_size))
    found.sort(key=lambda one: (-one[0], one[1], one[2].name))
    shown = found[skip : skip + limit]
    following = str(skip + limit) if len(found) > skip + limit else None
    return Exports(exports=[_view(*one) for one in shown], next=following)


def _clips(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix == ".mp4" and not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _view(made_at_s: float, camera: str, path: Path, size: int) -> ExportView:
    thumbnail = path.with_suffix(".jpg")
    base = f"api/exports/{camera}/"
    return ExportView(
        camera=camera,
        name=path.name,
        url=base + quote(path.name),
        thumbnail_url=base + quote(thumbnail.name) if thumbnail.is_file() else None,
        size_bytes=size,
        made_at_s=made_at_s,
    )


ROUTES = (
    Route(
        method="GET",
        path="api/exports",
        handle=exports,
        summary="Finished clips, newest first.",
        query=ExportsQuery,
        answer=Exports,
    ),
    Route(
        method="GET",
        path="api/exports/{camera}/{file}",
        handle=file,
        summary="A clip, in ranges where asked for, or its picture.",
        query=FileQuery,
        media="video/mp4",
    ),
)
