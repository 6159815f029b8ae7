"""Whether the wall clock may be believed by those who delete what is old."""

import logging

from framebus.clock import Clock

log = logging.getLogger(__name__)

JUMP_S = 3_600.0
TRUST_S = 3_600.0
"""how long it is not believed after the start, when NTP may not have set it yet, and after it jumped"""


class WallTrust:
    """Watches one clock for one deleter, who asks each time before it deletes by age."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s = clock.wall_s() - clock.boot_s()
        self._distrust_until_s = clock.boot_s() + TRUST_S

    def is_trusted(self) -> bool:
        offset_s = self._clock.wall_s() - self._clock.boot_s()
        moved_s, self._offset_s = offset_s - self._offset_s, offset_s
        now_s = self._clock.boot_s()
        if abs(moved_s) > JUMP_S:
            self._distrust_until_s = now_s + TRUST_S
            log.warning("the clock moved by %.0f s: nothing is deleted by age for an hour", moved_s)
        return now_s >= self._distrust_until_s
