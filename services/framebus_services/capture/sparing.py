"""Chooses which packets of a camera need not be decoded: those whose pictures nobody wants, nor any that is wanted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from framebus_services.capture.sampling import FrameGate
from framebus_services.capture.timestamps import Arrival
from framebus_services.video.packets import AnyPacket, copy_of
from framebus_services.video.roles import Role, Roles

LEARN_PACKETS = 64
"""at first, which are all decoded: where a stream does not say how far its pictures are out of order, the decoder has
to see it, or it gives away one too soon and drops the one before it"""
REST_S = 1.0
"""at least so often a picture is decoded, so that a stream that can't be is noticed"""
EVEN_SHARE = 0.5
"""of a frame, by which groups of pictures may differ in length and still count as equal"""
BEFORE_SHARE = 0.9
"""of a frame: so long before a group ends its last picture has been"""

Coming = tuple[AnyPacket, Arrival]


@dataclass
class Group:
    """A key frame and what comes after it, in the camera's own time."""

    begin_s: float
    packets: int = 1


class Sparing:
    """For the packets of one connection, in their order.

    A picture that nobody refers to is left out at once. The others are needed up to the last one of their group that
    is wanted; so where groups are equally long, the rest waits, and goes when the next key frame comes. If none comes,
    or a picture is wanted after all, what waits is decoded before it. No picture differs from what it would have been.
    """

    def __init__(self, roles: Roles, gate: FrameGate, tally: Counter[str]) -> None:
        self._roles = roles
        self._gate = gate
        self._tally = tally
        self._held: list[Coming] = []
        self._group: Group | None = None
        self._span_s = self._step_s = 0.0
        self._is_even = False
        self._decoded_s = float("-inf")
        self._left_to_learn = LEARN_PACKETS

    def pick(self, packet: AnyPacket, arrival: Arrival, at_s: float | None) -> Sequence[Coming]:
        """The packets that are to be decoded now; `at_s`: the frame's own time."""
        role = self._roles.of(packet)
        if self._group is not None:
            self._group.packets += 1
        if at_s is not None:
            is_wanted = self._left_to_learn > 0 or self._is_wanted(at_s)
            self._left_to_learn -= 1
            if role is Role.KEY:
                self._note_group(at_s)
                self.forget()
            elif not is_wanted and role is Role.ALONE:
                self._spare(1)
                return ()
            elif not is_wanted and role is Role.REFERRED and self._is_rest(at_s):
                self._held.append((copy_of(packet), arrival))  # the recorder changes the same packet
                return ()
            self._decoded_s = at_s
        held, self._held = self._held, []
        return (*held, (packet, arrival))

    def forget(self) -> None:
        """What waits is not needed any more."""
        self._spare(len(self._held))
        self._held.clear()

    def _spare(self, packets: int) -> None:
        self._tally["frames"] += packets  # they came, and nobody needed them
        self._tally["spared"] += packets

    def _is_wanted(self, at_s: float) -> bool:
        # One that waits in the decoder has not passed the gate yet: so those that push it out are wanted, too.
        return self._gate.may_pass(at_s) or abs(at_s - self._decoded_s) >= REST_S

    def _is_rest(self, at_s: float) -> bool:
        """Whether the next key frame comes before the next picture that is wanted."""
        if self._group is None or not self._is_even:
            return False
        end_s = self._group.begin_s + self._span_s
        return at_s < end_s < at_s + REST_S and self._gate.earliest_s > end_s - BEFORE_SHARE * self._step_s

    def _note_group(self, at_s: float) -> None:
        if self._group is not None and at_s > self._group.begin_s:
            span_s = at_s - self._group.begin_s
            self._step_s = span_s / (self._group.packets - 1)
            self._is_even = abs(span_s - self._span_s) < EVEN_SHARE * self._step_s
            self._span_s = span_s
        self._group = Group(at_s)
