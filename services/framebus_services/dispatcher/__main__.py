"""`python -m framebus_services.dispatcher`"""

from framebus.service import run
from framebus_services.dispatcher.service import Dispatcher

if __name__ == "__main__":
    raise SystemExit(run("dispatcher", Dispatcher))
