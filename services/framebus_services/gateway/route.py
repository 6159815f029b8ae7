"""One row of the table of routes, and what a route is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec import Struct

from framebus_services.gateway.authority import Action
from framebus_services.gateway.desk import Call, Nothing

Handler = Callable[[Call], Awaitable[object]]
"""returns a struct, which becomes JSON, or a response"""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A path, who may ask there, with what, and what comes back."""

    method: str
    path: str
    """relative to the page; `{name}` and `{file}` are parts of it"""
    handle: Handler
    summary: str
    action: Action = Action.SEE
    is_open: bool = False
    """without a token"""
    query: type[Struct] = Nothing
    body: type[Struct] | None = None
    answer: type[Struct] | None = None
    media: str = "application/json"
    status: int = 200
