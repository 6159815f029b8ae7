"""`python -m framebus_services.trying FILE.py[:Class] --source VIDEO`: what `framebus try` runs, and a debugger may."""

import os
import sys

from framebus.errors import ExitCode

if __name__ == "__main__":
    try:
        from framebus_services.trying.session import main
    except ModuleNotFoundError as error:
        sys.stderr.write(f"error: there is no {error.name} here: pip install 'framebus[cameras]'\n")
        raise SystemExit(ExitCode.UNAVAILABLE) from None
    try:
        raise SystemExit(main(sys.argv[1:]))
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(ExitCode.OK) from None
