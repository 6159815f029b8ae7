"""`python -m framebus_services.capture`: the process of one camera."""

from framebus.service import run
from framebus_services.capture.service import Capture

if __name__ == "__main__":
    raise SystemExit(run("capture", Capture))
