"""How much of a job's id people see and type: the first digits, at least four, as many as tell the listed jobs apart.

Our own ids are random, so four are nearly always enough; ids of other clients may begin with the time and need more.
"""

from collections.abc import Collection
from itertools import pairwise

from framebus.errors import ErrorCode, RefusedError

MIN_DIGITS = 4
FULL_ID = 32
MAX_NAMED = 5


def digits_needed(ids: Collection[str], among: Collection[str] = ()) -> int:
    """How many first digits tell these ids from each other and from those `among` which they are; at least 4.

    >>> digits_needed(["7f3a00", "7f3b00"]), digits_needed(["7f3a00"], ["7f3a01", "990000", "990001"])
    (4, 6)
    """
    wanted = set(ids)
    in_order = sorted(wanted.union(among))
    shared = (_shared(one, other) for one, other in pairwise(in_order) if one in wanted or other in wanted)
    return max(MIN_DIGITS, 1 + max(shared, default=0))


def clean_id(text: str) -> str:
    """What a user typed as digits of an id; dashes and capitals of a UUID are fine. Raises RefusedError."""
    digits = text.strip().replace("-", "").lower()
    if not digits or len(digits) > FULL_ID or set(digits) - set("0123456789abcdef"):
        wrong = f"{text!r} is no id of a job; ids have up to 32 digits, 0 to 9 and a to f (framebus jobs lists them)"
        raise RefusedError(ErrorCode.BAD_REQUEST, wrong)
    return digits


def matching(digits: str, ids: Collection[str]) -> list[str]:
    """The ids that begin with these digits; if none does, those that end with them, as copied from elsewhere."""
    return [one for one in ids if one.startswith(digits)] or [one for one in ids if one.endswith(digits)]


def ambiguity(digits: str, found: Collection[str]) -> RefusedError:
    """Says which jobs were meant, with digits enough to choose one."""
    needed = digits_needed(found)
    named = ", ".join(one[:needed] for one in sorted(found)[:MAX_NAMED])
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return RefusedError(ErrorCode.BAD_REQUEST, f"{digits} may be {named}{more}; give more digits")


def _shared(one: str, other: str) -> int:
    """How many first digits are the same."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
