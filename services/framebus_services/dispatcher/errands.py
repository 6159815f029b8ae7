"""What waits for the ledger's thread."""

from collections.abc import Callable
from dataclasses import dataclass

from framebus.door import Promise
from framebus.errors import RefusedError
from framebus.messages import Message

Outcome = Message | RefusedError
Work = Callable[[], Outcome | None]


@dataclass(frozen=True)
class Errand:
    """Something to do in the ledger, and who waits for it.

    Work that raises RefusedError is undone; a refusal that it returns stands. None: answered later, or nobody waits.
    """

    work: Work
    promise: Promise | None = None
    is_read: bool = False
    """it writes nothing: done outside of the batch's transaction, so that a full disk does not refuse it"""


def settle(promise: Promise, outcome: Outcome) -> None:
    """Answer, unless it is answered already."""
    if promise.is_settled:
        return
    if isinstance(outcome, RefusedError):
        promise.refuse(outcome)
    else:
        promise.resolve(outcome)
