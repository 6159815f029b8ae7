"""The child's side of sd_notify: tells the launcher, or systemd, that the service is ready and alive.

The protocol is that of sd_notify(3): lines of `NAME=value` in one datagram to `$NOTIFY_SOCKET`.
"""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to `$NOTIFY_SOCKET`; silent where there is none. A supervisor that is away is not our trouble."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        usec = environment.get("WATCHDOG_USEC", "")
        self.beat_s = min(1.0, int(usec) / 3e6) if usec.isdigit() and int(usec) else 1.0
        """how often the supervisor wants to hear a beat"""

    @property
    def is_supervised(self) -> bool:
        return self._socket is not None

    def send(self, *lines: str) -> bool:
        """Tell the supervisor, as in `send("READY=1", "STATUS=connected")`; False when its queue is full."""
        if self._socket is None:
            return True
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            self._socket.sendto("\n".join(lines).encode(), address)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
