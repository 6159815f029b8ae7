"""What names in the upload folder mean, whatever they are."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framebus.messages import NAME_PATTERN
from framebus_services.ingest.names import Kind, camera_of, folder_of, is_unfinished, kind_of, path_problem
from framebus_services.ingest.registry import HeldError, Registry
from framebus_services.ingest.wholeness import image_problem


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/b.JPG", Kind.IMAGE),
        ("a/b.jpeg", Kind.IMAGE),
        ("a/b.webp", Kind.IMAGE),
        ("a/b.Mp4", Kind.VIDEO),
        ("a/b.ts", Kind.VIDEO),
        ("a/b.txt", None),
        ("a/jpg", None),
    ],
)
def test_the_ending_tells_the_kind_in_any_case(path: str, kind: Kind | None) -> None:
    assert kind_of(path) is kind


@pytest.mark.parametrize("path", ["a/.b.jpg", ".a/b.jpg", "a/b.jpg.part", "a/b.tmp", ".cameras.json"])
def test_hidden_and_temporary_names_wait_for_their_rename(path: str) -> None:
    assert is_unfinished(path)


def test_a_file_in_no_folder_is_of_no_camera() -> None:
    assert folder_of("a.jpg") is None
    assert folder_of("Front Door/2026/a.jpg") == "Front Door"


@given(st.text(max_size=80))
def test_any_folder_is_a_camera_of_a_sound_name_or_none(folder: str) -> None:
    camera = camera_of(folder)

    assert camera is None or re.fullmatch(NAME_PATTERN, camera)


def test_two_folders_of_one_name_are_a_conflict_that_names_both(tmp_path: Path) -> None:
    registry = Registry(tmp_path, [], max_cameras=64, auto_create=True)
    registry.camera_for("Front Door")

    with pytest.raises(HeldError, match=r"'Front Door' and 'front_door' are both camera front_door"):
        registry.camera_for("front_door")


def test_the_cameras_are_the_same_in_the_next_life(tmp_path: Path) -> None:
    Registry(tmp_path, [], max_cameras=64, auto_create=True).camera_for("Front Door")

    again = Registry(tmp_path, [], max_cameras=64, auto_create=True)

    assert again.own == {"front_door": "Front Door"}


def test_a_folder_of_a_configured_camera_delivers_for_it_and_makes_none(tmp_path: Path) -> None:
    registry = Registry(tmp_path, ["garden"], max_cameras=0, auto_create=False)

    assert registry.camera_for("Garden") == "garden"
    assert registry.own == {}


def test_a_folder_too_many_is_held_with_the_setting_that_would_help(tmp_path: Path) -> None:
    registry = Registry(tmp_path, [], max_cameras=1, auto_create=True)
    registry.camera_for("one")

    with pytest.raises(HeldError, match=r"services\.ingest\.max_cameras is 1"):
        registry.camera_for("two")


def test_a_camera_that_could_not_be_written_down_is_not_there(tmp_path: Path) -> None:
    registry = Registry(tmp_path, [], max_cameras=64, auto_create=True)
    (tmp_path / ".cameras.json").mkdir()

    with pytest.raises(OSError):
        registry.camera_for("front")
    (tmp_path / ".cameras.json").rmdir()

    assert registry.own == {}
    assert registry.camera_for("front") == "front"


@pytest.mark.parametrize("name", ["\udcff.jpg", "a" * 1_200 + ".jpg"])
def test_a_name_that_cannot_be_told_is_a_problem(name: str) -> None:
    assert path_problem(f"front/{name}") is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_without_an_exception(content: bytes) -> None:
    assert image_problem(content) is None or content[:2] == b"\xff\xd8" or isinstance(image_problem(content), str)
