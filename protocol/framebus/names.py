"""Names in heads, news and answers: checked where one is made, by hand or from bytes, and each name once.

msgspec would look at a `pattern` on decoding alone, by a call of Python's `re` that costs as much as ten other fields.
To msgspec are left names in lists and keys, names that may be absent, and those of requests and settings.
"""

import inspect
import re
from collections import defaultdict
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any

from msgspec import Meta, Struct

KNOWN_NAMES = 1_024
"""of the same fields, that are not looked at again"""

_known: defaultdict[tuple[tuple[str, str], ...], set[object]] = defaultdict(set)
"""names that matched, alone or as tuples, by fields and patterns"""


class Named(Struct, frozen=True, kw_only=True, gc=False):  # what cannot change is part of no cycle
    """Checks its own names, in `__post_init__`; its schema tells their patterns all the same."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        kinds = inspect.get_annotations(cls)
        patterns = {field: pattern for field, kind in kinds.items() if (pattern := _sole_pattern(kind)) is not None}
        if patterns:
            told = {field: Annotated[str, Meta(extra_json_schema={"pattern": patterns[field]})] for field in patterns}
            cls.__annotations__ = kinds | told  # before msgspec reads them
            cls.__post_init__ = _check(patterns, getattr(cls, "__post_init__", None))  # type: ignore[attr-defined]


def pattern_of(meta: Meta) -> str | None:
    """What a text must match, whoever sees to it."""
    return meta.pattern or (meta.extra_json_schema or {}).get("pattern")


def _sole_pattern(kind: Any) -> str | None:
    """That of a text which nothing else limits."""
    meta = next(iter(getattr(kind, "__metadata__", ())), None)
    return meta.pattern if isinstance(meta, Meta) and kind == Annotated[str, Meta(pattern=meta.pattern)] else None


def _check(patterns: dict[str, str], own_check: Callable[[Struct], None] | None) -> Callable[[Struct], None]:
    names_of = attrgetter(*patterns)
    known = _known[tuple(patterns.items())]

    def check(struct: Struct) -> None:
        names = names_of(struct)
        if names not in known:
            for field, pattern in patterns.items():
                if not re.search(pattern, getattr(struct, field)):
                    # in the words of msgspec
                    raise ValueError(f"Expected `str` matching regex {pattern!r} - at `$.{field}`")
            if len(known) >= KNOWN_NAMES:
                known.clear()
            known.add(names)
        if own_check is not None:
            own_check(struct)

    return check
