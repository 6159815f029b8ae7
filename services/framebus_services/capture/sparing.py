"""Chooses which packets of a camera need not be decoded: those whose pictures nobody wants, nor any that is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass

from framebus_services.capture.sampling import FrameGate
from framebus_services.capture.timestamps import Arrival
from framebus_services.video.packets import AnyPacket, copy_of
from framebus_services.video.roles import Role, Roles

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

    def __init__(self, roles: Roles, gate: FrameGate) -> None:
        self._roles = roles
        self._gate = gate
        self._held: list[Coming] = []
        self._group: Group | None = None
        self._span_s = self._step_s = 0.0
        self._is_even = False
        self._decoded_s = float("-inf")
        self.spared = 0
        """packets that were left out so far"""

    def pick(self, packet: AnyPacket, arrival: Arrival, at_s: float | None) -> Sequence[Coming]:
        """The packets that are to be decoded now; `at_s`: the frame's own time."""
        role = self._roles.of(packet)
        if self._group is not None:
            self._group.packets += 1
        if role is Role.KEY and at_s is not None:
            self._note_group(at_s)
            self.forget()
        elif at_s is not None and role is not Role.NEEDED and not self._is_wanted(at_s):
            if role is Role.ALONE:
                self.spared += 1
                return ()
            if self._is_rest(at_s):
                self._held.append((copy_of(packet), arrival))  # the recorder changes the same packet
                return ()
        held, self._held = self._held, []
        self._decoded_s = at_s if at_s is not None else self._decoded_s
        return (*held, (packet, arrival))

    def forget(self) -> None:
        """What waits is not needed any more."""
        self.spared += len(self._held)
        self._held.clear()

    def _is_wanted(self, at_s: float) -> bool:
        return self._gate.may_pass(at_s) or not 0.0 <= at_s - self._decoded_s < REST_S

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
