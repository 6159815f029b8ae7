"""`python -m framebus_services.export`"""

import os

from framebus.service import run
from framebus_services.export.service import Export

NICE = 10
"""clips wait; cameras do not"""

if __name__ == "__main__":
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    raise SystemExit(run("export", Export))
