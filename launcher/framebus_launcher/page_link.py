"""Tells once where the page is, when the gateway is ready for the first time."""

from collections.abc import Callable

from framebus.access import AccessFile, Grant, Reach, Role, base_of, find_reach
from framebus.messages import ServiceState, ServiceStatus
from framebus.place import Place

GATEWAY = "gateway"


def link_of(reach: Reach, grant: Grant, address: str = "") -> str:
    """The link of a grant; what stands behind # never leaves the browser."""
    return f"{base_of(reach, address)}/#token={grant.token}"


def page_link(place: Place) -> str | None:
    """The link of an admin to this group's page; None where no gateway runs."""
    reach = find_reach(place.run)
    return link_of(reach, AccessFile(place.data).give(Role.ADMIN)) if reach is not None else None


class PageLink:
    """Hears of services as they change; `tell` gets one line, once."""

    def __init__(self, place: Place, tell: Callable[[str], None], *, with_token: bool) -> None:
        """Without a token the line goes where it may be kept: to a log."""
        self._place = place
        self._tell = tell
        self._with_token = with_token
        self._is_told = False

    def note(self, status: ServiceStatus) -> None:
        """A service is in another state."""
        if self._is_told or status.name != GATEWAY or status.state is not ServiceState.READY:
            return
        reach = find_reach(self._place.run)
        if reach is None:
            return
        self._is_told = True
        if self._with_token:
            self._tell(f"page  {page_link(self._place)}")
        else:
            self._tell(f"page  {base_of(reach)}/  (framebus link prints a link that opens it)")
