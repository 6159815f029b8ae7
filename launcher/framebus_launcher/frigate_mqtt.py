"""Takes the broker of a Frigate over, as the `url` of our section `services.mqtt`."""

from typing import Any
from urllib.parse import quote

from framebus.broker import MQTT_LIBRARY, find_broker_problem
from framebus_launcher.imported import VARIABLE, Imported
from framebus_launcher.table import has_libraries

SECTION = "mqtt"
TOPIC = "topics begin with framebus here: the two may speak at one broker, and each says of itself whether it is there"


def take_mqtt(found: Imported) -> str:
    """Its address, with the password still in clear; "", and a reason, where nothing can be taken."""
    if found.peek(SECTION) is None:
        return ""
    host = found.peek(f"{SECTION}.host")
    if host is None or found.peek(f"{SECTION}.enabled") is False:
        found.leave(SECTION, "is switched off, or names no host")
        return ""
    if not has_libraries([MQTT_LIBRARY]):
        found.leave(SECTION, "needs a library: pip install 'framebus[mqtt]'; then docs/mqtt.md")
        return ""
    if found.peek(f"{SECTION}.tls_ca_certs") or found.peek(f"{SECTION}.transport") not in (None, "tcp"):
        found.leave(SECTION, "speaks TLS or WebSockets: mqtts:// and ca are written by hand: docs/mqtt.md")
        return ""
    user, password = (_quoted(found.peek(f"{SECTION}.{key}")) for key in ("user", "password"))
    login = f"{user}:{password}@" if user and password else f"{user}@" if user else ""
    url = f"mqtt://{login}{host}:{found.peek(f'{SECTION}.port') or 1883}"
    if problem := find_broker_problem(VARIABLE.sub("x", url).replace("${", "x").replace("}", "")):
        found.leave(SECTION, problem)
        return ""
    for key in ("enabled", "host", "port", *(("user", "password") if user else ())):
        found.get(f"{SECTION}.{key}")
    if found.peek(f"{SECTION}.topic_prefix") is not None:
        found.leave(f"{SECTION}.topic_prefix", TOPIC)
    return url


def _quoted(text: Any) -> str:
    """As a part of an address; a variable of Frigate's becomes one of ours."""
    if text is None:
        return ""
    parts, end = [], 0
    for use in VARIABLE.finditer(str(text)):
        parts += [quote(str(text)[end : use.start()], safe=""), f"${{{use[1]}}}"]
        end = use.end()
    return "".join([*parts, quote(str(text)[end:], safe="")])
