"""A file that is replaced whole, or stays as it was."""

from pathlib import Path

import pytest

from framebus.replacing import replacing


def test_a_reader_has_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with replacing(path, 0o600, is_synced=True) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def write_half(path: Path) -> None:
    with replacing(path) as file:
        file.write(b"half")
        raise KeyError


def test_what_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with pytest.raises(KeyError):
        write_half(path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_bytes(b"theirs")
    path.symlink_to(other)

    with replacing(path) as file:
        file.write(b"ours")

    assert other.read_bytes() == b"theirs"
    assert not path.is_symlink()
