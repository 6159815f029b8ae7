"""The address of an MQTT broker, and what topics there may be called: for who checks the settings and who connects."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from framebus.errors import ConfigError

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
MQTT_LIBRARY = "paho"
_QUOTING = "/ ? # @ in a password are written %2F %3F %23 %40"
_TOPIC = re.compile(r"[^+#/$\x00-\x1f\x7f][^+#\x00-\x1f\x7f]{0,126}(?<!/)(?!\n)")


@dataclass(frozen=True, kw_only=True)
class BrokerAddress:
    """One broker. `shown` is for everybody."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_tls: bool = False

    @property
    def shown(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.is_tls else 'mqtt'}://{host}:{self.port}"


def parse_broker(url: str) -> BrokerAddress:
    """The broker that `mqtt://user:password@host:port` names; raises ConfigError, which holds no password."""
    try:
        return _parse(url)
    except ValueError as error:
        raise ConfigError([f"url: {error}"]) from None


def find_broker_problem(url: str) -> str | None:
    """What is wrong with the address of a broker, or None."""
    try:
        _parse(url)
    except ValueError as error:
        return str(error)
    return None


def find_topic_problem(topic: str) -> str | None:
    """What is wrong with the begin of topics, or None."""
    if _TOPIC.fullmatch(topic) and "//" not in topic:
        return None
    return "is no begin of a topic; write up to 127 characters without + and #, no / at either end and no $ first"


def _parse(url: str) -> BrokerAddress:
    form = f"write mqtt://user:password@host:1883, or mqtts:// for TLS; {_QUOTING}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # UnicodeError is one
        raise ValueError(f"is no address of a broker; {form}") from None
    if parts.scheme not in DEFAULT_PORTS or not host or port == 0 or re.search(r"[\s\x00-\x1f]", host):
        raise ValueError(f"is no address of a broker; {form}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"has something after the port; {form}")
    return BrokerAddress(
        host=host,
        port=port or DEFAULT_PORTS[parts.scheme],
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        is_tls=parts.scheme == "mqtts",
    )
