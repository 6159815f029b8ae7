"""The connection to a real broker: what is kept there, who is let in, and what is said of a broker that is away."""

import queue
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framebus.broker import parse_broker
from framebus.errors import ConfigError
from framebus_services.mqtt.link import Heard, Link
from framebus_services.mqtt.publication import Kind, Publication
from groups import wait_until
from mosquitto import PASSWORD, USER, Broker, needs_mosquitto

AVAILABLE = Publication(topic="framebus/available", payload=b"online")
OFFLINE = Publication(topic="framebus/available", payload=b"offline")


class Loop:
    """Stands for the bus's loop: what the connection tells is taken when the test looks."""

    def __init__(self, url: str, **settings: str) -> None:
        self.heard: list[object] = []
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.link = Link(
            parse_broker(url),
            client="framebus-test",
            will=OFFLINE,
            birth_topic="homeassistant/status",
            ca=settings.get("ca"),
            heard=Heard(
                up=lambda: self.heard.append("up"),
                down=self.heard.append,
                sent=self.heard.append,
                unsent=self.heard.append,
                birth=lambda: self.heard.append("birth"),
            ),
            soon=self._calls.put,
        )
        self.link.start()

    def await_heard(self, what: object, limit_s: float = 20.0) -> None:
        def find() -> bool:
            while not self._calls.empty():
                self._calls.get()()
            return what in self.heard

        try:
            wait_until(find, f"{what} is heard", limit_s)
        except AssertionError:
            raise AssertionError(f"{what} was not heard: {self.heard}") from None
        self.heard.clear()


@pytest.fixture
def open_loop() -> Iterator[Callable[..., Loop]]:
    loops: list[Loop] = []

    def make(url: str, **settings: str) -> Loop:
        loops.append(Loop(url, **settings))
        return loops[-1]

    yield make
    for loop in loops:
        loop.link.stop(OFFLINE)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.close()


def url_of(broker: Broker, password: str = "s3cr3t%2Fp%40ss") -> str:
    return f"mqtt://{USER}:{password}@127.0.0.1:{broker.port}"


@needs_mosquitto
def test_states_are_kept_and_events_are_not_and_the_last_word_is_ours(
    broker: Broker, open_loop: Callable[..., Loop]
) -> None:
    loop = open_loop(url_of(broker))
    loop.await_heard("up")
    event = Publication(topic="framebus/events", payload=b"{}", kind=Kind.EVENT)

    with broker.listener() as early:
        for one in (AVAILABLE, event):
            assert loop.link.publish(one)
            loop.await_heard(one)
        early.await_said("framebus/events")
    assert loop.link.in_flight == 0

    with broker.listener() as late:
        late.await_kept("framebus/available", b"online")
        assert "framebus/events" not in late.kept
        loop.link.stop(OFFLINE)
        late.await_kept("framebus/available", b"offline")


@needs_mosquitto
def test_a_broker_that_is_killed_and_started_is_connected_to_again(
    broker: Broker, open_loop: Callable[..., Loop]
) -> None:
    loop = open_loop(url_of(broker))
    loop.await_heard("up")

    broker.kill()
    loop.await_heard("the connection broke")
    assert not loop.link.publish(AVAILABLE)
    loop.await_heard("nobody listens there: does it run, and on this port?")
    broker.start()
    loop.await_heard("up")

    assert loop.link.publish(AVAILABLE)
    loop.await_heard(AVAILABLE)
    assert loop.link.is_alive


@needs_mosquitto
def test_what_a_broker_that_hangs_was_given_is_said_to_be_lost_or_not(
    broker: Broker, open_loop: Callable[..., Loop]
) -> None:
    loop = open_loop(url_of(broker))
    loop.await_heard("up")
    event = Publication(topic="framebus/events", payload=b"{}", kind=Kind.EVENT)

    broker.kill(signal.SIGSTOP)
    assert loop.link.publish(event)
    broker.kill()

    loop.await_heard(event)
    assert loop.link.in_flight == 0


@needs_mosquitto
def test_a_wrong_password_is_told_in_words_without_it(broker: Broker, open_loop: Callable[..., Loop]) -> None:
    loop = open_loop(url_of(broker, "wr0ng"))

    loop.await_heard("it refuses user and password")

    assert PASSWORD not in parse_broker(url_of(broker)).shown
    assert PASSWORD not in repr(parse_broker(url_of(broker)))


@needs_mosquitto
def test_home_assistant_is_heard_when_it_is_born_and_not_that_it_once_was(
    broker: Broker, open_loop: Callable[..., Loop]
) -> None:
    with broker.listener("none") as other:
        other.say("homeassistant/status", "online", is_retained=True)
        loop = open_loop(url_of(broker))
        loop.await_heard("up")
        assert loop.link.publish(OFFLINE)
        loop.await_heard(OFFLINE)

        other.say("homeassistant/status", "offline")
        other.say("homeassistant/status", "online")

        loop.await_heard("birth")
        loop.link.publish(AVAILABLE)
        loop.await_heard(AVAILABLE)
        assert "birth" not in loop.heard


def test_a_broker_that_is_away_is_told_with_the_reason(open_loop: Callable[..., Loop]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = open_loop(f"mqtt://127.0.0.1:{taken.getsockname()[1]}")
        nobody.await_heard("nobody listens there: does it run, and on this port?")
    unknown = open_loop("mqtt://no-such-host.invalid")
    unknown.await_heard("there is no host of this name")

    assert unknown.link.is_alive


def test_who_is_no_broker_is_told_with_the_reason(open_loop: Callable[..., Loop]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20.0)
        loop = open_loop(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        server.accept()[0].close()

        loop.await_heard(
            "it takes the connection and does not answer: is it MQTT there, and with TLS (mqtts://) or without?"
        )


def test_a_file_without_certificates_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("none")

    with pytest.raises(ConfigError, match=r"ca\.pem is no file with certificates"):
        Loop("mqtts://127.0.0.1:1", ca=str(file))
