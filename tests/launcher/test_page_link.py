"""The link that opens the page: where it leads, and what it carries."""

import pytest

from framebus.access import ADDRESS, Grant, Reach, Role
from framebus_launcher.page_link import link_of

GRANT = Grant(token="abc", role=Role.VIEWER, made_at_s=0.0)
REACH = Reach(address="http://127.0.0.1:8480/cams", data="/data", pid=1)


def test_a_link_carries_the_token_where_browsers_do_not_send_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)

    assert link_of(REACH, GRANT) == "http://127.0.0.1:8480/cams/#token=abc"


@pytest.mark.parametrize("address", ["http://nas:8480/", "http://nas:8480", "nas:8480"])
def test_a_link_leads_where_the_page_is_reached_from_outside(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(ADDRESS, "http://localhost:1")

    assert link_of(REACH, GRANT, address) == "http://nas:8480/#token=abc"
    assert link_of(REACH, GRANT) == "http://localhost:1/#token=abc"
