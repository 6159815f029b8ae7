"""`python -m framebus_services.mqtt`"""

from framebus.service import run
from framebus_services.mqtt.service import Mqtt

if __name__ == "__main__":
    raise SystemExit(run("mqtt", Mqtt))
