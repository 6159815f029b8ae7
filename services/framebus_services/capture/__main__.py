"""`python -m framebus_services.capture`: the process of one camera; `--check` and `--look` only look at sources."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The check must not need what only pictures need: it also runs where no camera libraries are installed.
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        from framebus_services.capture.check import check

        raise SystemExit(check(Path(sys.argv[2])))

    if len(sys.argv) == 3 and sys.argv[1] == "--look":
        from framebus_services.capture.look import look

        raise SystemExit(look(Path(sys.argv[2])))

    from framebus.service import leave, run
    from framebus_services.capture.service import Capture

    leave(run("capture", Capture))
