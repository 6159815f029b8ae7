"""Where the command `framebus` begins: it loads the rest, which takes a moment, and bears a Ctrl-C meanwhile."""

import gc
import importlib
import sys

from framebus_launcher import zygote

INTERRUPTED = 130
"""as shells have it: 128 and the number of SIGINT"""
GROUPS = ("up", "demo")
"""commands that run a whole group"""
NOT_A_WHOLE = ("--only", "--help", "-h")


def main() -> None:
    """Run the command."""
    command, *options = [*sys.argv[1:], ""]
    if command in GROUPS and not any(option.partition("=")[0] in NOT_A_WHOLE for option in options):
        zygote.begin()
    gc.disable()  # what is loaded stays; to look through it meanwhile takes a tenth as long as to load it
    try:
        cli = importlib.import_module("framebus_launcher.cli")
        app = cli.make_app(command)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    gc.freeze()
    gc.enable()
    cli.run(app)


if __name__ == "__main__":
    main()
