"""What a new configuration means for the processes that run: which rows start, stop, restart, or go on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from framebus_launcher.table import Row


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The way from one table to another; a row that is in none of these goes on undisturbed."""

    live: tuple[Row, ...] = ()
    """new rows whose processes take what is new while they run"""
    restart: tuple[Row, ...] = ()
    """new rows whose processes are replaced"""
    start: tuple[Row, ...] = ()
    stop: tuple[str, ...] = ()
    """names of rows that are no more"""


def make_plan(old: Sequence[Row], new: Sequence[Row]) -> Plan:
    """Compare two tables row by row, each in the order of its table."""
    known = {row.name: row for row in old}
    changed = [row for row in new if row.name in known and row != known[row.name]]
    names = {row.name for row in new}
    return Plan(
        live=tuple(row for row in changed if _can_go_on(known[row.name], row)),
        restart=tuple(row for row in changed if not _can_go_on(known[row.name], row)),
        start=tuple(row for row in new if row.name not in known),
        stop=tuple(row.name for row in old if row.name not in names),
    )


def _can_go_on(old: Row, new: Row) -> bool:
    """Whether only that differs which the service takes from `config/` while it runs."""
    return replace(old, section=_rest(old)) == replace(new, section=_rest(new))


def _rest(row: Row) -> bytes:
    """Its settings without those that it takes live."""
    settings = msgspec.json.decode(row.section, type=dict[str, Any])
    return msgspec.json.encode({key: value for key, value in settings.items() if key not in row.live})
