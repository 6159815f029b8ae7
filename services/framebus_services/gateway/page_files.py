"""The files of the page: shipped with the package, always the newest, never what is not in the folder."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from framebus.errors import ErrorCode
from framebus_services.gateway.refusals import HttpError, refusal

FOLDER = Path(__file__).with_name("page")
MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
PACKED = (".html", ".css", ".js", ".mjs", ".svg", ".json", ".webmanifest")
"""what becomes much smaller"""
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,3}")
HEADERS = {"Cache-Control": "no-cache"}  # the browser asks each time, and is told in a word that nothing changed


@dataclass(frozen=True, kw_only=True)
class _File:
    mark: tuple[int, int]
    data: bytes
    packed: bytes | None
    tag: str


class PageFiles:
    """A few small files, kept in memory for as long as they are the same on disk."""

    def __init__(self) -> None:
        self._files: dict[Path, _File] = {}

    async def index(self, request: Request) -> Response:
        return self._file("index.html", request)

    async def file(self, request: Request) -> Response:
        return self._file(request.path_params["file"], request)

    def _file(self, name: str, request: Request) -> Response:
        path = FOLDER / name
        media = MEDIA.get(path.suffix)
        if media is None or not _PATH.fullmatch(name) or not path.is_file():
            return refusal(HttpError(404, ErrorCode.NOT_FOUND, f"the page has no file {name[:200]}"))
        file = self._read(path)
        headers = {**HEADERS, "ETag": file.tag, "Vary": "Accept-Encoding"}
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.packed, 200, {**headers, "Content-Encoding": "gzip"}, media)
        return Response(file.data, 200, headers, media)

    def _read(self, path: Path) -> _File:
        state = path.stat()
        mark = (state.st_mtime_ns, state.st_size)
        known = self._files.get(path)
        if known is None or known.mark != mark:
            data = path.read_bytes()
            packed = gzip.compress(data, mtime=0) if path.suffix in PACKED else None
            tag = f'W/"{hashlib.sha256(data).hexdigest()[:16]}"'  # weak: the same file, packed or not
            known = self._files[path] = _File(mark=mark, data=data, packed=packed, tag=tag)
        return known
