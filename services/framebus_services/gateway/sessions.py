"""Cookies that stand for a token: they hold as long as it does, also when the gateway starts again."""

import hashlib
import hmac
import time

from framebus.access import AccessFile, Grant

SESSION_S = 30 * 86_400.0


class Sessions:
    """Makes and reads the cookies of one group; its name keeps groups on one host apart, which ports do not."""

    def __init__(self, access: AccessFile, group: str) -> None:
        self._access = access
        self.cookie = f"framebus_{hashlib.sha256(group.encode()).hexdigest()[:8]}"

    def make(self, grant: Grant) -> str:
        """The value of a cookie for who has shown this token."""
        ends_at_s = round(time.time() + SESSION_S)
        return f"{grant.id}.{ends_at_s}.{_sign(grant, ends_at_s)}"

    def read(self, value: str) -> Grant | None:
        """The grant that a cookie stands for, if it still holds."""
        grant_id, _, rest = value.partition(".")
        ends, _, signature = rest.partition(".")
        if not (ends.isascii() and ends.isdigit() and len(ends) < 12) or int(ends) < time.time():
            return None
        grant = next((grant for grant in self._access.grants() if grant.id == grant_id), None)
        if grant is None or not hmac.compare_digest(_sign(grant, int(ends)).encode(), signature.encode()):
            return None
        return grant


def _sign(grant: Grant, ends_at_s: int) -> str:
    return hmac.new(grant.token.encode(), f"session {ends_at_s}".encode(), hashlib.sha256).hexdigest()
