"""News and calls beside their peers (goals 7 and 8): lines of JSON on the output, words on the error output.

python -m benchmarks.calls [--quick]
"""

import argparse
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from benchmarks import call_peers, late_joiner
from benchmarks.goals import C_PROXY, CALL, DEAD, HOP, NEW_CONTEXT, RETAINED
from benchmarks.hop import Doors, Traffic, between, carry, forward_in_c, forward_in_python
from benchmarks.private_group import PrivateGroup
from benchmarks.seen import OURS, Figures, Seen, in_turns, tell
from framebus.place import Place

LAST_VALUES = "Python loop + last values"
DIRECT = "PUB to SUB, nothing between"
SHARED_CONTEXT, KEPT = "REQ on a shared Context", "kept REQ"
SCRIPT = "framebus.ask of a script"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    is_quick = parser.parse_args().quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    for line in chain(_hops(is_quick), _late_joiners(is_quick), _calls(is_quick)):
        tell(line)


def _hops(is_quick: bool) -> Iterator[Seen]:
    traffic = Traffic(flat_out=10_000, paced=200, rate_hz=1_000) if is_quick else Traffic(25_000, 1_000, 1_000)
    yield from in_turns(
        7,
        HOP,
        {
            OURS: partial(_ours, traffic),
            C_PROXY: partial(_peer, forward_in_c, traffic),
            DIRECT: partial(_direct, traffic),
            LAST_VALUES: partial(_peer, forward_in_python, traffic),
        },
        runs=2 if is_quick else 5,
    )
    if is_quick:
        return
    for count in (10, 100):
        some = Traffic(100_000 // count, 0, 0.0, subscribers=count)
        systems = {OURS: partial(_ours, some), C_PROXY: partial(_peer, forward_in_c, some)}
        yield from in_turns(7, f"{HOP}, {count} subscribers", systems, runs=2)
    state = Traffic(20_000, 500, 1_000, topic="camera/front/")
    systems = {OURS: partial(_ours, state), C_PROXY: partial(_peer, forward_in_c, state)}
    yield from in_turns(7, f"{HOP}, of a retained topic", systems, runs=2)


def _ours(traffic: Traffic) -> Figures:
    with PrivateGroup() as group:
        return carry(Doors(group.place.pub, group.place.sub, group.dispatcher.pid), traffic)


def _peer(forward: Callable[[str, str], None], traffic: Traffic) -> Figures:
    with tempfile.TemporaryDirectory(prefix="fbb") as folder, between(Path(folder), forward) as doors:
        return carry(doors, traffic)


def _direct(traffic: Traffic) -> Figures:
    with tempfile.TemporaryDirectory(prefix="fbb") as folder:
        return carry(Doors(f"ipc://{folder}/p", f"ipc://{folder}/p", is_direct=True), traffic)


def _late_joiners(is_quick: bool) -> Iterator[Seen]:
    systems = {OURS: partial(late_joiner.ours, 1_000), LAST_VALUES: partial(_last_values, 1_000)}
    yield from in_turns(7, RETAINED, systems, runs=1 if is_quick else 5)
    if not is_quick:
        systems = {OURS: partial(late_joiner.ours, 10_000), LAST_VALUES: partial(_last_values, 10_000)}
        yield from in_turns(7, "10,000 retained values", systems, runs=2)


def _last_values(topics: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="fbb") as folder:
        return late_joiner.last_values(Path(folder), topics)


def _calls(is_quick: bool) -> Iterator[Seen]:
    seconds, runs = (0.3, 2) if is_quick else (1.0, 4)
    patterns = {
        NEW_CONTEXT: call_peers.with_new_context,
        SHARED_CONTEXT: call_peers.with_shared_context,
        KEPT: call_peers.with_kept_socket,
    }
    with tempfile.TemporaryDirectory(prefix="fbb") as folder:
        place = Place.at(Path(folder) / "run")
        place.run.mkdir()
        peers = {
            name: partial(call_peers.peer, call, call_peers.ipc(Path(folder)), seconds)
            for name, call in patterns.items()
        }
        ours = {OURS: partial(call_peers.ours, place, seconds), SCRIPT: partial(call_peers.script, place, seconds)}
        yield from in_turns(8, CALL, ours | peers, runs)
        port = _free_port()
        peers = {
            name: partial(call_peers.peer, call, f"tcp://127.0.0.1:{port}", seconds) for name, call in patterns.items()
        }
        tcp = {OURS: partial(call_peers.ours, call_peers.at_tcp(place, port), seconds)}
        if not is_quick:
            yield from in_turns(8, f"{CALL}, tcp", tcp | peers, runs=2)
    yield from in_turns(8, DEAD, {OURS: lambda: {"ms off the deadline": call_peers.off_the_deadline_ms()}}, runs)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()
