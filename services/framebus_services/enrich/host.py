"""The processors of one enrich process: who runs where, and that none of them stalls the frames or each other.

| module | is |
| --- | --- |
| `orders` | the entries of the configuration, read and checked |
| `seat` | a processor at work: `same_thread_seat` on the loop, `thread_seat`, `isolated_seat` |
| `deferred_seat` | what the last two have in common: the care for a worker |
| `lane`, `line` | what waits for a worker, what comes next; the way there and back, with a lock |
| `deferred_thread`, `isolated`, `isolated_child` | the worker: a thread; a process, seen from both sides |
| `successors`, `leaving` | who takes the place of another while enrich runs; those others until they have ended |
| `guard` | the wall around each call |
| `strikes`, `blame` | who may not cost another worker; whom the death of the whole process is due to |
| `inquiries` | questions to processors |

Moves of a piece of work: seen in a frame -> waits (or `refused`, `quarantined`) -> in hand (or `replaced`, `oldest`,
`too_old`, `shutdown`) -> done (or `stale`, `lost`) -> its results are staged, and published by the loop.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence

from msgspec import Raw

from framebus.bus import Bus
from framebus.door import Promise
from framebus.errors import ConfigError
from framebus.processor import AnyProcessor, DeferredProcessor
from framebus.processor_file import names_of
from framebus.requests import AskProcessor
from framebus_services.enrich.blame import Blame
from framebus_services.enrich.inquiries import Inquiries
from framebus_services.enrich.isolated import RemotePerformer
from framebus_services.enrich.isolated_seat import IsolatedSeat
from framebus_services.enrich.lane import Expire
from framebus_services.enrich.leaving import Leaving
from framebus_services.enrich.orders import Load, Order, read_orders
from framebus_services.enrich.same_thread_seat import SameThreadSeat
from framebus_services.enrich.seat import Floor, Outcome, Seat, Sight
from framebus_services.enrich.successors import Entry, Prepared, Successor, Successors
from framebus_services.enrich.thread_seat import ThreadSeat
from framebus_services.oom import count_oom_kills

log = logging.getLogger(__name__)

STEP_S = 0.25
"""how often workers are looked after"""
DRAIN_S = 1.5
SHUTDOWN_S = 1.0
"""for `shutdown()` of all processors, after what waited"""
BURY_S = 0.5
"""for the processes of those who did not end by themselves, all at once"""
LOOK_S = 0.01


class Host:
    """The processors of one enrich process."""

    def __init__(self, bus: Bus, entries: Sequence[Entry], load: Load) -> None:
        """`entries` as in `EnrichSettings.processors`. Raises ConfigError with everything that is wrong in them."""
        self._bus = bus
        calls = bus.place.run / f"{bus.name}.calls"
        blame = Blame(calls, entries, bus.clock.wall_s(), was_killed=bus.was_killed, oom_kills=count_oom_kills())
        self._inquiries = Inquiries()
        self._floor = Floor(bus, blame, self._inquiries.answered)
        self._load = load
        self._sections: dict[str, Raw] = {}
        """the newest of each topic"""
        self._successors = Successors(bus, load, self._exchange)
        self._leaving = Leaving(bus.clock, DRAIN_S)
        read = read_orders(entries, load, blame.left_out)
        problems: list[str] = []
        seats = [self._make_seat(order, problems) for order in read.orders]
        if problems:
            raise ConfigError(problems)
        self._seats = [seat for seat in seats if seat is not None]
        self._entries: dict[str, Entry] = dict(zip(names_of(entries), entries, strict=True))
        """in force, by name"""
        blame.open()
        self._complaints: list[str] = []
        self._complain([f"processor {name} is left out: {reason}" for name, reason in read.broken.items()])

    @property
    def has_workers(self) -> bool:
        """Whether there is somebody to look after."""
        return not all(isinstance(seat, SameThreadSeat) for seat in self._seats)

    @property
    def complaints(self) -> list[str]:
        """What is not well, in sentences."""
        now = [self._successors.complaint, *(seat.complaint for seat in self._seats)]
        return self._complaints + [complaint for complaint in now if complaint]

    def start(self) -> None:
        """Let the workers begin; no thread runs before."""
        for seat in self._seats:
            seat.start()

    def take(self, entries: Sequence[Entry]) -> None:
        """Follow other entries, soon: who is new or has other settings is made on a thread, and sits down between two
        frames; who is not concerned notices nothing. Where one can't be made, the one before it goes on."""
        given = dict(zip(names_of(entries), entries, strict=True))
        there = {*self._floor.blame.left_out, *(seat.name for seat in self._seats)}
        stay = {name for name, entry in given.items() if name in there and self._entries.get(name) == entry}
        self._successors.prepare(entries, stay)

    def process(self, sight: Sight) -> bool:
        """Show a frame, and what is seen in it, to all processors of its camera, in the order of the configuration.

        False: the frame was overwritten meanwhile, and nothing of it counts.
        """
        looked = [(seat, seat.look(sight)) for seat in self._seats if seat.sees(sight.frame.camera)]
        if not sight.frame.still_valid():
            return False
        for seat, found in looked:
            seat.keep(found)
        return True

    def expire(self, id: str, camera: str) -> None:
        """Tell every processor of this camera that an object has ended."""
        for seat in self._seats:
            if seat.sees(camera):
                seat.expire(Expire(id, camera))

    def update_config(self, topic: str, value: Raw) -> None:
        """Hand a new section of the configuration to every processor."""
        self._sections[topic] = value
        for seat in self._seats:
            seat.configure(topic, value)

    def ask(self, request: AskProcessor, promise: Promise) -> None:
        """Answer a question to the processors, then or later."""
        self._inquiries.begin(request, promise, self._seats)

    def step(self) -> None:
        """Look after the workers."""
        for seat in self._seats:
            seat.step()
        self._leaving.step()
        for name in self._leaving.take_gone():
            if name not in self._entries:  # nobody sits there now
                self._floor.forget(name)
        if self._floor.is_worn_out:
            # A thread can't be ended from outside; a process can.
            os.kill(os.getpid(), signal.SIGTERM)

    def shutdown(self, drain_s: float = DRAIN_S) -> Outcome:
        """Finish what waits, for `drain_s` at most, then let every processor give back what it holds.

        All that was found is published, also what was done before; questions are refused at once.
        """
        self._inquiries.end()
        self._successors.end()
        start_s = time.monotonic()
        for seat in self._seats:
            seat.stop()
        self._seats += self._leaving.seats
        self._await_stop(start_s + drain_s)
        for seat in self._seats:
            seat.cut()
        self._await_stop(time.monotonic() + SHUTDOWN_S)
        outcome = Outcome()
        for seat in self._seats:
            outcome += seat.end()
        end_s = time.monotonic() + BURY_S
        for seat in self._seats:
            seat.bury(end_s)
        self._floor.blame.close(self._bus.clock.wall_s())
        took_s = time.monotonic() - start_s
        text = "the processors have ended after %.1f s: of their tasks %d done, %d dropped, %d results told last"
        log.info(text, took_s, outcome.done, outcome.dropped, outcome.pending)
        return outcome

    def _await_stop(self, end_s: float) -> None:
        nothing = threading.Event()
        while True:
            for seat in self._seats:
                seat.step()
            left_s = end_s - time.monotonic()
            if left_s <= 0.0 or all(seat.has_stopped for seat in self._seats):
                return
            nothing.wait(min(LOOK_S, left_s))

    def _make_seat(self, order: Order, problems: list[str]) -> Seat | None:
        try:
            return self._seat(order, None if order.options.isolate else order.make())
        except (ValueError, TypeError, OSError) as error:
            problems.append(f"{order.path}: {error}")
            return None

    def _seat(self, order: Order, made: AnyProcessor | RemotePerformer | None) -> Seat:
        if made is None or isinstance(made, RemotePerformer):
            return IsolatedSeat(order, self._floor, self._load, made)
        number = self._floor.blame.give_number(order.name)
        if isinstance(made, DeferredProcessor):
            return ThreadSeat(order, self._floor, made, number)
        return SameThreadSeat(order, self._floor, made, number)

    def _exchange(self, prepared: Prepared) -> None:
        """Between two frames: those who are ready sit down, and those they replace, or whom nobody wants, leave."""
        if prepared.is_refused:
            self._complain([f"{problem}; all goes on as it was" for problem in prepared.problems])
            return
        given = dict(zip(names_of(prepared.entries), prepared.entries, strict=True))
        ready = {one.order.name: one for one in prepared.ready}
        before = {seat.name: seat for seat in self._seats}
        for seat in [seat for seat in self._seats if seat.name in ready or seat.name not in given]:
            self._inquiries.leave(seat)
            self._leaving.add(seat)
            del before[seat.name]
        self._entries = {
            name: entry if name in ready else self._entries.get(name, entry) for name, entry in given.items()
        }
        self._floor.blame.follow(self._entries)
        before |= {name: self._begin(one) for name, one in ready.items()}
        self._seats = [before[name] for name in given if name in before]
        self._complain([f"{problem}; what ran before goes on" for problem in prepared.problems])
        log.info("processors now: %s; new or changed: %s", _list(self._seats), ", ".join(ready) or "none")

    def _begin(self, one: Successor) -> Seat:
        seat = self._seat(one.order, one.made)
        for topic, value in self._sections.items():
            seat.configure(topic, value)
        seat.start()
        return seat

    def _complain(self, complaints: list[str]) -> None:
        self._complaints = [*complaints, *self._floor.blame.left_out.values()]
        for complaint in self._complaints:
            log.error("%s", complaint)


def _list(seats: Sequence[Seat]) -> str:
    return ", ".join(seat.name for seat in seats) or "none"
