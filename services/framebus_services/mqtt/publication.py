"""What is published: one message to the broker."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How it is treated where there is more than the broker takes."""

    STATE = "state"
    """the newest of each topic; goes first"""
    EVENT = "event"
    """each, in order, while it is fresh"""
    PICTURE = "picture"
    """the newest of each topic; goes last"""


@dataclass(frozen=True, kw_only=True)
class Publication:
    topic: str
    payload: bytes
    kind: Kind = Kind.STATE

    @property
    def is_retained(self) -> bool:
        """The broker keeps it for who subscribes later; empty, it takes away what was kept."""
        return self.kind is not Kind.EVENT

    @property
    def qos(self) -> int:
        """States are told again whole after each connection: once is enough; an event and an end are acknowledged."""
        return 1 if self.kind is Kind.EVENT or not self.payload else 0
