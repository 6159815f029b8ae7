"""Processors that are to take the place of others while enrich runs: read and made on a thread, so that the frames go
on, whatever a constructor loads."""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from framebus.bus import Bus
from framebus.errors import ConfigError
from framebus.processor import AnyProcessor
from framebus.worker import StartError
from framebus_services.enrich.deferred_thread import perform_control
from framebus_services.enrich.isolated import RemotePerformer
from framebus_services.enrich.lane import Stop
from framebus_services.enrich.orders import Load, Order, read_orders

Entry = str | dict[str, Any]
"""of `processors:` in the configuration"""
HANGS_S = 60.0
"""a constructor may load a model; one that takes longer is complained of"""


@dataclass(frozen=True, kw_only=True)
class Successor:
    """One that is ready to work."""

    order: Order
    made: AnyProcessor | RemotePerformer
    """the processor, or the process that has it"""

    def discard(self) -> None:
        """It gives back what it holds: nobody wants it any more."""
        if isinstance(self.made, RemotePerformer):
            self.made.close()
        else:
            perform_control(self.made, Stop())


@dataclass(kw_only=True)
class Prepared:
    """What has become of new entries."""

    entries: Sequence[Entry]
    ready: list[Successor] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """each with its path"""
    is_refused: bool = False
    """the entries as a whole make no sense, and nobody is ready"""


class Successors:
    """One thread at a time; the newest entries win."""

    def __init__(self, bus: Bus, load: Load, take: Callable[[Prepared], None]) -> None:
        """`take` is called on the loop."""
        self._bus = bus
        self._load = load
        self._take = take
        self._next: tuple[Sequence[Entry], Collection[str]] | None = None
        self._since_s: float | None = None
        self._is_ending = False

    @property
    def complaint(self) -> str:
        """What is not well, as a sentence."""
        if self._since_s is None or self._bus.clock.boot_s() - self._since_s < HANGS_S:
            return ""
        return f"a processor with new settings is not made after {HANGS_S:.0f} s; `framebus restart enrich` gives it up"

    def prepare(self, entries: Sequence[Entry], stay: Collection[str]) -> None:
        """Make all processors of these entries but those that `stay`, by their names."""
        self._next = (entries, stay)
        if self._since_s is None:
            self._begin([])

    def end(self) -> None:
        """Nobody takes the place of another any more."""
        self._is_ending, self._next = True, None

    def _begin(self, overtaken: list[Successor]) -> None:
        assert self._next is not None
        (entries, stay), self._next = self._next, None
        self._since_s = self._bus.clock.boot_s()
        threading.Thread(target=self._run, args=(entries, stay, overtaken), name="successors", daemon=True).start()

    def _run(self, entries: Sequence[Entry], stay: Collection[str], overtaken: list[Successor]) -> None:
        for one in overtaken:
            one.discard()
        prepared = Prepared(entries=entries)
        try:
            read = read_orders(entries, self._load, stay)
        except ConfigError as error:
            prepared.is_refused, prepared.problems = True, error.problems
        else:
            prepared.problems += [f"processor {name}: {reason}" for name, reason in read.broken.items()]
            for order in read.orders:
                if self._next is not None:  # newer entries are there already
                    break
                self._make(order, prepared)
        if not self._is_ending:
            self._bus.call_soon(partial(self._note, prepared))

    def _make(self, order: Order, prepared: Prepared) -> None:
        try:
            made = RemotePerformer.started(order, self._load) if order.options.isolate else order.make()
        except StartError as error:
            prepared.problems.append(f"{order.path}: {error}")
        except BaseException as error:  # noqa: BLE001  a constructor may raise anything; the old one goes on
            prepared.problems.append(f"{order.path}: {type(error).__name__}: {error}")
        else:
            prepared.ready.append(Successor(order=order, made=made))

    def _note(self, prepared: Prepared) -> None:
        self._since_s = None
        if self._next is not None:
            self._begin(prepared.ready)
        elif not self._is_ending:
            self._take(prepared)
