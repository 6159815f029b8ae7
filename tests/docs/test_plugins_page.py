"""docs/plugins.md is run as it stands: processors are tried, a group is started with them, the package installed."""

from collections.abc import Iterator

import pytest

from docs.recipes import blocks_of, pip_install, unnamed_blocks
from examples.processes import Folder, Program

PAGE = "plugins.md"
BLOCKS = blocks_of(PAGE)
MAX_LINES = 25


class Yard(Folder):
    """A folder with the files of the page."""

    def __init__(self) -> None:
        super().__init__()
        for name in BLOCKS:
            if "." in name:
                self.write(name, BLOCKS[name])

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def shell(self, block: str) -> Program:
        return self.start("sh", "-c", f"exec {BLOCKS[block]}")  # signals shall reach it, not its shell


@pytest.fixture
def yard() -> Iterator[Yard]:
    with Yard() as yard:
        yield yard


def test_the_processors_of_the_page_are_tried(yard: Yard) -> None:
    lamps, shapes = yard.shell("try"), yard.shell("try-deferred")

    codes = lamps.wait(), shapes.wait()

    assert codes == (0, 0), (lamps.said, shapes.said)
    assert lamps.said[0].split() == ["#1", "0.00", "s", "lit"]
    assert [line for line in lamps.said if line.startswith("100 frames in ")]
    assert [line for line in shapes.said if "pixels 345600" in line]
    assert [line for line in shapes.said if line.startswith("process_task ")]


def test_the_configuration_of_the_page_makes_a_group_with_all_of_it_and_takes_what_is_saved(yard: Yard) -> None:
    check = yard.shell("check")
    assert check.wait() == 0, check.said
    group = yard.shell("up")
    group.wait_for("counter is ready")

    tap = yard.start("framebus", "tap", "finding/", "--json")
    told = tap.wait_for('"processor": "counter"')
    yard.write("lamps.py", BLOCKS["lamps.py"].replace('"lit" if', '"bright" if'))
    group.wait_for("lamps.py saved: enrich starts again")
    tap.wait_for('"bright"')
    yard.write("lamps.py", "class class\n")
    group.wait_for(f"lamps.py saved, but enrich goes on as it was: {yard.path}/lamps.py:1: SyntaxError")

    assert '"label": "objects"' in told
    assert group.stop() == 0, group.said


def test_the_package_of_the_page_brings_the_processor_and_the_service(yard: Yard) -> None:
    pip_install(yard)
    for name in ("lamps.py", "counter.py"):
        (yard.path / name).unlink()  # now they are there only once
    yard.write("framebus.yml", "services: {enrich: {processors: [lamps]}, counter: {period_s: 60}}\n")

    check = yard.shell("check")

    assert check.wait() == 0, check.said
    assert check.said[0] == "the configuration is fine: 0 cameras, 7 processes"
    assert "counter" in [line.strip() for line in check.said[1:]]


def test_a_new_job_type_is_made(yard: Yard) -> None:
    new = yard.shell("new-job")

    assert new.wait() == 0, new.said
    assert (yard.path / "tides" / "tides.py").is_file()


def test_every_block_on_the_page_has_a_name_and_so_is_run() -> None:
    assert unnamed_blocks(PAGE) == 0


@pytest.mark.parametrize("name", [name for name in BLOCKS if name.endswith(".py")])
def test_a_plug_in_takes_at_most_25_lines(name: str) -> None:
    assert len(BLOCKS[name].splitlines()) <= MAX_LINES
