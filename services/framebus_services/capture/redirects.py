"""Follows where an HTTP camera sends its clients, but only to where a camera may be.

Who answers for a camera could send us to a service of this machine, or to the cloud's own one at 169.254.169.254, which
trust whoever asks from here. A source that stands in the configuration may be anywhere.
"""

import http.client
import ipaddress
import socket
import ssl
from urllib.parse import urljoin, urlsplit, urlunsplit

from framebus.redact import redact
from framebus_services.capture.trouble import ForbiddenError

MOST = 5
LIMIT_S = 5.0
SCHEMES = ("http", "https")
REDIRECTS = (301, 302, 303, 307, 308)


def follow(url: str) -> str:
    """Where `url` ends up, itself when it redirects nowhere. Raises ForbiddenError or OSError."""
    begun = url
    for _ in range(MOST):
        location = _location(url)
        if location is None:
            return url
        url = _checked(url, urljoin(url, location), is_at_home=_is_inside(begun))
    raise ForbiddenError(f"the camera redirects more than {MOST} times")


def _checked(before: str, after: str, *, is_at_home: bool) -> str:
    old, new = urlsplit(before), urlsplit(after)
    shown = redact(after)[:200]
    if new.scheme not in SCHEMES or not new.hostname:
        raise ForbiddenError(f"the camera redirects to {shown}; only http:// and https:// are followed")
    if old.scheme == "https" and new.scheme == "http":
        raise ForbiddenError(f"the camera redirects to {shown}, which is not encrypted as its own address is")
    if not is_at_home and _is_inside(after):
        raise ForbiddenError(f"the camera redirects to {shown}, inside this machine; write that address as the source")
    if new.username is None and old.username is not None and (old.hostname, old.port) == (new.hostname, new.port):
        login = old.netloc.rpartition("@")[0]  # the same server asks for the same password
        return urlunsplit(new._replace(netloc=f"{login}@{new.netloc}"))
    return after


def _is_inside(url: str) -> bool:
    """Whether any of its addresses is one that only this machine, or its very link, can reach."""
    parts = urlsplit(url)
    found = socket.getaddrinfo(parts.hostname, parts.port or 0, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    mapped = [getattr(each, "ipv4_mapped", None) or each for each in addresses]
    return any(each.is_loopback or each.is_link_local or each.is_multicast or each.is_unspecified for each in mapped)


def _location(url: str) -> str | None:
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # As FFmpeg does: cameras have certificates that they signed themselves.
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=LIMIT_S, context=context)
    else:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=LIMIT_S)
    try:
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.getheader("Location") if answer.status in REDIRECTS else None
    except http.client.HTTPException as error:
        raise OSError(f"the camera's answer is no HTTP: {type(error).__name__}") from None
    finally:
        connection.close()
