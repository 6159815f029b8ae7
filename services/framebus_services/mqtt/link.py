"""The edge: one connection to a broker, which paho keeps up on a thread of its own; what it hears comes to the loop."""

import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from framebus.broker import BrokerAddress
from framebus.errors import ConfigError
from framebus_services.mqtt.publication import Publication

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 15
"""a broker that says nothing for so long is gone; to it, half as long again"""
CONNECT_S = 3.0
BACKOFF_S = (1, 30)
FAREWELL_S = 1.5
BIRTH = b"online"
REFUSALS = {
    "Bad user name or password": "it refuses user and password",
    "Not authorized": "it refuses user and password",
    "Client identifier not valid": "it refuses our name",
    "Server unavailable": "it says that it is unavailable",
}
UNANSWERED = "it takes the connection and does not answer: is it MQTT there, and with TLS (mqtts://) or without?"
BROKE = "the connection broke"
SILENT = f"it has said nothing for {KEEP_ALIVE_S} s"
Soon = Callable[[Callable[[], None]], None]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the connection tells; each is called on the loop's thread."""

    up: Callable[[], None]
    down: Callable[[str], None]
    """with the reason, in words and without a password"""
    sent: Callable[[Publication], None]
    """a publication has left; with an acknowledgement, where it asks for one"""
    unsent: Callable[[Publication], None]
    """the connection broke, and nobody knows whether this one came through"""
    birth: Callable[[], None]
    """who is subscribed for says that it is there"""


class Link:
    """To one broker. `publish` never waits: the caller sends the next ones when some were `sent`."""

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client: str,
        will: Publication,
        birth_topic: str | None,
        ca: str | None,
        heard: Heard,
        soon: Soon,
    ) -> None:
        """`soon` brings a call to the loop's thread. Raises ConfigError for a `ca` that is none."""
        self._heard = heard
        self._soon = soon
        self._birth_topic = birth_topic
        self._is_up = False
        """of paho's thread"""
        self._is_asking = False
        """it has connected, and waits for the broker's yes; of paho's thread, too"""
        self._in_flight: dict[int, Publication] = {}
        self._thread: threading.Thread | None = None
        self._client = paho = Client(CallbackAPIVersion.VERSION2, client_id=client, reconnect_on_failure=True)
        paho.suppress_exceptions = True  # one in a callback would end its thread
        paho.connect_timeout = CONNECT_S
        paho.reconnect_delay_set(*BACKOFF_S)
        if address.user is not None:
            paho.username_pw_set(address.user, address.password)
        if address.is_tls:
            paho.tls_set_context(_trust(ca))
        paho.will_set(will.topic, will.payload, qos=1, retain=True)
        paho.on_pre_connect = self._on_pre_connect
        paho.on_connect = self._on_connect
        paho.on_connect_fail = self._on_connect_fail
        paho.on_disconnect = self._on_disconnect
        paho.on_publish = self._on_publish
        paho.on_message = self._on_message
        paho.connect_async(address.host, address.port, KEEP_ALIVE_S)

    @property
    def in_flight(self) -> int:
        """Publications that have not left yet."""
        return len(self._in_flight)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs, connected or not."""
        return self._thread is None or self._thread.is_alive()

    def start(self) -> None:
        """Connect, and go on connecting, until `stop`."""
        before = set(threading.enumerate())
        self._client.loop_start()
        self._thread = next((one for one in threading.enumerate() if one not in before), None)

    def publish(self, publication: Publication) -> bool:
        """Hand one over; False where the connection is gone."""
        info = self._publish(publication)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._in_flight[info.mid] = publication
        return True

    def stop(self, farewell: Publication) -> None:
        """Say a last word and disconnect in order, which takes the will back; within some seconds."""
        if self._client.is_connected():
            try:
                self._publish(farewell, qos=1).wait_for_publish(FAREWELL_S)
            except (RuntimeError, ValueError):  # the connection broke just now: the will is said instead
                pass
        self._client.disconnect()
        if self._thread is not None:
            self._thread.join(FAREWELL_S)  # one that connects to nobody is not waited for: it is a daemon

    def _publish(self, publication: Publication, qos: int | None = None) -> MQTTMessageInfo:
        qos = publication.qos if qos is None else qos
        return self._client.publish(publication.topic, publication.payload, qos=qos, retain=publication.is_retained)

    # On paho's thread ------------------------------------------------------------------------------------------------

    def _on_pre_connect(self, client: Client, _: Any) -> None:
        self._is_asking = True

    def _on_connect(
        self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._is_asking = False
        if reason.is_failure:
            self._tell_down(REFUSALS.get(str(reason), f"it refuses us: {reason}"))
            return
        client.drop_out_messages()  # what was not acknowledged we tell again ourselves, with what is true now
        self._is_up = True
        if self._birth_topic is not None:
            client.subscribe(self._birth_topic)
        self._soon(self._heard.up)

    def _on_connect_fail(self, client: Client, _: Any) -> None:
        self._is_asking = False
        self._tell_down(_in_words(sys.exception()))

    def _on_disconnect(
        self, client: Client, _: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        was_up, self._is_up = self._is_up, False
        if was_up:
            self._tell_down(SILENT if str(reason) == "Keep alive timeout" else BROKE)
        elif self._is_asking:  # else it was told why
            self._tell_down(UNANSWERED)
        self._is_asking = False

    def _on_publish(self, client: Client, _: Any, mid: int, reason: ReasonCode, properties: Properties | None) -> None:
        self._soon(partial(self._note_sent, mid))

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        if message.payload == BIRTH and not message.retain:  # a kept one is as old as its sender's last start
            self._soon(self._heard.birth)

    def _tell_down(self, why: str) -> None:
        self._soon(partial(self._note_down, why))

    # On the loop's thread --------------------------------------------------------------------------------------------

    def _note_sent(self, mid: int) -> None:
        publication = self._in_flight.pop(mid, None)
        if publication is not None:
            self._heard.sent(publication)

    def _note_down(self, why: str) -> None:
        unsent, self._in_flight = self._in_flight, {}
        for publication in unsent.values():
            self._heard.unsent(publication)
        self._heard.down(why)


def _trust(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError([f"ca: {ca} is no file with certificates: {error}"]) from None


def _in_words(error: BaseException | None) -> str:
    """Why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}; `ca` names the file of who signed it"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {error.reason or error}; is it mqtt:// there?"
    if isinstance(error, socket.gaierror):
        return "there is no host of this name"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there: does it run, and on this port?"
    if isinstance(error, ConnectionError):
        return UNANSWERED
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_S:.0f} s"
    return (getattr(error, "strerror", None) or str(error) or "no connection") if error else "no connection"
