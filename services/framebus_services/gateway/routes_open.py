"""Routes that need no token: signs of life, and the trade of a token for a cookie; and those about the gateway."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import PlainTextResponse, Response

from framebus.errors import ErrorCode, RefusedError
from framebus_services.gateway.authority import Listing, WholeGroup
from framebus_services.gateway.desk import Call
from framebus_services.gateway.guard import find_grant, wrong_token
from framebus_services.gateway.metrics import MEDIA, render
from framebus_services.gateway.openapi import make_openapi
from framebus_services.gateway.refusals import to_json
from framebus_services.gateway.route import Route
from framebus_services.gateway.sessions import SESSION_S
from framebus_services.gateway.views import Ok


class NewSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: Annotated[str, Meta(min_length=1, max_length=200)]


async def alive(call: Call) -> Ok:
    call.authorise(Listing())
    return Ok()


async def ready(call: Call) -> Ok:
    call.authorise(Listing())
    if not call.desk.hub.is_heard:
        raise RefusedError(ErrorCode.UNAVAILABLE, "nothing is heard of the dispatcher")
    return Ok()


async def begin_session(call: Call) -> Response:
    call.authorise(Listing())
    new: NewSession = call.body
    desk = call.desk
    grant = find_grant(desk, new.token)
    if grant is None:
        raise wrong_token(desk, call.request)
    response = Response(status_code=204)
    response.set_cookie(
        desk.sessions.cookie,
        desk.sessions.make(grant),
        max_age=round(SESSION_S),
        path=desk.root,
        secure=call.request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


async def end_session(call: Call) -> Response:
    call.authorise(Listing())
    response = Response(status_code=204)
    response.delete_cookie(call.desk.sessions.cookie, path=call.desk.root, httponly=True, samesite="strict")
    return response


async def metrics(call: Call) -> Response:
    call.authorise(WholeGroup())
    return PlainTextResponse(render(call.desk.hub), media_type=MEDIA)


async def openapi(call: Call) -> Response:
    call.authorise(Listing())
    document = make_openapi(call.desk.routes, call.desk.settings.prefix)
    return Response(to_json(document), media_type="application/json")


ROUTES = (
    Route(method="GET", path="healthz", handle=alive, summary="The process answers.", is_open=True, answer=Ok),
    Route(method="GET", path="readyz", handle=ready, summary="The group is heard.", is_open=True, answer=Ok),
    Route(
        method="POST",
        path="api/session",
        handle=begin_session,
        summary="Trade a token for a cookie.",
        is_open=True,
        body=NewSession,
        status=204,
    ),
    Route(
        method="DELETE",
        path="api/session",
        handle=end_session,
        summary="Forget the cookie.",
        is_open=True,
        status=204,
    ),
    Route(method="GET", path="metrics", handle=metrics, summary="The group in numbers, for Prometheus.", media=MEDIA),
    Route(method="GET", path="api/openapi.json", handle=openapi, summary="This description."),
)
