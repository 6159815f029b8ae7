"""The proxy between the pub and the sub door: libzmq's own, in C, on a thread of its own."""

import threading
from pathlib import Path

import zmq

from framebus.codec import MAX_NEWS_MESSAGE_BYTES
from framebus.place import Place
from framebus.sockets import Context, open_socket


class Proxy:
    """Forwards all news, and all subscriptions back to the publishers; the interpreter never touches a message."""

    def __init__(self, place: Place) -> None:
        self._addresses = (place.pub, place.sub)
        self._context: Context = zmq.Context()
        self._pub = self._bind(zmq.XSUB, place.pub)
        self._sub = self._bind(zmq.XPUB, place.sub)
        # Verbose: a repeated subscription travels on to the publishers too; that is how retained values are asked for.
        # Verboser: so does the end of each, or publishers would count subscribers that are gone.
        self._sub.setsockopt(zmq.XPUB_VERBOSER, 1)
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """End the proxy; messages that it has not forwarded are dropped."""
        self._context.term()  # the proxy's call ends with ContextTerminated, and its thread closes the sockets
        self._thread.join(timeout=2.0)
        for address in self._addresses:
            if address.startswith("ipc://"):
                Path(address.removeprefix("ipc://")).unlink(missing_ok=True)

    def _bind(self, kind: int, address: str) -> zmq.Socket[bytes]:
        door = open_socket(self._context, kind, MAX_NEWS_MESSAGE_BYTES)
        door.bind(address)
        return door

    def _run(self) -> None:
        try:
            zmq.proxy(self._pub, self._sub)
        except zmq.ContextTerminated:
            pass
        finally:
            self._pub.close(0)
            self._sub.close(0)
