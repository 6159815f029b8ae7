"""`python -m framebus_services.gateway`"""

from framebus.service import run
from framebus_services.gateway.service import Gateway

if __name__ == "__main__":
    raise SystemExit(run("gateway", Gateway))
