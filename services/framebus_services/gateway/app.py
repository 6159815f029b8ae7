"""The application: the table of routes, the WebSockets and the page, behind the headers that all answers carry."""

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framebus.errors import ErrorCode
from framebus_services.gateway.desk import Desk
from framebus_services.gateway.endpoint import Endpoint
from framebus_services.gateway.page_files import PageFiles
from framebus_services.gateway.refusals import HttpError, refusal
from framebus_services.gateway.table import ROUTES
from framebus_services.gateway.ws_live import LiveDoor
from framebus_services.gateway.ws_news import NewsDoor

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def make_app(desk: Desk) -> ASGIApp:
    """All that is answered."""
    page = PageFiles()
    routes: list[BaseRoute] = [
        Path(f"/{route.path}", Endpoint(desk, route).answer, methods=[route.method]) for route in ROUTES
    ]
    routes += [
        WebSocketRoute("/ws", NewsDoor(desk).enter),
        WebSocketRoute("/live/{camera}", LiveDoor(desk).enter),
        Path("/", page.index),
        Path("/page/{file:path}", page.file),
    ]
    return Starlette(
        routes=routes,
        exception_handlers={HTTPException: _refuse},
        middleware=[Middleware(_Prefix, prefix=desk.settings.prefix), Middleware(_Headers)],
    )


async def _refuse(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: ErrorCode.NOT_FOUND, 405: ErrorCode.UNKNOWN_METHOD}.get(status, ErrorCode.BAD_REQUEST)
    return refusal(HttpError(status, code, f"{request.method} goes nowhere here; /api/openapi.json says what does"))


class _Prefix:
    """Takes the configured prefix off, where the proxy has not done so."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and scope["type"] in ("http", "websocket"):
            path = scope["path"]
            if path == self._prefix and scope["type"] == "http":
                await Response(status_code=307, headers={"Location": f"{self._prefix}/"})(scope, receive, send)
                return
            if path.startswith(f"{self._prefix}/"):
                scope = {**scope, "path": path[len(self._prefix) :]}
        await self._app(scope, receive, send)


class _Headers:
    """What every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
