"""The files of the page: shipped with the package, always the newest, never what is not in the folder."""

import hashlib
import re
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
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,3}")
HEADERS = {"Cache-Control": "no-cache"}  # the browser asks each time, and is told in a word that nothing changed


class PageFiles:
    """Reads a file when it is asked for: a few of them, all small."""

    async def index(self, request: Request) -> Response:
        return self._file("index.html", request)

    async def file(self, request: Request) -> Response:
        return self._file(request.path_params["file"], request)

    def _file(self, name: str, request: Request) -> Response:
        path = FOLDER / name
        media = MEDIA.get(path.suffix)
        if media is None or not _PATH.fullmatch(name) or not path.is_file():
            return refusal(HttpError(404, ErrorCode.NOT_FOUND, f"the page has no file {name[:200]}"))
        data = path.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {**HEADERS, "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(data, 200, headers, media)
