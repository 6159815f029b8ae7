"""Answers the requests of one route: checks who asks and what, calls the route, says what came of it."""

import asyncio
import logging
import secrets

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from framebus.access import Role
from framebus.errors import ErrorCode, RefusedError
from framebus_services.gateway.authority import Subject
from framebus_services.gateway.desk import Call, Desk
from framebus_services.gateway.guard import authenticate, check_origin, check_rate
from framebus_services.gateway.refusals import FieldError, HttpError, refusal, to_json
from framebus_services.gateway.route import Route

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_024 * 1_024
BODY_S = 10.0
NOBODY = Subject(id="", role=Role.VIEWER, cameras=frozenset())
"""who has shown no token: sees nothing"""


class Endpoint:
    """One route at work."""

    def __init__(self, desk: Desk, route: Route) -> None:
        self._desk = desk
        self._route = route

    async def answer(self, request: Request) -> Response:
        """The response; whatever goes wrong is one, too."""
        self._desk.bus.stats.count("requests.http")
        try:
            return await self._answer(request)
        except (RefusedError, HttpError) as error:
            return refusal(error)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except asyncio.CancelledError:
            if self._desk.is_open:
                raise
            return refusal(RefusedError(ErrorCode.UNAVAILABLE, "the gateway stops", retry_after_s=1.0))
        except Exception:
            incident = secrets.token_hex(4)
            self._desk.bus.stats.count("errors.http")
            log.exception("%s %s failed, incident %s", self._route.method, self._route.path, incident)
            text = f"this failed inside the gateway; its log tells more under incident {incident}"
            return refusal(RefusedError(ErrorCode.INTERNAL, text))

    async def _answer(self, request: Request) -> Response:
        check_origin(self._desk, request)
        subject = NOBODY
        if not self._route.is_open:
            subject = authenticate(self._desk, request)
            check_rate(self._desk, subject)
        call = Call(
            desk=self._desk,
            request=request,
            subject=subject,
            path={name: str(value) for name, value in request.path_params.items()},
            query=self._query(request),
            body=await self._body(request),
            action=self._route.action,
        )
        answer = await self._route.handle(call)
        if not call.is_authorised:
            raise RuntimeError("the route has not asked whether this is allowed")
        if isinstance(answer, Response):
            return answer
        headers = {"Cache-Control": "no-store"}
        return Response(to_json(answer), self._route.status, headers, "application/json")

    def _query(self, request: Request) -> Struct:
        given = dict(request.query_params)
        try:
            return msgspec.convert(given, self._route.query, strict=False)
        except msgspec.ValidationError as error:
            raise FieldError(str(error)) from None

    async def _body(self, request: Request) -> Struct | None:
        kind = self._route.body
        if kind is None:
            return None
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            text = "say Content-Type: application/json, and send JSON"
            raise HttpError(415, ErrorCode.BAD_REQUEST, text)
        data = await _read(request)
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.ValidationError as error:
            raise FieldError(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HttpError(400, ErrorCode.BAD_REQUEST, f"the body is no JSON: {error}") from None


async def _read(request: Request) -> bytes:
    """The body; raises HttpError when it is too long or comes too slowly."""
    too_large = HttpError(413, ErrorCode.TOO_LARGE, f"a body has at most {MAX_BODY_BYTES} bytes")
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                data += part
                if len(data) > MAX_BODY_BYTES:
                    raise too_large
    except TimeoutError:
        raise HttpError(408, ErrorCode.DEADLINE, f"the body did not come within {BODY_S:.0f} s") from None
    return bytes(data)
