"""Where the command `framebus` begins: it loads the rest, which takes a moment, and bears a Ctrl-C meanwhile."""

import importlib
import sys

INTERRUPTED = 130
"""as shells have it: 128 and the number of SIGINT"""


def main() -> None:
    """Run the command."""
    try:
        cli = importlib.import_module("framebus_launcher.cli")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    cli.main()


if __name__ == "__main__":
    main()
