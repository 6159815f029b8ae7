"""A notice of a frame, for tests that need any."""

from framebus.messages import FrameNotice


def notice(number: int = 1, camera: str = "front", *, width: int = 640, height: int = 360) -> FrameNotice:
    return FrameNotice(
        camera=camera,
        ring="/dev/shm/front.1.ring",
        slot=number % 8,
        number=number,
        ring_epoch=1,
        width=width,
        height=height,
        format=1,
        pts_us=0,
        captured_at_s=1.0,
        captured_up_s=1.0,
    )
