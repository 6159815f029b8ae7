"""The port of a gateway: links that were given once lead to it for as long as that can be."""

import socket
from pathlib import Path

import pytest
from gateway_rig import Rig


def port_of(rig: Rig) -> int:
    return int(rig.address.rpartition(":")[2])


def test_a_gateway_that_starts_again_takes_the_port_that_it_had_told_though_the_configured_one_is_free_by_now(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = other.getsockname()[1]
        first = Rig(tmp_path, port=wanted)
        first.close()
    second = Rig(tmp_path, port=wanted)
    second.close()

    assert port_of(first) != wanted
    assert port_of(second) == port_of(first)


def test_that_another_has_the_configured_port_is_told_once_and_not_at_each_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = other.getsockname()[1]
        for _ in range(2):
            Rig(tmp_path, port=wanted).close()

    assert [message.partition(";")[0] for message in caplog.messages if "taken" in message] == [
        f"port {wanted} is taken"
    ]


def test_a_port_that_is_configured_anew_is_taken_and_the_old_one_forgotten(tmp_path: Path) -> None:
    first = Rig(tmp_path, port=0)
    first.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        wanted = free.getsockname()[1]
    second = Rig(tmp_path, port=wanted)
    second.close()

    assert port_of(second) == wanted
    assert [path.name for path in tmp_path.glob("http.port*")] == []
