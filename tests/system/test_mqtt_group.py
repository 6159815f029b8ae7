"""A real group tells a real broker, through the deaths of both."""

from pathlib import Path
from urllib.parse import quote

import msgspec

from groups import SYNTHETIC, running_group
from mosquitto import PASSWORD, USER, Broker, needs_mosquitto


@needs_mosquitto
def test_a_broker_is_told_of_cameras_and_objects_through_deaths_of_the_bridge_and_of_itself(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    url = f"mqtt://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{broker.port}"
    config = {"cameras": {"front": SYNTHETIC}, "services": {"export": False, "mqtt": {"url": url, "topic": "home"}}}
    try:
        with running_group(config) as group, broker.listener() as home:
            group.await_ready()
            home.await_kept("home/available", b"online")
            event = msgspec.json.decode(home.await_said("home/events", limit_s=40.0))
            home.await_said(f"home/front/pictures/{event['label']}")
            assert home.kept[f"home/front/pictures/{event['label']}"].startswith(b"\xff\xd8")
            assert msgspec.json.decode(home.kept["home/front/state"])["state"] == "online"
            entities = {
                document["name"]: document
                for document in (
                    msgspec.json.decode(value) for topic, value in home.kept.items() if topic.startswith("homeass")
                )
            }
            assert {"Connection", "Motion", "Recording"} <= entities.keys()

            old = group.kill("mqtt")
            home.await_said("home/available", b"offline")
            home.await_said("home/available", b"online")
            group.await_back("mqtt", old)

            broker.kill()
            home.kept.clear()
            broker.start()
            home.await_kept("home/available", b"online", limit_s=40.0)
            assert {"home/front/state", entities["Motion"]["state_topic"]} <= home.kept.keys()

            assert group.stop() == 0
            home.await_kept("home/available", b"offline")
            assert group.files_holding(PASSWORD.encode()) == []
            assert PASSWORD not in group.log.read_text()
    finally:
        broker.close()
