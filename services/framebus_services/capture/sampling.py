"""Which frames of a camera become pictures for the processors, and in what size."""

from framebus.settings import Detect

MOST_WIDTH, MOST_HEIGHT = 1_280, 720


class FrameGate:
    """Lets `rate_hz` frames a second pass, evenly; works on the frames' own time."""

    EARLY_SHARE = 0.15
    """of a period that a frame may be early: timestamps of cameras are not exact"""

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz
        self._next_s: float | None = None

    @property
    def earliest_s(self) -> float:
        """From when on the next frame is wanted."""
        return float("-inf") if self._next_s is None else self._next_s - self.EARLY_SHARE * self._period_s

    def may_pass(self, at_s: float) -> bool:
        """Whether a frame of that time could be wanted, whichever come before it; nothing is noted."""
        return self._next_s is None or at_s >= self.earliest_s or at_s <= self._next_s - 2.0 * self._period_s

    def passes(self, at_s: float) -> bool:
        """Whether the frame of that time is wanted."""
        if self._next_s is None or not -2.0 < (at_s - self._next_s) / self._period_s < 2.0:
            self._next_s = at_s  # the first, or after a gap or jump
        if at_s < self.earliest_s:
            return False
        self._next_s += self._period_s
        return True


def picture_size(width: int, height: int, detect: Detect) -> tuple[int, int]:
    """The size of the pictures made from frames of `width` x `height`; even, as I420 needs it.

    What the settings leave open follows from the frame's shape; by default the frame's size, at most 1280x720.

    >>> picture_size(1920, 1080, Detect()), picture_size(1920, 1080, Detect(width=640))
    ((1280, 720), (640, 360))
    """
    if detect.width and detect.height:
        return _even(detect.width), _even(detect.height)
    if detect.width:
        return _even(detect.width), _even(height * detect.width / width)
    if detect.height:
        return _even(width * detect.height / height), _even(detect.height)
    shrink = min(1.0, MOST_WIDTH / width, MOST_HEIGHT / height)
    return _even(width * shrink), _even(height * shrink)


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)
