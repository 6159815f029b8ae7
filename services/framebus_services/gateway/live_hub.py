"""Live video for many clients of a stream by one subscription, which exists only while there is one of them."""

import asyncio
import struct
from collections.abc import Callable
from functools import partial

from framebus.bus import Bus
from framebus.codec import News
from framebus.errors import MalformedError
from framebus.messages import LiveFragment, LiveKind
from framebus_services.gateway.live_reader import LiveReader
from framebus_services.gateway.refusals import to_json

LINGER_S = 2.0
"""a page that is loaded again finds the stream still there"""


SIZE_AT = 28
"""bytes from the name of a sample entry to its width (ISO 14496-12, VisualSampleEntry)"""


class _Watch:
    """One stream that somebody looks at."""

    def __init__(self) -> None:
        self.readers: set[LiveReader] = set()
        self.description = ""
        self.init = b""
        self.handler: Callable[[News], None] = lambda news: None


class LiveHub:
    """For the loop's thread alone."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._watches: dict[str, _Watch] = {}

    def add(self, topic: str, reader: LiveReader) -> None:
        """Video of this topic for one more."""
        watch = self._watches.get(topic)
        if watch is None:
            watch = self._watches[topic] = _Watch()
            watch.handler = partial(self._bring, asyncio.get_running_loop(), topic, watch)
            self._bus.call_soon(partial(self._bus.on_news, topic, watch.handler))
        watch.readers.add(reader)
        if watch.init:
            reader.begin(watch.description, watch.init)
        self._gauge()

    def remove(self, topic: str, reader: LiveReader) -> None:
        """One less."""
        watch = self._watches[topic]
        watch.readers.discard(reader)
        self._bus.stats.count("dropped.live_fragments", reader.dropped)
        if not watch.readers:
            asyncio.get_running_loop().call_later(LINGER_S, self._end_if_idle, topic, watch)
        self._gauge()

    def _end_if_idle(self, topic: str, watch: _Watch) -> None:
        if not watch.readers and self._watches.get(topic) is watch:
            del self._watches[topic]
            self._bus.call_soon(partial(self._bus.off_news, topic, watch.handler))

    def _bring(self, loop: asyncio.AbstractEventLoop, topic: str, watch: _Watch, news: News) -> None:
        """From the bus's thread to the loop's."""
        if news.topic == topic and not loop.is_closed():
            loop.call_soon_threadsafe(self._take, watch, news)

    def _take(self, watch: _Watch, news: News) -> None:
        try:
            piece = news.decode()
        except MalformedError:
            self._bus.stats.count("malformed.not_shown")
            return
        if not isinstance(piece, LiveFragment) or not news.blob:
            return
        if piece.kind is LiveKind.INIT:
            self._begin(watch, piece, news.blob)
        elif piece.kind is LiveKind.FRAGMENT and watch.init:
            for reader in watch.readers:
                reader.offer(news.blob, is_key=piece.is_key)

    def _begin(self, watch: _Watch, piece: LiveFragment, init: bytes) -> None:
        if init == watch.init:  # told again, because somebody else has come; each beginning has one of its own
            return
        mime = f'video/mp4; codecs="{piece.codec}"'
        width, height = _size(init)
        description = {"codec": piece.codec, "mime": mime, "width": width, "height": height}
        watch.description, watch.init = to_json(description).decode(), init
        for reader in watch.readers:
            reader.begin(watch.description, init)

    def _gauge(self) -> None:
        self._bus.stats.gauge("live.clients", float(sum(len(watch.readers) for watch in self._watches.values())))


def _size(init: bytes) -> tuple[int, int]:
    """Width and height as the sample entry of the video says; 0, 0 where there is none."""
    entry = init.find(b"avc1", max(0, init.find(b"stsd")))
    if entry < 0 or len(init) < entry + SIZE_AT + 4:
        return 0, 0
    width, height = struct.unpack_from(">HH", init, entry + SIZE_AT)
    return width, height
