"""`python -m framebus_services.enrich`, or with `--check SETTINGS` only a check of its settings, or with
`--check-detector SETTINGS` of its detector's model."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The check must not need what only pictures need: it also runs where no camera libraries are installed.
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        from framebus_services.enrich.check import check

        raise SystemExit(check(Path(sys.argv[2])))
    if len(sys.argv) == 3 and sys.argv[1] == "--check-detector":
        from framebus_services.enrich.detector_check import check_detector

        raise SystemExit(check_detector(Path(sys.argv[2])))

    from framebus.service import leave, run
    from framebus_services.enrich.service import Enrich

    leave(run("enrich", Enrich))
