"""When what was made before, or is made to order, is due: at the pace of its own clock."""

LATE_S = 1.0


class Pacer:
    """Plays media time against real time; who is late by more than a second starts anew instead of hurrying."""

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def wait_s(self, media_s: float, now_s: float) -> float:
        """How long from `now_s` until what stands at `media_s` is due; never negative."""
        if self._offset_s is None:
            self._offset_s = now_s - media_s
        wait_s = media_s + self._offset_s - now_s
        if wait_s < -LATE_S:
            self._offset_s = now_s - media_s
        return max(0.0, wait_s)
