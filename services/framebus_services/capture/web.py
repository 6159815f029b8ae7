"""Cameras and files behind http:// and https://: MJPEG, HLS, and whole files."""

import errno
from collections.abc import Iterator
from fractions import Fraction

from av.container import InputContainer

from framebus.addresses import Address
from framebus.clock import Clock
from framebus_services.capture.pacing import Pacer
from framebus_services.capture.redirects import follow
from framebus_services.capture.source import READ_S, FFmpegSource, Wait, open_stream
from framebus_services.capture.trouble import EndedError
from framebus_services.video.packets import AnyPacket, time_s

# A playlist names further addresses: FFmpeg asks only these for them, whatever it says.
WEB = {"protocol_whitelist": "http,https,tcp,tls,crypto", "max_redirects": "0", "rw_timeout": "5000000"}
HLS_READ_S = 10.0
"""the next piece of a live playlist may take as long as a piece is"""
TICK_S = Fraction(1, 90_000)
AHEAD_S = 10.0
"""what is due later than that is a jump of the camera's clock"""


class WebSource(FFmpegSource):
    """A connection by HTTP. Raises OSError, av.FFmpegError, ForbiddenError or NoVideoError when there is none."""

    def __init__(self, address: Address, clock: Clock, wait: Wait) -> None:
        self._clock = clock
        self._wait = wait
        super().__init__(_open(address))
        name = self._container.format.name
        self._has_times = name not in ("mpjpeg", "mjpeg")
        # What is sent faster than it happened is played at its own pace; a live stream comes at that pace.
        self._is_paced = name == "hls" or self._container.duration is not None

    def items(self) -> Iterator[AnyPacket]:
        pacer = Pacer()
        for packet in self._packets():
            if not packet.size:
                continue
            if not self._has_times:
                packet.time_base = TICK_S
                packet.pts = packet.dts = round(self._clock.boot_s() / TICK_S)
                packet.duration = 0
            elif self._is_paced and (at_s := time_s(packet.dts, packet)) is not None:
                wait_s = pacer.wait_s(at_s, self._clock.boot_s())
                if wait_s > AHEAD_S:
                    pacer, wait_s = Pacer(), 0.0
                if self._wait(wait_s):
                    return
            yield packet
        raise EndedError("the camera closed the connection, or sent all that it had")


def _open(address: Address) -> InputContainer:
    try:
        return open_stream(address.url, WEB, HLS_READ_S if _is_playlist(address) else READ_S)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        final = follow(address.url)  # FFmpeg is not to follow; it does not tell where a redirect goes
        if final == address.url:
            raise
        return open_stream(final, WEB, HLS_READ_S)


def _is_playlist(address: Address) -> bool:
    return address.url.partition("?")[0].lower().endswith((".m3u8", ".m3u"))
