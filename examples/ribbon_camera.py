"""A Raspberry Pi's camera on the ribbon cable, which has no plain Video4Linux pictures: read from `rpicam-vid`.

cameras:
  garden:
    source: ./ribbon_camera.py
    settings: {width: 1280, height: 720, fps: 10}
"""

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from msgspec import Meta

from framebus import CameraSource, Picture, PixelFormat

Even = Annotated[int, Meta(ge=64, le=4_056, multiple_of=2)]


class RibbonCamera(CameraSource):
    pixel_format = PixelFormat.I420

    def __init__(
        self, width: Even = 1280, height: Even = 720, fps: Annotated[int, Meta(ge=1, le=120)] = 10, camera: int = 0
    ) -> None:
        self._size = (width, height)
        options = {"--width": width, "--height": height, "--framerate": fps, "--camera": camera, "--timeout": 0}
        given = [str(word) for option in options.items() for word in option]
        self._command = ["rpicam-vid", "--nopreview", "--codec", "yuv420", *given, "--output", "-"]
        self._program: subprocess.Popen[bytes] | None = None

    def open(self) -> Iterator[Picture]:
        width, height = self._size
        self._program = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._program.stdout is not None
        size_bytes = PixelFormat.I420.payload_bytes(width, height)
        while len(data := self._program.stdout.read(size_bytes)) == size_bytes:
            yield Picture(np.frombuffer(data, np.uint8).reshape(height * 3 // 2, width))
        raise RuntimeError(f"rpicam-vid ended with exit code {self._program.wait(5)}; what it said is above")

    def close(self) -> None:
        program, self._program = self._program, None
        if program is None:
            return
        program.terminate()  # a read that waits for it ends, too
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(2)
        program.kill()
        program.wait(2)
