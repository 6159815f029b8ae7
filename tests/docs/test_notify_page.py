"""docs/notify.md: its configurations are right, and its tables hold each setting and each field."""

import re
from pathlib import Path

import pytest
import yaml

from framebus.notify_settings import PLACEHOLDERS, Rule, Target
from framebus_launcher.config import load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "notify.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SECRETS = ("TOPIC", "TELEGRAM_TOKEN", "TELEGRAM_CHAT", "PUSHOVER_TOKEN", "PUSHOVER_USER")
ZONE = {"points": [[0, 0], [1, 0], [1, 1]]}


def named_in(heading: str) -> list[str]:
    """What the first column of the table below a heading names."""
    table = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    firsts = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    return [name for first in firsts for name in re.findall(r"`(\w+)`", first)]


@pytest.mark.parametrize("block", BLOCKS, ids=["whole", "services"])
def test_a_configuration_on_the_page_is_right(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("DISCORD_WEBHOOK", "https://discord.com/api/webhooks/1/s3cret")
    written = yaml.safe_load(block)
    config = written if "services" in written else {"services": {"notify": written}}
    cameras = {"front_door": {"source": "synthetic://", "zones": {"porch": ZONE}}}
    (tmp_path / "framebus.yml").write_text(yaml.safe_dump({"cameras": cameras, **config}))

    settings = load_settings(tmp_path / "framebus.yml")

    assert settings.services["notify"]["to"]


def test_the_tables_hold_each_setting_and_each_field() -> None:
    assert named_in("Whom: `to`") == list(Target.__struct_fields__)
    assert sorted(named_in("Of what: `rules`")) == sorted(Rule.__struct_fields__)
    assert sorted(named_in("What is sent")) == sorted({*PLACEHOLDERS, "picture"} - {"since"})
