"""`python -m framebus_services.export`"""

from framebus.service import run
from framebus_services.export.gentle import give_way
from framebus_services.export.service import Export

if __name__ == "__main__":
    give_way()
    raise SystemExit(run("export", Export))
