"""A camera without a camera: a drawn scene, encoded with H.264, so that everything downstream is real."""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction

import av

from framebus.addresses import Screen
from framebus.clock import Clock
from framebus_services.capture.pacing import Pacer
from framebus_services.capture.scene import Scene
from framebus_services.capture.source import PacketSource, Wait, make_decoder
from framebus_services.video.packets import AnyPacket

TICKS_PER_S = 90_000


class SyntheticSource(PacketSource):
    """Draws and encodes a frame whenever one is due."""

    def __init__(self, camera: str, screen: Screen, clock: Clock, wait: Wait) -> None:
        self._scene = Scene(camera, screen.width, screen.height)
        self._fps = screen.fps
        self._clock = clock
        self._wait = wait
        # A stream of the `null` container: a recorder takes it as a template, which it does not take an encoder for.
        self._container = av.open("synthetic", "w", format="null")
        self.video = self._container.add_stream(
            "libx264", rate=screen.fps, options={"preset": "ultrafast", "tune": "zerolatency"}
        )
        self.video.width, self.video.height, self.video.pix_fmt = screen.width, screen.height, "yuv420p"
        context = self.video.codec_context
        context.time_base = Fraction(1, TICKS_PER_S)
        context.gop_size = screen.fps
        context.thread_count = 1
        self._container.start_encoding()  # else a file that takes the stream as template says 640x480
        self.decoder = make_decoder("h264", None)

    def items(self) -> Iterator[AnyPacket]:
        pacer = Pacer()
        step = TICKS_PER_S // self._fps
        number = 0
        while not self._wait(pacer.wait_s(number / self._fps, self._clock.boot_s())):
            at = datetime.fromtimestamp(self._clock.wall_s()).astimezone()
            frame = av.VideoFrame.from_ndarray(self._scene.draw(number / self._fps, number, at), format="yuv420p")
            frame.pts, frame.time_base = number * step, Fraction(1, TICKS_PER_S)
            for packet in self.video.encode(frame):
                packet.duration = step
                yield packet
            number += 1

    def close(self) -> None:
        self._container.close()
