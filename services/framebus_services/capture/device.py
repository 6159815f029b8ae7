"""Cameras at this machine, by Video4Linux: `v4l2:///dev/video0`."""

import errno
import os
import stat
from collections.abc import Iterator

from av.container import InputContainer

from framebus.addresses import Address, Capturing
from framebus_services.capture.source import CONNECT_S, READ_S, FFmpegSource
from framebus_services.capture.trouble import EndedError, NoVideoError
from framebus_services.video.opening import open_video
from framebus_services.video.packets import AnyPacket

NO_VIDEO = (errno.ENOTTY, errno.ENXIO, errno.EINVAL)


class DeviceSource(FFmpegSource):
    """A device that is open. Raises OSError, av.FFmpegError or NoVideoError when there is none."""

    def __init__(self, address: Address) -> None:
        super().__init__(_open(address))

    def items(self) -> Iterator[AnyPacket]:
        for packet in self._packets():
            if packet.size:
                yield packet
        raise EndedError("the device gives no more pictures")


def options_of(capturing: Capturing) -> dict[str, str]:
    """What FFmpeg's reader of devices is told.

    >>> options_of(Capturing(width=640, height=480, fps=30, format="mjpeg"))
    {'video_size': '640x480', 'framerate': '30', 'input_format': 'mjpeg'}
    """
    options = {}
    if capturing.width:
        options["video_size"] = f"{capturing.width}x{capturing.height}"
    if capturing.fps:
        options["framerate"] = str(capturing.fps)
    if capturing.format:
        options["input_format"] = capturing.format
    return options


def _open(address: Address) -> InputContainer:
    if not stat.S_ISCHR(os.stat(address.url).st_mode):
        raise NoVideoError(f"{address.url} is no video device")
    if not os.access(address.url, os.R_OK | os.W_OK):
        raise PermissionError(f"no permission for {address.url}: is this user in the group video?")
    try:
        return open_video(
            address.url, format="v4l2", options=options_of(address.capturing), timeout=(CONNECT_S, READ_S)
        )
    except OSError as error:
        if error.errno in NO_VIDEO:
            raise NoVideoError(
                f"{address.url} is no video device, or does not take what its address asks for"
            ) from None
        raise
