"""Names of clips: what a person sees in a folder; nothing that a user wrote can lead out of it."""

import re
import unicodedata
from datetime import datetime, tzinfo

MAX_SLUG_CHARACTERS = 60


def clip_name(camera: str, start_s: float, end_s: float, name: str | None, zone: tzinfo | None) -> str:
    """The clip relative to the exports folder, without its ending, in local time of `zone` (None: the machine's).

    >>> from datetime import UTC
    >>> clip_name("front", 1_795_269_731.0, 1_795_269_741.0, "My clip!", UTC)
    'front/front_2026-11-21_14-02-11_14-02-21_my-clip'
    """
    start, end = (datetime.fromtimestamp(at_s, zone) for at_s in (start_s, end_s))
    parts = [camera, f"{start:%Y-%m-%d}", _time(start), _time(end), slug(name or "")]
    return f"{camera}/{'_'.join(part for part in parts if part)}"


def _time(at: datetime) -> str:
    """A time of the day. When clocks are set back an hour comes twice: its times have an `a`, then a `b`."""
    comes_twice = at.replace(fold=0).timestamp() != at.replace(fold=1).timestamp()
    return f"{at:%H}{'ab'[at.fold] if comes_twice else ''}{at:-%M-%S}"


def slug(name: str) -> str:
    """A name as small letters, digits and hyphens; empty when nothing of it can be written so.

    >>> slug("../../Küche, 2. Stock")
    'kuche-2-stock'
    """
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters)[:MAX_SLUG_CHARACTERS].strip("-")
