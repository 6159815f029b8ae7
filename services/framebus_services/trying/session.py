"""One trial from the command line to the summary."""

import argparse
import sys
import time
from bdb import BdbQuit
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NoReturn

from framebus.errors import ConfigError, ExitCode
from framebus.processor_file import name_of_reference
from framebus.redact import redact
from framebus_services.trying.making import make_processor
from framebus_services.trying.pictures import SourceError, read_pictures
from framebus_services.trying.telling import Output
from framebus_services.trying.trial import Trial

INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Ends with our exit code for a wrong usage."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"error: {message}  (help: framebus try --help)\n")
        raise SystemExit(ExitCode.USAGE)


def main(arguments: Sequence[str]) -> int:
    """Try a processor. 0; 1 when it raised something; 69: the source has no pictures; 78: it can't be made."""
    options = _parse(arguments)
    try:
        processor = make_processor(options.processor, options.set)
        if options.save is not None:
            options.save.mkdir(parents=True, exist_ok=True)
    except ConfigError as error:
        return _fail("\n".join(error.problems), ExitCode.CONFIGURATION)
    except OSError as error:
        return _fail(f"--save {options.save}: {error.strerror}", ExitCode.USAGE)
    output = Output(processor=processor, as_json=options.json, folder=options.save)
    start_at_s, start_s = time.time(), time.perf_counter()
    name = name_of_reference(options.processor)
    trial = Trial(name, processor, output, start_at_s=start_at_s, stops=options.stop)
    code: int = ExitCode.OK
    try:
        with closing(read_pictures(options.source, options.fps, start_at_s)) as frames:
            for frame in islice(frames, options.frames):
                trial.show(frame)
    except ConfigError as error:
        return _fail("\n".join(error.problems), ExitCode.CONFIGURATION)
    except SourceError as error:
        code = _fail(str(error), ExitCode.UNAVAILABLE)
    except (KeyboardInterrupt, BdbQuit):
        sys.stdout.write("\n")
        code = INTERRUPTED
    if trial.figures.frames:
        trial.end()
        output.tell_end(trial.figures, time.perf_counter() - start_s)
    return code or (ExitCode.FAILED if trial.figures.errors else ExitCode.OK)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="framebus try", description="Run one processor over a video, every frame in order.")
    parser.add_argument("processor")
    parser.add_argument("--source", required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--fps", type=float)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args(arguments)
    if options.fps is not None and not 0.0 < options.fps <= 1_000.0:
        parser.error("--fps: expected a number above 0, at most 1000")
    if options.frames is not None and options.frames < 1:
        parser.error("--frames: expected a number of at least 1")
    return options


def _fail(text: str, code: ExitCode) -> ExitCode:
    sys.stdout.flush()
    for line in text.splitlines():
        sys.stderr.write(f"error: {redact(line)}\n")
    return code
