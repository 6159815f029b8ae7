"""Takes out of an endpoint's words, and of errors, what its address and headers hold: there may be a password in it."""

from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import unquote

HIDDEN = "***"
LEAST = 8
"""characters in a row that give something away; of a shorter secret, all of it"""
SHORTEST = 6
"""less is no secret: a priority, a slash"""


class Hider:
    """Knows the secrets of one target."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret.casefold() for secret in secrets if len(secret) >= SHORTEST}
        known |= {unquote(secret) for secret in known}
        self._pieces = {one[at : at + LEAST] for one in known for at in range(max(1, len(one) - LEAST + 1))}

    def hide(self, text: str) -> str:
        """The text with `***` for each run of characters that a secret has, too.

        >>> Hider(["/bot123:ABCDEF/sendPhoto"]).hide("no bot of the token 123:ABCDEF here")
        'no bot of the token *** here'
        """
        low = text.casefold()
        if len(low) != len(text):  # a letter that has no lower one of its own
            low = text
        marked = [False] * len(text)
        for piece in self._pieces:
            at = low.find(piece)
            while at >= 0:
                marked[at : at + len(piece)] = [True] * len(piece)
                at = low.find(piece, at + 1)
        parts = []
        for at, letter in enumerate(text):
            if not marked[at]:
                parts.append(letter)
            elif not at or not marked[at - 1]:
                parts.append(HIDDEN)
        return "".join(parts)


def login_of(userinfo: str) -> str:
    """The header that a user and a password in an address stand for."""
    return f"Basic {b64encode(unquote(userinfo).encode()).decode()}"
