"""Questions to processors: each goes to one after the other until one of them answers, or its deadline has passed."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from framebus.door import Promise
from framebus.errors import ErrorCode, RefusedError
from framebus.requests import AskProcessor, ProcessorAnswer
from framebus_services.enrich.guard import Reply
from framebus_services.enrich.lane import Ask
from framebus_services.enrich.seat import Seat

BUSY_S = 1.0
"""when to come again after `busy`"""
ENDING = RefusedError(ErrorCode.UNAVAILABLE, "enrich ends, and takes no more questions")


@dataclass(eq=False, kw_only=True)
class _Inquiry:
    request: AskProcessor
    promise: Promise
    left: list[Seat]
    """who has not been asked"""
    asked: Seat | None = None
    """who is asked now"""


class Inquiries:
    """The questions that wait for an answer, by number."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, _Inquiry] = {}
        self._is_ending = False

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, request: AskProcessor, promise: Promise, seats: Sequence[Seat]) -> None:
        """Ask the processors in their order, or the one that is named; the promise is settled, now or later."""
        if self._is_ending:
            raise ENDING
        named = [seat for seat in seats if request.processor in (None, seat.name)]
        if not named:
            names = ", ".join(seat.name for seat in seats) or "none"
            raise RefusedError(ErrorCode.NOT_FOUND, f"no processor {request.processor} runs here; there are {names}")
        number = next(self._numbers)
        self._open[number] = _Inquiry(request=request, promise=promise, left=named)
        self._go_on(number)

    def answered(self, number: int, name: str, reply: Reply) -> None:
        """A processor has answered, or does not know this topic."""
        inquiry = self._open.get(number)
        if inquiry is None:  # it ended meanwhile
            return
        if reply.is_data:
            del self._open[number]
            inquiry.promise.resolve(ProcessorAnswer(processor=name, data=reply.data))
        elif reply.code is not None:
            text = f"processor {name}: {reply.text}"
            self._refuse(number, RefusedError(reply.code, text, retry_after_s=reply.retry_after_s))
        else:
            self._go_on(number)

    def leave(self, seat: Seat) -> None:
        """This one answers no more: who waits for it may ask again, and meets the one in its place."""
        for number, inquiry in list(self._open.items()):
            if seat is inquiry.asked or seat in inquiry.left:
                text = f"processor {seat.name}: its settings have changed meanwhile; ask again"
                self._refuse(number, RefusedError(ErrorCode.UNAVAILABLE, text, retry_after_s=BUSY_S))

    def end(self) -> None:
        """Nobody will answer any more."""
        self._is_ending = True
        for number in list(self._open):
            self._refuse(number, ENDING)

    def _go_on(self, number: int) -> None:
        inquiry = self._open[number]
        if not inquiry.left:
            text = f"no processor knows {inquiry.request.topic[:100]!r}"
            self._refuse(number, RefusedError(ErrorCode.NOT_FOUND, text))
            return
        seat = inquiry.asked = inquiry.left.pop(0)
        ask = Ask(number, inquiry.request.topic, inquiry.request.data, inquiry.promise.until_s)
        if not seat.ask(ask):
            text = f"processor {seat.name}: too many questions wait"
            self._refuse(number, RefusedError(ErrorCode.BUSY, text, retry_after_s=BUSY_S))

    def _refuse(self, number: int, error: RefusedError) -> None:
        self._open.pop(number).promise.refuse(error)
