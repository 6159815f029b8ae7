"""`framebus new`: each kind of plug-in passes its own test, is installed by pip, and does its work in a real group."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Raw

from commands import framebus
from framebus import codec
from framebus.messages import Finding, JobState
from framebus.requests import SubmitJob
from framebus_launcher.client import GroupClient
from framebus_launcher.plugin_template import find_name_problem
from groups import SYNTHETIC, RunningGroup, running_group

KINDS = {"processor": "lamps", "service": "doors", "job": "tides"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which somebody has made one of each."""
    folder = tmp_path_factory.mktemp("plugins")
    for kind, name in KINDS.items():
        framebus(None, "new", kind, name, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def site(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed all of them."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    how = ["--no-deps", "--no-build-isolation", "--target", str(folder)]
    done = subprocess.run(
        [*pip, *how, *(f"./{name}" for name in KINDS.values())],
        cwd=made,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def group(made: Path, site: Path) -> Iterator[RunningGroup]:
    """The service is set in the configuration; the others are taken as they are."""
    by_path = str(made / "lamps" / "lamps.py")
    services = {"export": False, "enrich": {"processors": [by_path]}, "doors": {"period_s": 0.2}}
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(site))
    with running_group({"cameras": {"front": SYNTHETIC}, "services": services}) as running:
        patch.undo()  # its launcher has it now
        running.await_ready()
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_of_a_new_plug_in_passes_as_it_is(made: Path, kind: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", KINDS[kind]]

    done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plug_in_is_short_and_tells_how_to_go_on(made: Path, kind: str) -> None:
    name = KINDS[kind]
    files = {path.name: path.read_text() for path in (made / name).iterdir() if path.is_file()}

    assert set(files) == {"README.md", f"{name}.py", "pyproject.toml", f"test_{name}.py"}
    assert len(files[f"{name}.py"].splitlines()) <= 25
    assert len(files["README.md"].splitlines()) <= 10
    assert [text for text in files.values() if "hello" in text.lower()] == []


def test_the_commands_that_are_printed_name_what_was_made(tmp_path: Path) -> None:
    said = framebus(None, "new", "processor", "lamps", "--into", "my plugins", cwd=tmp_path).splitlines()

    assert said[:2] == ["made my plugins/lamps: README.md  lamps.py  pyproject.toml  test_lamps.py", "next:"]
    assert [line.split(maxsplit=1)[1] for line in said[2:4]] == [
        "demo --processor './my plugins/lamps/lamps.py'",
        "try './my plugins/lamps/lamps.py' --source synthetic://",
    ]
    assert "-m pip install -e './my plugins/lamps[test]' && " in said[4]
    assert said[4].endswith(" -m pytest './my plugins/lamps'")


def test_an_unchanged_processor_finds_something_in_a_group(group: RunningGroup) -> None:
    with group.observer() as news:
        finding = news.wait_for(lambda: news.newest("finding/lamps/front/", Finding), 15.0)

    assert finding is not None
    assert finding.label == "brightness"
    assert 16.0 <= (finding.value or 0.0) <= 235.0


def test_an_unchanged_service_is_a_row_and_tells_something_in_a_group(group: RunningGroup) -> None:
    with group.observer() as news:
        finding = news.wait_for(lambda: news.newest("finding/doors/front/", Finding), 20.0)

    assert finding is not None
    assert (finding.label, (finding.value or 0.0) >= 1.0) == ("objects", True)


def test_jobs_of_an_unchanged_type_are_done_in_a_group(group: RunningGroup) -> None:
    with GroupClient(group.place.run) as client:
        request = SubmitJob(type="tides", params=Raw(codec.encode({"lines": 2})))
        accepted = client.ask("dispatcher", request, 10.0)

    [view] = group.await_ends([accepted.id])

    assert view.state is JobState.SUCCEEDED
    assert (group.place.data / "exports" / "tides" / f"{accepted.id}.txt").read_text() == "line 0\nline 1\n"


def test_an_installed_processor_is_known_by_its_name_and_its_settings_are_checked(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "framebus.yml"
    file.write_text("services: {enrich: {processors: [lamps, {lamps: {every_frames: often}}]}}\n")
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [str(Path(sys.executable).with_name("framebus")), "check", "-c", str(file)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)

    said = " ".join(done.stderr.split())
    assert done.returncode == 78
    assert (
        said == f"error: {file}:1: services.enrich.processors[1].lamps.every_frames: expected a whole number, got text"
    )


def test_what_is_there_is_not_overwritten(made: Path) -> None:
    before = (made / "lamps" / "lamps.py").read_text()

    said = framebus(None, "new", "job", "lamps", cwd=made, expect=64)

    assert "lamps is there already; choose another name, or another folder with --into" in said
    assert (made / "lamps" / "lamps.py").read_text() == before


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("parking-lot", "has no '-'; write parking_lot"),
        ("Parking", "at most 32 of a-z, 0-9 and _, a letter first"),
        ("9lives", "a letter first"),
        ("x" * 33, "at most 32"),
        ("_x", "a letter first"),
        ("../x", "a letter first"),
        ("class", "is a word of Python's own"),
        ("match", "is a word of Python's own"),
        ("queue", "there is a Python module of this name already"),
        ("numpy", "there is a Python module of this name already"),
        ("enrich", "belongs to framebus"),
        ("brightness", "belongs to framebus"),
        ("processor", "its class would be Processor"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_the_reason(name: str, why: str) -> None:
    assert why in (find_name_problem(name) or "")


@pytest.mark.parametrize("name", ["hello", "parking_lot", "a1"])
def test_other_names_are_taken(name: str) -> None:
    assert find_name_problem(name) is None
