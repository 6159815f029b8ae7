"""`python -m framebus_services.capture`: the process of one camera, or with `--check SETTINGS` only a check."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The check must not need what only pictures need: it also runs where no camera libraries are installed.
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        from framebus_services.capture.check import check

        raise SystemExit(check(Path(sys.argv[2])))

    from framebus.service import leave, run
    from framebus_services.capture.service import Capture

    leave(run("capture", Capture))
