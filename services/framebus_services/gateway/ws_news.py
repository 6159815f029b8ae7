"""`/ws`: the state of the group and what happens in it, as JSON, for who asks for it topic by topic."""

import time
from functools import partial
from importlib.metadata import version
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.websockets import WebSocket

from framebus.errors import ErrorCode
from framebus_services.gateway.authority import Action, Listing, Subject, authorise
from framebus_services.gateway.reader import MAX_PREFIXES, Reader
from framebus_services.gateway.sight import RETAINED, WORDS
from framebus_services.gateway.ws_door import CHECK_S, ClosedError, Door

MAX_WRONG = 10
MAX_CHARACTERS = 64 * 1_024

Prefix = Annotated[str, Meta(min_length=1, max_length=200)]


class Wish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client says."""

    subscribe: Annotated[list[Prefix], Meta(max_length=MAX_PREFIXES)] = []
    unsubscribe: Annotated[list[Prefix], Meta(max_length=MAX_PREFIXES)] = []


class NewsDoor(Door):
    """One reader for each client."""

    async def serve(self, socket: WebSocket, subject: Subject) -> None:
        authorise(subject, Action.SEE, Listing())  # what it may not see is left out message by message
        reader = Reader(subject)
        reader.note({"hello": {"now_at_s": time.time(), "version": version("framebus"), "role": subject.role}})
        self.desk.hub.add(reader)
        try:
            await self.both(self._send(socket, reader), self._receive(socket, reader))
        finally:
            self.desk.hub.remove(reader)

    async def _send(self, socket: WebSocket, reader: Reader) -> None:
        while True:
            self.check(reader.subject)
            for frame in await reader.frames(CHECK_S):
                await self.put(partial(socket.send_text, frame))

    async def _receive(self, socket: WebSocket, reader: Reader) -> None:
        wrong = 0
        while True:
            message = await self.heard(socket)
            if self.desk.asks.take(reader.subject.id) > 0.0:
                raise ClosedError(4429, "too many messages with this token")
            problem = self._take(message.get("text"), reader)
            if problem is None:
                wrong = 0
                continue
            wrong += 1
            if wrong >= MAX_WRONG:
                raise ClosedError(1008, problem)
            reader.note({"error": {"code": ErrorCode.BAD_REQUEST, "message": problem}})

    def _take(self, text: str | None, reader: Reader) -> str | None:
        """Do what a client wishes; returns what is wrong with it."""
        if text is None or len(text) > MAX_CHARACTERS:
            return f"say what you want as a text frame of at most {MAX_CHARACTERS} characters"
        try:
            wish = msgspec.json.decode(text, type=Wish)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return f'say {{"subscribe": [...]}} or {{"unsubscribe": [...]}}: {error}'
        reader.wants.difference_update(wish.unsubscribe)
        unknown = [prefix for prefix in wish.subscribe if not prefix.startswith(WORDS)]
        known = [prefix for prefix in wish.subscribe if prefix.startswith(WORDS)]
        if len(reader.wants | set(known)) > MAX_PREFIXES:
            return f"at most {MAX_PREFIXES} subscriptions at once"
        reader.wants.update(known)
        if known:
            states = [item for word in RETAINED for item in self.desk.hub.under(word)]
            reader.snapshot(known, states)
        return f"{unknown[0]!r} is not to be had; topics begin with one of {' '.join(WORDS)}" if unknown else None
