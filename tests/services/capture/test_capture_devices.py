"""Cameras at this machine: no test machine has one, so what can be seen without is how their absence is told."""

import os
import stat
from pathlib import Path

import av
import pytest
from capture_rig import CaptureProcess

from framebus.addresses import Address, Capturing, Kind, parse_address
from framebus.messages import Cause
from framebus_services.capture.device import DeviceSource, options_of
from framebus_services.capture.trouble import NoVideoError, trouble_of


def device(path: Path | str) -> Address:
    return Address(kind=Kind.DEVICE, url=str(path), shown=str(path))


def test_a_device_that_is_not_there_is_told_as_not_found_and_tried_again() -> None:
    if Path("/dev/video99").exists():
        pytest.skip("this machine has 100 video devices")
    with CaptureProcess("v4l2:///dev/video99?width=640&height=480") as capture:
        capture.until_state("offline", "not_found")

        assert capture.statuses[-1].retry_at_s is not None


@pytest.mark.parametrize("path", ["/dev/null", __file__])
def test_what_is_no_video_device_is_told_as_such(path: str) -> None:
    with pytest.raises(NoVideoError, match="is no video device"):
        DeviceSource(device(path))


def test_a_device_without_a_driver_is_told_as_gone(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(81, 250))
    except PermissionError:
        pytest.skip("needs root to make a device")

    with pytest.raises((OSError, NoVideoError)) as caught:
        DeviceSource(device(path))

    assert trouble_of(caught.value, was_connected=False).cause in (Cause.NOT_FOUND, Cause.CODEC, Cause.AUTH)


def test_a_device_of_others_is_told_as_auth_with_the_group_that_would_help(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may open everything")
    others = next(
        (path for path in Path("/dev").iterdir() if path.is_char_device() and not os.access(path, os.R_OK)), None
    )
    if others is None:
        pytest.skip("this user may open all devices")

    with pytest.raises(PermissionError, match="in the group video") as caught:
        DeviceSource(device(others))

    assert trouble_of(caught.value, was_connected=False).cause is Cause.AUTH


def test_a_device_is_told_what_the_address_asks_for_and_nothing_else() -> None:
    address = parse_address("v4l2:///dev/video0?width=1280&height=720&fps=25&format=yuyv422")

    assert options_of(address.capturing) == {"video_size": "1280x720", "framerate": "25", "input_format": "yuyv422"}
    assert options_of(Capturing()) == {}


def test_the_library_brings_the_reader_of_devices() -> None:
    assert any("v4l2" in name.split(",") for name in av.formats_available)
