"""The commands that keep a fault for later: record the bus on a tape, and replay it."""

import contextlib
import random
import time
from pathlib import Path
from typing import Annotated

import typer

from framebus.clock import SystemClock, boot_id
from framebus.codec import decode_head
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.gaps import Gaps
from framebus.retelling import MAX_TOPICS, Cast, Retelling, Weather, read_cast
from framebus.tape import Taped, TapeError, TapeFullError, TapeHead, TapeReader, TapeWriter
from framebus.transport import Listener, Megaphone
from framebus_launcher.cli_options import RunOption
from framebus_launcher.client import find_group
from framebus_launcher.output import make_console, size
from framebus_launcher.own_bus import own_bus
from framebus_launcher.player import Player
from framebus_launcher.words import counted, lasting, parse_duration

FLUSH_S = 0.25
ALIVE_S = 1.3
"""every owner of retained topics tells a beacon each second"""
FOREVER_S = float("inf")

TopicsArgument = Annotated[list[str] | None, typer.Argument(metavar="TOPIC", help="What topics start with.")]


def add_to(app: typer.Typer) -> None:
    for command in (record, replay):
        app.command()(command)


def record(
    file: Path,
    topics: TopicsArgument = None,
    during: Annotated[str, typer.Option("--for", help="How long, as in 10s or 5m; default: until Ctrl-C.")] = "",
    max_mb: Annotated[float, typer.Option(help="End when the file is so large.", min=0.01)] = 500.0,
    run: RunOption = None,
) -> None:
    """Write all news of the bus to a new file, with their times; it can be played again with replay.

    Example: framebus record fault.tape --for 30s
    """
    end_s = time.monotonic() + (parse_duration("--for", during) if during else FOREVER_S)
    place = find_group(run)
    head = TapeHead(made_at_s=time.time(), host=boot_id()[:8], topics=topics or [""])
    with TapeWriter(file, head, max_bytes=round(max_mb * 1e6)) as tape, Listener(place, *head.topics) as listener:
        _Recording(tape).listen(listener, end_s, str(file))


class _Recording:
    """What goes onto a tape."""

    def __init__(self, tape: TapeWriter) -> None:
        self._tape = tape
        self._clock = SystemClock()
        self._gaps = Gaps()
        self._topics: set[bytes] = set()
        self._messages = 0
        self._missed = 0

    def listen(self, listener: Listener, end_s: float, name: str) -> None:
        """Take what comes until the end, the tape's or Ctrl-C, and say what it was."""
        console, started_s, why = make_console(is_error=True), time.monotonic(), ""
        try:
            while (left_s := end_s - time.monotonic()) > 0.0:
                for frames in listener.wait_frames(min(left_s, FLUSH_S)):
                    self._add(frames)
                self._tape.flush()
        except TapeFullError as error:
            why = f"; ended, because {error} (--max-mb)"
        except KeyboardInterrupt:
            why = "; ended by Ctrl-C"
        took = lasting(time.monotonic() - started_s)
        what = f"{counted(self._messages, 'message')} of {counted(len(self._topics), 'topic')}"
        console.print(f"{what} in {took}, {size(self._tape.size_bytes)} in {name}; {self._missed} missed{why}")

    def _add(self, frames: list[bytes]) -> None:
        self._tape.add(Taped(self._clock.boot_s(), frames))
        self._messages += 1
        if len(self._topics) < MAX_TOPICS:
            self._topics.add(frames[0])
        with contextlib.suppress(MalformedError, IndexError):
            self._missed += self._gaps.note(frames[0].decode(errors="replace"), decode_head(frames[1]))


def replay(
    file: Path,
    topics: TopicsArgument = None,
    speed: Annotated[float, typer.Option(help="2 is twice as fast.", min=0.01, max=1_000.0)] = 1.0,
    loss: Annotated[float, typer.Option(help="The share of messages that gets lost, 0 to 1.", min=0.0, max=1.0)] = 0.0,
    delay: Annotated[float, typer.Option(help="Milliseconds that a message may be late.", min=0.0, max=1e5)] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Lose and delay the same messages again.")] = None,
    stay: Annotated[float, typer.Option(help="Seconds to answer for the last values after the end.", min=0.0)] = 2.0,
    alone: Annotated[bool, typer.Option("--alone", help="In a bus of its own, which is started for it.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also beside the publishers that the tape speaks for.")
    ] = False,
    run: RunOption = None,
) -> None:
    """Play a recorded file into a bus, as if its publishers spoke again; best into one of its own.

    Example: framebus replay fault.tape --alone --loss 0.1 --seed 7
    """
    prefixes, clock = topics or [""], SystemClock()
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    console = make_console(is_error=True)
    with contextlib.ExitStack() as opened:
        tape = opened.enter_context(TapeReader(file))
        cast = _read_cast(file, prefixes)
        place = opened.enter_context(own_bus(run)) if alone else find_group(run)
        if not force and not alone:
            _check_nobody_speaks(cast, Listener(place, ""))
        out = opened.enter_context(Megaphone(place))
        opened.enter_context(contextlib.suppress(KeyboardInterrupt))
        retelling = Retelling(cast, tape_host=tape.head.host, host=boot_id()[:8], epoch=round(clock.wall_s() * 1e6))
        player = Player(out, retelling, Weather(loss=loss, delay_s=delay / 1e3, seed=seed), clock)
        what = f"{counted(cast.messages, 'message')} of {counted(len(cast.lives), 'publisher')}"
        console.print(f"playing {what} in {place.run}, {lasting(cast.duration_s / speed)}, --seed {seed}")
        try:
            player.play((taped for taped in tape if taped.has_topic(prefixes)), cast.first_up_s, speed)
            player.stay(stay)
        finally:
            tally = player.tally
            console.print(f"{tally.told} told, {tally.lost} lost on purpose, {tally.replayed} told again on request")


def _read_cast(file: Path, prefixes: list[str]) -> Cast:
    """Who speaks on it, before anybody does; raises TapeError when it is broken, or holds nothing of these topics."""
    with TapeReader(file) as tape:
        cast = read_cast(tape, prefixes)
        if tape.is_torn:
            make_console(is_error=True).print(f"the end of {file} is torn: its last message is left out")
    if not cast.messages:
        raise TapeError(f"{file} holds no message of {' '.join(prefixes)}" if any(prefixes) else f"{file} is empty")
    return cast


def _check_nobody_speaks(cast: Cast, listener: Listener) -> None:
    """Raises RefusedError where living publishers would be spoken over: nobody could tell them from the tape."""
    heard: set[str] = set()
    end_s = time.monotonic() + ALIVE_S
    with listener:
        while (left_s := end_s - time.monotonic()) > 0.0:
            heard |= {news.head.src for news in listener.wait(left_s)}
    if alive := cast.alive(heard):
        text = f"{', '.join(alive)} of the tape are alive in this group, and would be silenced"
        mend = "say --alone for a bus of its own, or --force"
        raise RefusedError(ErrorCode.CONFLICT, f"{text}; {mend}")
