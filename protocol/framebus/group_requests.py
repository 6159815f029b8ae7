"""What is asked of the launcher: its services, their logs, the configuration."""

from typing import Annotated

from msgspec import Meta, Raw

from framebus.asking import MAX_ROWS, Answer, Request
from framebus.messages import AtS, Count, Instance, Message, Path, ServiceStatus, Text


class Services(Answer, frozen=True, kw_only=True):
    services: list[ServiceStatus]


class ListServices(Request[Services], frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class StartService(Request[ServiceStatus], frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Instance


class StopService(Request[ServiceStatus], frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Instance


class RestartService(Request[ServiceStatus], frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Instance


class KillService(Request[ServiceStatus], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send a signal to a service, as a test would: an ordered death, without back-off, that no job is blamed for."""

    name: Instance
    signal: Annotated[int, Meta(ge=1, le=64)] = 9


class LogLine(Message, frozen=True, kw_only=True):
    """A line that a service printed."""

    number: Count
    """grows by 1 with every line of the group"""
    at_s: AtS
    name: Instance
    text: Annotated[str, Meta(max_length=1_000)]


class Logs(Answer, frozen=True, kw_only=True):
    lines: Annotated[list[LogLine], Meta(max_length=MAX_ROWS)]
    next: Count
    """ask again with `after` set to this, for what was printed since"""


class GetLogs(Request[Logs], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last lines of one service, or of all; a launcher keeps 200 of each."""

    name: Instance | None = None
    after: Count | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 200


class Config(Answer, frozen=True, kw_only=True):
    """What stands in the configuration file, passwords removed."""

    file: Path
    revision: Count
    value: Raw


class GetConfig(Request[Config], frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Text = ""
    """as in `cameras.front.detect`; empty for all of it"""


class ConfigApplied(Answer, frozen=True, kw_only=True):
    """What a new configuration changed; services in no list go on undisturbed."""

    revision: Count
    live: list[Instance] = []
    """told their new section, and go on with it"""
    restarted: list[Instance] = []
    started: list[Instance] = []
    stopped: list[Instance] = []


class ChangeConfig(Request[ConfigApplied], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Set one path of the configuration; refused whole when the result would not be valid."""

    path: Annotated[str, Meta(min_length=1, max_length=500)]
    value: Raw
    """nil removes it"""
    revision: Count
    """the one that was read; `conflict` when the file has changed since"""


class Reload(Request[ConfigApplied], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Read the configuration file again; refused whole when it is not valid."""
