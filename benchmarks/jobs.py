"""Jobs beside their peers (goals 9, 10 and 14): lines of JSON on the output, words on the error output.

python -m benchmarks.jobs [--quick]
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from benchmarks import beats, growth, job_queues
from benchmarks.goals import GROUPED, HUEY, NO_OP, PERSIST, REPORTS, RQ, SUBMIT
from benchmarks.job_queues import Amount
from benchmarks.seen import OURS, Figures, Seen, in_turns, over_runs, tell

RQ_DEFAULT, DRAMATIQ = "RQ, its default worker", "dramatiq"
LIMIT = "limit: SQLite FULL + a wake-up"
ECHO = "limit: a ROUTER that only answers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    is_quick = parser.parse_args().quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    for line in chain(_queues(is_quick), _reports(is_quick), _growth(is_quick)):
        tell(line)


def _queues(is_quick: bool) -> Iterator[Seen]:
    amount, slow = (Amount(80, 10), Amount(20, 10)) if is_quick else (Amount(800, 50), Amount(60, 50))
    runs = 1 if is_quick else 3
    systems = {
        OURS: partial(job_queues.ours, amount),
        RQ: partial(_in_folder, partial(job_queues.rq, "SimpleWorker"), amount),
        HUEY: partial(_in_folder, job_queues.huey, amount),
        LIMIT: partial(_in_folder, job_queues.sqlite_limit, amount),
    }
    if not is_quick:
        systems[RQ_DEFAULT] = partial(_in_folder, partial(job_queues.rq, "Worker"), slow)
        systems[DRAMATIQ] = partial(_in_folder, job_queues.dramatiq, amount)
    yield from in_turns(9, NO_OP, systems, runs)
    count = 500 if is_quick else 2_000
    grouped = {
        OURS: partial(growth.grouped_submits, count),
        PERSIST: partial(_in_folder, job_queues.persist_queue, count),
    }
    yield from in_turns(9, GROUPED, grouped, runs=1 if is_quick else 5)


def _in_folder(measure: Callable[..., Figures], amount: object) -> Figures:
    with tempfile.TemporaryDirectory(prefix="fbb", ignore_cleanup_errors=True) as folder:
        return measure(Path(folder), amount)


def _reports(is_quick: bool) -> Iterator[Seen]:
    seconds, runs = (3.3, 1) if is_quick else (6.3, 3)
    systems = {OURS: partial(beats.at_the_door, seconds), ECHO: partial(beats.echo, min(seconds, 2.0))}
    yield from in_turns(10, REPORTS, systems, runs)
    if not is_quick:
        yield from in_turns(10, f"{REPORTS}, by our workers", {OURS: partial(beats.through_the_library, 3.0)}, runs=1)


def _growth(is_quick: bool) -> Iterator[Seen]:
    small, large = growth.submits(10, 100_000, blocks=3 if is_quick else 10)
    yield from over_runs(14, SUBMIT.format(rows=10), OURS, small)
    yield from over_runs(14, SUBMIT.format(rows=100_000), OURS, large)


if __name__ == "__main__":
    main()
