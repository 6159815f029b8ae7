"""Services that installed packages bring, as rows of the table: set, switched off, left out."""

import json
import sys
from pathlib import Path

import pytest

from framebus.errors import ConfigError
from framebus.place import Place
from framebus.settings import Settings
from framebus_launcher.config import load_settings
from framebus_launcher.table import left_out_services, make_table

PLACE = Place.at(Path("/run/fb"), data=Path("/data"))


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As pip leaves it of a package with a service and one with jobs; the modules need not be there."""
    info = tmp_path / "site" / "lots-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lots\nVersion: 1.0\n")
    services = "[framebus.services]\ndoors = lots:Doors\nboth = lots:Both\nenrich = lots:E\nNo_Name = lots:N\n"
    (info / "entry_points.txt").write_text(services + "[framebus.jobs]\nboth = lots:Jobs\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path


def test_a_service_of_a_package_is_a_row_after_the_cameras_with_its_settings() -> None:
    table = make_table(Settings(services={"doors": {"limit": 3}}), PLACE)

    row = next(row for row in table if row.name == "doors")
    assert (row.tier, json.loads(row.section)) == (3, {"limit": 3})
    assert row.argv == (sys.executable, "-m", "framebus.run_service", "doors")


def test_it_is_left_out_when_it_is_off() -> None:
    on, off = ([row.name for row in make_table(Settings(services={"doors": value}), PLACE)] for value in (True, False))

    assert on == [*off, "doors"]
    assert "both" in off


def test_names_that_no_row_may_have_or_that_two_want_are_told() -> None:
    assert left_out_services() == [
        "both: a package brings a service of this name, and one brings jobs; these run",
        "No_Name: lots:N is left out: a name has at most 32 of a-z, 0-9, _ and -",
        "enrich: lots:E is left out: this name belongs to framebus",
    ]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("7", "services.doors: expected a map, got int"),
        ("", "services.doors: is empty; give it settings, or switch it off with `doors: off`"),
        (
            "{command: [x]}",
            "services.doors: this name belongs to a service of an installed package; a service of your own",
        ),
    ],
)
def test_what_is_wrong_with_its_section_is_told_with_its_line(site: Path, section: str, problem: str) -> None:
    file = site / "framebus.yml"
    file.write_text(f"services:\n  doors: {section}\n")

    with pytest.raises(ConfigError) as caught:
        load_settings(file)

    assert caught.value.problems[0].startswith(f"{file}:2: {problem}")
