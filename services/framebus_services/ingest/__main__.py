"""`python -m framebus_services.ingest`: the process of the upload folder."""

from framebus.service import run
from framebus_services.ingest.service import Ingest

if __name__ == "__main__":
    raise SystemExit(run("ingest", Ingest))
