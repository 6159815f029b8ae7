"""Reads how long an endpoint asks to be left alone: the header Retry-After (RFC 9110, 10.2.3)."""

from email.utils import parsedate_to_datetime
from time import time

MAX_WAIT_S = 86_400.0


def retry_after_s(value: str | None) -> float | None:
    """Seconds, from seconds or a date; None: it does not say.

    >>> retry_after_s("30")
    30.0
    """
    if value is None:
        return None
    try:
        wait_s = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, wait_s), MAX_WAIT_S)
