"""What every request and every answer is made of.

Requests refuse fields that they do not know (a typo must not be silent); answers are read leniently, like news.
"""

from typing import Generic, TypeVar

from msgspec import Struct

from framebus.messages import Message

MAX_ROWS = 500
"""of a list in an answer"""


class Answer(Message, frozen=True, kw_only=True):
    """What comes back from a request that was done."""


A = TypeVar("A", bound=Message)
A_co = TypeVar("A_co", bound=Message, covariant=True)


class Request(Struct, Generic[A_co], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something asked of a service; `A_co` is the type of its answer."""


class Done(Answer, frozen=True, kw_only=True):
    """Done; there is nothing more to say."""
