"""What `framebus check` says that a configuration will take: estimates, with where they come from."""

from pathlib import Path

import pytest

from framebus.source_report import SourceReport
from framebus_launcher import needs
from framebus_launcher.config_file import ConfigFile
from framebus_launcher.measured import Measured, MeasuredFile, mark_of
from framebus_launcher.needs import Needs, find_needs

SOURCE = "rtsp://10.0.0.5/stream1"


def needs_of(folder: Path, cameras: str) -> Needs:
    (folder / "framebus.yml").write_text(f"services: {{enrich: off}}\ncameras: {cameras}\n")
    return find_needs(ConfigFile(folder / "framebus.yml").first)


def measure(folder: Path, source: str = SOURCE) -> None:
    report = SourceReport(codec="h264", width=640, height=480, fps=10.0, bytes_per_s=1e6)
    MeasuredFile(folder / "data").note("front", Measured.of(report, mark_of(source)))


def test_what_was_measured_is_added_up_for_a_day_and_for_all_that_is_kept(tmp_path: Path) -> None:
    measure(tmp_path)

    found = needs_of(tmp_path, f"{{front: {{source: '{SOURCE}', record: {{keep: 2d}}}}}}")

    assert "86 GB a day, 173 GB for all that is kept" in found.lines[0]
    assert found.lines[1] == "  front: 8 Mbit/s (measured when it was added), 173 GB in 2d"


def test_another_source_was_not_measured_and_a_guess_says_so(tmp_path: Path) -> None:
    measure(tmp_path, "rtsp://10.0.0.5/other")

    found = needs_of(tmp_path, f"{{front: {{source: '{SOURCE}'}}}}")

    assert found.lines[1] == "  front: 4 Mbit/s (a guess: framebus add measures), 302 GB in 7d"


def test_what_is_not_recorded_takes_no_disk(tmp_path: Path) -> None:
    own = "{source: ./mine.py, record: {encoder: none}}"

    found = needs_of(tmp_path, f"{{front: {{source: '{SOURCE}', record: {{enabled: off}}}}, own: {own}}}")

    assert found.lines[0].endswith("0 GB a day, 0 GB for all that is kept")
    assert found.lines[1:] == []


def test_a_small_stream_spares_the_processor(tmp_path: Path) -> None:
    def percent(camera: str) -> int:
        return int(needs_of(tmp_path, f"{{a: {camera}}}").lines[0].split()[1])

    main, small = (
        percent(f"{{source: '{SOURCE}'}}"),
        percent(f"{{source: '{SOURCE}', detect: {{source: '{SOURCE}2'}}}}"),
    )

    assert small < main - 3


@pytest.mark.parametrize(("keep", "is_warned"), [("1h", False), ("365d", True)])
def test_a_disk_that_holds_less_than_is_asked_for_is_warned_of_with_how_long_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, is_warned: bool
) -> None:
    monkeypatch.setattr(needs, "_room", lambda _: 43.2e9)

    found = needs_of(tmp_path, f"{{a: {{source: '{SOURCE}', record: {{keep: {keep}}}}}}}")

    assert bool(found.warnings) is is_warned
    assert not is_warned or "has room for 43 GB" in found.warnings[0]
    assert not is_warned or "the oldest go after about 1 d" in found.warnings[0]


def test_where_it_goes_by_what_recordings_show_least_and_most_are_told(tmp_path: Path) -> None:
    measure(tmp_path)

    found = needs_of(tmp_path, f"{{front: {{source: '{SOURCE}', record: {{keep: {{all: 2d, objects: 10d}}}}}}}}")

    assert "86 GB a day, 173 GB to 864 GB (by how much goes on) for all that is kept" in found.lines[0]
    assert found.lines[1].endswith("173 GB in 2d, up to 864 GB in 10d")


@pytest.mark.parametrize(
    ("most", "room", "estimate", "warning"),
    [
        ("500GB", 700e9, "173 GB to 500 GB (by how much goes on)", None),
        ("100GB", 700e9, "100 GB", "recordings.max: `keep` asks for 173 GB to 864 GB, and 100 GB are the bound"),
        ("2TB", 700e9, "173 GB to 864 GB (by how much goes on)", "recordings.max: 2TB is more than the 700 GB"),
        ("500GB", 400e9, "173 GB to 500 GB (by how much goes on)", "where much goes on, all is kept shorter"),
        ("500GB", 90e9, "173 GB to 500 GB (by how much goes on)", "the oldest go after about 1 d"),
    ],
)
def test_a_bound_of_all_recordings_is_told_and_what_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str, room: float, estimate: str, warning: str | None
) -> None:
    measure(tmp_path)
    monkeypatch.setattr(needs, "_room", lambda _: room)

    keep = "{all: 2d, objects: 10d}"
    found = needs_of(
        tmp_path, f"{{front: {{source: '{SOURCE}', record: {{keep: {keep}}}}}}}\nrecordings: {{max: {most}}}"
    )

    assert f"a day, {estimate} for all" in found.lines[0]
    assert bool(found.warnings) is (warning is not None)
    assert warning is None or any(warning in one for one in found.warnings)


def test_a_group_without_cameras_needs_no_estimate(tmp_path: Path) -> None:
    assert needs_of(tmp_path, "{}") == Needs()


def test_a_file_of_measures_that_is_damaged_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "measured.json").write_text("{")

    assert "(a guess" in needs_of(tmp_path, f"{{front: {{source: '{SOURCE}'}}}}").lines[1]
