"""Who may do what to what: one function, asked where the object is loaded."""

from dataclasses import dataclass
from enum import StrEnum

from framebus.access import Grant, Role
from framebus.errors import ErrorCode, RefusedError


class Action(StrEnum):
    """What somebody wants to do."""

    SEE = "see"
    MAKE = "make"
    """clips, and what else is a job; cancel and retry it"""
    MANAGE = "manage"
    """services, their logs, the configuration"""


LEAST_ROLE = {Action.SEE: Role.VIEWER, Action.MAKE: Role.ADMIN, Action.MANAGE: Role.ADMIN}
_RANK = {Role.VIEWER: 0, Role.ADMIN: 1}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who asks."""

    id: str
    role: Role
    cameras: frozenset[str] | None = None
    """that may be seen; None: all"""

    @property
    def is_restricted(self) -> bool:
        return self.cameras is not None

    def sees(self, camera: str | None) -> bool:
        """Whether what belongs to this camera may be seen; what belongs to none, by who sees all."""
        return self.cameras is None or camera in self.cameras

    def may(self, action: Action) -> bool:
        """Whether the role suffices for this."""
        return _RANK[self.role] >= _RANK[LEAST_ROLE[action]]


@dataclass(frozen=True, kw_only=True)
class OfCamera:
    """Whatever belongs to one camera: its picture, a job of it, a file; `camera` None: to no camera."""

    camera: str | None
    what: str
    """in words, for who may not know that it is there"""


@dataclass(frozen=True)
class WholeGroup:
    """What tells of all cameras at once."""


@dataclass(frozen=True)
class Listing:
    """A list whose rows are asked for one by one, or that tells nothing of any camera."""


Thing = OfCamera | WholeGroup | Listing


def subject_of(grant: Grant) -> Subject:
    """Who comes with this token."""
    cameras = None if grant.cameras is None or grant.role is Role.ADMIN else frozenset(grant.cameras)
    return Subject(id=grant.id, role=grant.role, cameras=cameras)


def authorise(subject: Subject, action: Action, thing: Thing) -> None:
    """Raises RefusedError: `denied` for what the role may not, `not_found` for what it may not know of."""
    if isinstance(thing, OfCamera) and not subject.sees(thing.camera):
        raise RefusedError(ErrorCode.NOT_FOUND, f"there is no {thing.what}")
    if not subject.may(action):
        least = LEAST_ROLE[action]
        raise RefusedError(ErrorCode.DENIED, f"a {subject.role} may not {action} this; it takes the link of an {least}")
    if isinstance(thing, WholeGroup) and subject.is_restricted:
        raise RefusedError(ErrorCode.DENIED, "this tells of all cameras; your link is for some of them")
