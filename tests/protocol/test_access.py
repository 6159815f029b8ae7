"""The tokens of a group, and where its gateway is."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from framebus.access import MAX_TOKENS, AccessFile, Role, find_reach, reach_file


def test_a_token_is_made_once_for_each_role_and_its_cameras(tmp_path: Path) -> None:
    file = AccessFile(tmp_path)

    admin = file.give(Role.ADMIN)
    front = file.give(Role.VIEWER, ["front"])

    assert file.give(Role.ADMIN) == AccessFile(tmp_path).give(Role.ADMIN) == admin
    assert file.give(Role.VIEWER).token != front.token
    assert file.find(front.token) == front
    assert len(admin.token) >= 32


@pytest.mark.parametrize("token", ["", "x", "\udcff", "ü"])
def test_a_token_that_nobody_made_is_none(tmp_path: Path, token: str) -> None:
    file = AccessFile(tmp_path)
    file.give(Role.ADMIN)

    assert file.find(token) is None


def test_what_was_taken_back_holds_no_more_for_who_has_the_file_open_either(tmp_path: Path) -> None:
    gateway, command = AccessFile(tmp_path), AccessFile(tmp_path)
    viewer, front, admin = command.give(Role.VIEWER), command.give(Role.VIEWER, ["front"]), command.give(Role.ADMIN)
    assert gateway.find(front.token)

    one = command.revoke(Role.VIEWER, ["front"])
    rest = command.revoke(Role.VIEWER)

    assert (one, rest) == (1, 1)
    assert gateway.find(front.token) is gateway.find(viewer.token) is None
    assert gateway.find(admin.token) == admin
    assert command.give(Role.VIEWER).token != viewer.token


def test_many_who_ask_at_once_get_one_token(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: AccessFile(tmp_path).give(Role.ADMIN).token, range(40)))

    assert len(set(tokens)) == 1


def test_the_file_is_for_its_user_alone_and_says_so_when_it_is_spoilt(tmp_path: Path) -> None:
    file = AccessFile(tmp_path)
    file.give(Role.ADMIN)
    mode = stat.S_IMODE((tmp_path / "access.json").stat().st_mode)

    (tmp_path / "access.json").write_text("{")

    assert mode == 0o600
    with pytest.raises(ValueError, match="remove it, and make new links"):
        file.grants()


def test_there_are_only_so_many_tokens(tmp_path: Path) -> None:
    file = AccessFile(tmp_path)
    for number in range(MAX_TOKENS):
        file.give(Role.VIEWER, [f"camera{number}"])

    with pytest.raises(ValueError, match="--revoke"):
        file.give(Role.ADMIN)


def test_where_no_gateway_is_there_is_no_address(tmp_path: Path) -> None:
    assert find_reach(tmp_path) is None
    reach_file(tmp_path).write_text("half")
    assert find_reach(tmp_path) is None
