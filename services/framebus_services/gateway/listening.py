"""The socket that browsers connect to: at the configured port, or the next that is free."""

import errno
import logging
import socket
from pathlib import Path

import msgspec
from msgspec import Struct

from framebus.errors import ConfigError
from framebus.settings import HttpSettings

log = logging.getLogger(__name__)

NEXT_PORTS = 10
KEPT = "http.port"
BACKLOG = 128
SEND_BUFFER_BYTES = 512 * 1_024
"""of one connection, in the kernel: so a client that takes nothing is found out soon, and costs little"""
DEAD_MS = 120_000
"""a connection whose other end takes nothing for so long is cut by the kernel, whoever is waiting for it"""
DEFAULT_BIND = "127.0.0.1"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Kept(Struct, frozen=True, kw_only=True):
    """`<run>/http.port`: the port that links name already, where it is not the configured one."""

    wanted: int
    given: int


def listen(settings: HttpSettings, run: Path) -> socket.socket:
    """A socket that listens, at the port of the last time if it can be had.

    Raises ConfigError when the address is not to be had, PermissionError, OSError when it can't be noted in `run`.
    """
    bind = settings.bind or DEFAULT_BIND
    nexts = range(settings.port, min(settings.port + 1 + NEXT_PORTS, 65_536)) if settings.port else ()
    kept = _kept(settings, run)
    for port in (*kept, *nexts, 0):
        if (found := _try(bind, port)) is not None:
            _keep(settings, run, found.getsockname()[1])
            _tell(settings, found, is_known=port in kept)
            return found
    raise ConfigError([f"http.bind: no port is free at {bind}"])


def _kept(settings: HttpSettings, run: Path) -> list[int]:
    try:
        kept = msgspec.json.decode((run / KEPT).read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return []
    return [kept.given] if kept.wanted == settings.port and 0 < kept.given < 65_536 else []


def _keep(settings: HttpSettings, run: Path, port: int) -> None:
    if port == settings.port:
        (run / KEPT).unlink(missing_ok=True)
    else:
        (run / KEPT).write_bytes(msgspec.json.encode(Kept(wanted=settings.port, given=port)))


def address_of(settings: HttpSettings, port: int) -> str:
    """What a browser is told, without a slash at the end."""
    if settings.origins:
        return f"{settings.origins[0]}{settings.prefix}"
    host = settings.bind or DEFAULT_BIND
    if host in ("0.0.0.0", "::"):
        host = _own_address()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{settings.prefix}"


def _try(bind: str, port: int) -> socket.socket | None:
    """A socket at this address, or None where another program has it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigError([f"http.bind: {bind} is no address of this machine: {error.strerror}"]) from None
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MS)
        made.bind(address)
        made.listen(BACKLOG)
        return made
    except PermissionError:
        made.close()
        raise PermissionError(f"http.port: {port} may be opened by root only; take one above 1023") from None
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise ConfigError([f"http.bind: can't listen at {bind}: {error.strerror}"]) from None


def _tell(settings: HttpSettings, found: socket.socket, *, is_known: bool) -> None:
    """`is_known`: it had this port before, and nobody needs to be told again that another has the configured one."""
    port = found.getsockname()[1]
    if settings.port and port != settings.port and not is_known:
        log.warning("port %d is taken; listening at %s instead", settings.port, address_of(settings, port))
    else:
        log.info("listening at %s", address_of(settings, port))
    if (settings.bind or DEFAULT_BIND) not in LOOPBACK and not settings.origins:
        log.info("the whole network can reach it, without encryption; a proxy with TLS before it adds that")


def _own_address() -> str:
    """The address by which others in the network most likely reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which way it would go
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
