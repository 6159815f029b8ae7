"""A real MQTT broker for a test, and somebody who listens there; skipped where mosquitto is not installed."""

import queue
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from groups import wait_until

USER, PASSWORD = "cams", "s3cr3t/p@ss"
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="no broker here: apt install mosquitto")


class Broker:
    """A process on a port of its own, which lets in one user."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        users = folder / "users"
        users.write_text(f"{USER}:{PASSWORD}\n")
        subprocess.run(["mosquitto_passwd", "-U", users], check=True, capture_output=True, timeout=20)
        users.chmod(0o644)  # mosquitto gives up root's rights before it reads them
        folder.chmod(0o755)
        self._file = folder / "mosquitto.conf"
        self._file.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\n"
            "user root\npersistence false\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", self._file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "the broker answers", 20.0)

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait(10.0)
            self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10.0)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    @contextmanager
    def listener(self, topics: str = "#") -> Iterator["Listener"]:
        listener = Listener(self.port, topics)
        try:
            yield listener
        finally:
            listener.close()


class Listener:
    """Hears everything, also after the broker was away; `kept` is what stands there as far as it heard."""

    def __init__(self, port: int, topics: str) -> None:
        self.kept: dict[str, bytes] = {}
        self.said: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(USER, PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._note
        self._client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        is_listening = threading.Event()
        self._client.on_subscribe = lambda *_: is_listening.set()
        self._client.connect("127.0.0.1", port, 15)
        self._client.loop_start()
        assert is_listening.wait(20.0)

    def _note(self, client: Client, _: object, message: MQTTMessage) -> None:
        if message.payload:
            self.kept[message.topic] = message.payload
        else:
            self.kept.pop(message.topic, None)
        self.said.put((message.topic, message.payload))

    def say(self, topic: str, payload: str, *, is_retained: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=is_retained).wait_for_publish(20.0)

    def await_kept(self, topic: str, payload: bytes, limit_s: float = 20.0) -> None:
        try:
            wait_until(lambda: self.kept.get(topic) == payload, topic, limit_s)
        except AssertionError:
            raise AssertionError(f"{topic} is not {payload!r}: {self.kept}") from None

    def await_said(self, topic: str, payload: bytes | None = None, limit_s: float = 20.0) -> bytes:
        """The next such message; those before it are forgotten."""

        def find() -> tuple[bytes] | None:
            while not self.said.empty():
                said, what = self.said.get()
                if said == topic and payload in (None, what):
                    return (what,)
            return None

        return wait_until(find, f"{topic} {payload!r} is said", limit_s)[0]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
