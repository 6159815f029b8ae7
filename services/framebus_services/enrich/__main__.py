"""`python -m framebus_services.enrich`"""

from framebus.service import run
from framebus_services.enrich.service import Enrich

if __name__ == "__main__":
    raise SystemExit(run("enrich", Enrich))
