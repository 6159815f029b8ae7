"""`python -m framebus.run_service NAME`: hosts the service that an installed package brings at entry point NAME."""

import sys
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from framebus.bus import Bus
from framebus.errors import ConfigError, ExitCode
from framebus.plugin_classes import load_service
from framebus.plugins import find_services
from framebus.problems import find_problems
from framebus.service import run


def make_service(bus: Bus, name: str) -> object:
    """The service itself; raises ConfigError when it can't be loaded, or for settings that it does not take."""
    make = load_service(name)
    settings_type: type[Struct] | None = getattr(make, "settings_type", None)
    if settings_type is not None:
        problems = find_problems(msgspec.json.decode(bus.raw_settings), settings_type, f"services.{name}")
        if problems:
            raise ConfigError(problems)
    return make(bus)


def main(arguments: Sequence[str]) -> int:
    """Run the service; returns the process's exit code."""
    if not arguments or arguments[0].startswith("-"):
        known = ", ".join(sorted(find_services()))
        there_are = known or "none: no package with an entry point framebus.services is installed"
        sys.stderr.write(f"usage: python -m framebus.run_service NAME; there are {there_are}\n")
        return ExitCode.USAGE
    name, *rest = arguments
    return run(name, lambda bus: make_service(bus, name), rest)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
