"""`python -m framebus.run_jobs NAME`: a service that does the jobs of the runner at entry point NAME."""

import logging
import sys
from collections.abc import Sequence

from framebus.bus import Bus
from framebus.errors import ExitCode
from framebus.hands import Worker
from framebus.plugin_classes import load_job_runner
from framebus.plugins import find_job_runners
from framebus.service import SelfChecking, Stoppable, run

log = logging.getLogger(__name__)


class JobService:
    """Does the jobs of one runner, as many at a time as it has slots."""

    def __init__(self, bus: Bus, name: str) -> None:
        """Raises ConfigError when the runner can't be loaded, msgspec.ValidationError for its settings."""
        runner = load_job_runner(name)
        self._companion = runner.companion(bus) if runner.companion is not None else None
        self._checked = self._companion if isinstance(self._companion, SelfChecking) else None
        self._worker = Worker(bus, [runner], slots=bus.settings(runner.settings_type).slots)

    def stop(self) -> None:
        """Hand back the jobs at work; the next worker begins them anew."""
        if isinstance(self._companion, Stoppable):
            self._companion.stop()
        self._worker.stop()

    def is_healthy(self) -> bool:
        return (self._checked is None or self._checked.is_healthy()) and self._worker.is_healthy()


def main(arguments: Sequence[str]) -> int:
    """Run the service; returns the process's exit code."""
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write(f"usage: python -m framebus.run_jobs NAME; there are {_known()}\n")
        return ExitCode.USAGE
    name, *rest = arguments
    return run(name, lambda bus: JobService(bus, name), rest)


def _known() -> str:
    return ", ".join(sorted(find_job_runners())) or "none: no package with an entry point framebus.jobs is installed"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
