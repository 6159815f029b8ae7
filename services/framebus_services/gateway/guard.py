"""Who is at the door: the token or cookie of a request, its origin, and whether it asks too often."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from framebus.access import Grant
from framebus.errors import ErrorCode
from framebus_services.gateway.authority import Subject, subject_of
from framebus_services.gateway.desk import Desk
from framebus_services.gateway.refusals import HttpError

BEARER = "bearer "


def check_origin(desk: Desk, request: HTTPConnection) -> None:
    """Raises HttpError 403 when a page of another address is behind this; programs name no origin."""
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get("sec-fetch-site") == "cross-site":
            raise HttpError(403, ErrorCode.DENIED, "a page of another address may not ask here")
        return
    host = request.headers.get("host", "").lower()
    is_own = bool(host) and _netloc(origin) == host
    if not is_own and origin not in desk.settings.origins:
        text = f"a page of {origin[:200]} may not ask here; http.origins names those that may"
        raise HttpError(403, ErrorCode.DENIED, text)


def _netloc(origin: str) -> str:
    """Host and port of an origin; empty where it is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # as `http://[`
        return ""


def authenticate(desk: Desk, request: HTTPConnection) -> Subject:
    """Who asks; raises HttpError 401 without a token that holds, 429 for who tries too many."""
    header = request.headers.get("authorization")
    if header is not None:
        token = header[len(BEARER) :].strip() if header.lower().startswith(BEARER) else ""
        grant = find_grant(desk, token)
        if grant is None:
            raise wrong_token(desk, request)
        return subject_of(grant)
    cookie = request.cookies.get(desk.sessions.cookie)
    if cookie is None:
        text = "open the link that `framebus link` prints, or send Authorization: Bearer TOKEN"
        raise HttpError(401, ErrorCode.DENIED, text)
    grant = desk.sessions.read(cookie)
    if grant is None:
        raise HttpError(401, ErrorCode.DENIED, "this session is over; open a new link of `framebus link`")
    return subject_of(grant)


def find_grant(desk: Desk, token: str) -> Grant | None:
    return desk.access.find(token) if token else None


def wrong_token(desk: Desk, request: HTTPConnection) -> HttpError:
    """What to raise for a token that does not hold; counted by address."""
    desk.bus.stats.count("refused.token")
    address = request.client.host if request.client is not None else ""
    wait_s = desk.wrong.take(address)
    if wait_s > 0.0:
        return HttpError(429, ErrorCode.BUSY, "too many wrong tokens from this address", retry_after_s=wait_s)
    return HttpError(401, ErrorCode.DENIED, "this token does not hold; `framebus link` prints one that does")


def check_rate(desk: Desk, subject: Subject) -> None:
    """Raises HttpError 429 for who asks too often."""
    wait_s = desk.asks.take(subject.id)
    if wait_s > 0.0:
        desk.bus.stats.count("refused.rate")
        raise HttpError(429, ErrorCode.BUSY, "too many requests with this token", retry_after_s=wait_s)
