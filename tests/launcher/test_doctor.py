"""What `framebus doctor` finds, in folders and words made for it."""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.place import Place
from framebus_launcher import doctor_machine, doctor_place
from framebus_launcher.cli_doctor import examine
from framebus_launcher.finding import Level
from framebus_launcher.lock import Lock


@pytest.fixture
def place() -> Iterator[Place]:
    """A group's folders, with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="dr"))
    yield Place.at(folder / "run", data=folder / "data", shm=folder / "shm")
    shutil.rmtree(folder)


def test_a_run_folder_that_is_not_there_will_be_made(place: Place) -> None:
    found = doctor_place.check_run(place)

    assert found.level is Level.OK
    assert "will be made" in found.text


def test_a_run_folder_in_which_others_may_write_fails_with_its_mend(place: Place) -> None:
    place.run.mkdir()
    place.run.chmod(0o777)

    found = doctor_place.check_run(place)

    assert found.level is Level.FAIL
    assert found.mend == f"chmod 700 {place.run}"


def test_a_run_folder_that_is_a_link_fails(place: Place) -> None:
    place.run.symlink_to(place.run.parent)

    assert doctor_place.check_run(place).level is Level.FAIL


def test_a_run_folder_that_fits_no_camera_fails(place: Place) -> None:
    long = Place.at(place.run.parent / ("x" * (105 - len(str(place.run.parent)) - len("/req.dispatcher"))))

    found = doctor_place.check_run(long)

    assert found.level is Level.FAIL
    assert "shorter" in found.mend


@pytest.mark.parametrize(
    ("total_gb", "free_gb", "level"),
    [
        (20, 0.9, Level.FAIL),
        (20, 1.5, Level.WARN),
        (20, 3.0, Level.OK),
        (1_000, 1.9, Level.FAIL),
        (1_000, 3.9, Level.WARN),
        (1_000, 5.0, Level.OK),
    ],
)
def test_a_disk_on_which_recording_pauses_fails_and_one_that_is_near_it_is_warned_of(
    place: Place, monkeypatch: pytest.MonkeyPatch, total_gb: float, free_gb: float, level: Level
) -> None:
    total, free = int(total_gb * 1e9) // 4_096, int(free_gb * 1e9) // 4_096
    disk = os.statvfs_result((4_096, 4_096, total, free, free, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: disk)

    assert doctor_place.check_data(place).level is level


def test_the_speed_of_the_disk_is_measured_and_nothing_is_left_there(place: Place) -> None:
    place.data.mkdir()

    found = doctor_place.check_disk_speed(place)

    assert found.level in (Level.OK, Level.WARN)
    assert "a sync takes" in found.text
    assert list(place.data.iterdir()) == []


def test_a_data_folder_in_the_kernel_s_own_files_fails() -> None:
    found = doctor_place.check_disk_speed(Place.at(data=Path("/proc/framebus")))

    assert found.level is Level.FAIL
    assert found.mend


@pytest.fixture
def taken_port() -> Iterator[int]:
    with contextlib.closing(socket.socket()) as holder:
        with contextlib.suppress(OSError):  # somebody else has it, which is what is wanted
            holder.bind(("127.0.0.1", doctor_place.PORT))
            holder.listen()
        yield doctor_place.PORT


def test_a_port_that_is_taken_is_told_with_what_the_page_does_then(place: Place, taken_port: int) -> None:
    found = doctor_place.check_port(place)

    assert found.level is Level.WARN
    assert str(taken_port) in found.text
    assert "next free one" in found.mend


def test_a_port_in_use_while_a_group_runs_here_is_no_fault(place: Place, taken_port: int) -> None:
    place.run.mkdir()
    with Lock(place.run / "lock"):
        found = doctor_place.check_port(place)

    assert found.level is Level.OK
    assert str(taken_port) in found.text


def test_a_group_that_runs_here_is_named_by_its_pid(place: Place) -> None:
    place.run.mkdir()
    place.data.mkdir()
    with Lock(place.run / "lock"), Lock(place.data / "lock"):
        found = doctor_place.check_groups(place)

    assert found.level is Level.OK
    assert f"process {os.getpid()}" in found.text


def test_data_that_a_group_elsewhere_has_is_a_warning(place: Place) -> None:
    place.data.mkdir()
    with Lock(place.data / "lock"):
        found = doctor_place.check_groups(place)

    assert found.level is Level.WARN
    assert str(place.data) in found.text


@pytest.mark.parametrize(
    ("flags", "level", "word"),
    [
        ("0", Level.OK, "none"),
        ("50005", Level.WARN, "now: under-voltage, throttled"),
        ("50000", Level.WARN, "since the start: under-voltage, throttled"),
        ("what?", Level.OK, "what?"),
    ],
)
def test_what_the_firmware_of_a_raspberry_pi_says_is_told_in_words(flags: str, level: Level, word: str) -> None:
    found = doctor_machine.pi_heat(flags)

    assert found.level is level
    assert word in found.text


def test_a_broken_configuration_is_one_finding_and_the_rest_is_still_looked_at(place: Place) -> None:
    file = place.run.parent / "framebus.yml"
    file.write_bytes(b"cameras: \xff\xfe\n")

    found = {finding.name: finding for finding in examine(file, place.data, place.run)}

    assert found["configuration"].level is Level.FAIL
    assert "UTF-8" in found["configuration"].text
    assert "shared memory" in found


def test_every_finding_that_is_not_ok_says_what_to_do(place: Place) -> None:
    findings = examine(None, place.data, place.run)

    assert [finding for finding in findings if finding.level is not Level.OK and not finding.mend] == []
    assert len({finding.name for finding in findings}) == len(findings)
