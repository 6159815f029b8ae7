"""Files that are made to harm who looks into them: bombs, lies about sizes, two kinds in one, and no files at all."""

import os
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from uploading import Uploads, jpeg

from framebus_services.below import NotPlainError, open_below
from framebus_services.ingest.look import Look
from framebus_services.ingest.look_process import look
from framebus_services.ingest.names import Kind
from framebus_services.ingest.stock import take_stock
from media import make_video

SPARSE_BYTES = 100 * 1024**3
MEMORY_BYTES = 512 * 1024**2


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb() -> bytes:
    """100,000 x 100,000 points of nothing: 40 GB in some kilobytes."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 6, 0, 0, 0)
    body = zlib.compress(b"\0" * 4_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg_bomb() -> bytes:
    """A small picture that says that it has 65,500 x 65,500 points."""
    content = bytearray(jpeg(1))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(content)


def webp_bomb() -> bytes:
    """16,383 x 16,383 points of one colour: 268 million."""
    body = b"\x2f" + struct.pack("<I", 16_382 | 16_382 << 14) + b"\0" * 2_000
    riff = b"WEBPVP8L" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(riff)) + riff


def atom(kind: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    return struct.pack(">I", 8 + len(body) if size is None else size) + kind + body


def nested(levels: int) -> bytes:
    content = b""
    for _ in range(levels):
        content = atom(b"moov", content)
    return content


FTYP = atom(b"ftyp", b"isom\0\0\2\0isommp42")
TABLE = atom(b"stts", struct.pack(">II", 0, 0xFFFF_FFFF))
BAD: dict[str, bytes] = {
    "bomb.png": png_bomb(),
    "bomb.jpg": jpeg_bomb(),
    "bomb.webp": webp_bomb(),
    "thin.png": png_bomb().replace(struct.pack(">II", 100_000, 100_000), struct.pack(">II", 1, 2**31 - 1)),
    "flat.webp": b"RIFF" + struct.pack("<I", 0xFFFF_FFF0) + b"WEBPVP8 " + b"\0" * 2_000,
    "long_atom.mp4": FTYP + atom(b"moov", b"\0" * 2_000, size=0xFFFF_FFFF),
    "no_atom.mp4": FTYP + atom(b"moov", b"\0" * 2_000, size=0),
    "huge_atom.mp4": FTYP + struct.pack(">I4sQ", 1, b"moov", 2**63 - 1) + b"\0" * 2_000,
    "deep.mp4": FTYP + nested(20_000),
    "table.mp4": FTYP + atom(b"moov", atom(b"trak", atom(b"mdia", atom(b"minf", atom(b"stbl", TABLE * 100))))),
    "zip.jpg": b"PK\3\4" + jpeg(2),
    "page.jpg": b"<html><script>alert(1)</script>" + jpeg(3),
    "picture.mp4": jpeg(4),
    "script.ts": b"#!/bin/sh\nrm -rf /\n" * 200,
    "list.avi": b"ffconcat version 1.0\nfile /etc/passwd\n" * 100,
    "list.mkv": b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n" * 100,
    "noise.mkv": bytes(np.random.default_rng(5).integers(0, 256, 200_000, dtype=np.uint8)),
    "noise.ts": b"G" + bytes(np.random.default_rng(6).integers(0, 256, 200_000, dtype=np.uint8)),
}


def worker_bytes(uploads: Uploads) -> int:
    assert uploads.worker.pid is not None
    return int(psutil.Process(uploads.worker.pid).memory_info().rss)


@pytest.mark.parametrize("name", BAD)
def test_what_is_made_to_harm_is_set_aside_and_takes_no_memory(uploads: Uploads, name: str) -> None:
    uploads.put(f"yard/{name}", BAD[name])
    uploads.put("yard/good.jpg", jpeg(7))

    uploads.settle()

    assert [path.split("/")[1] for path in uploads.quarantined()] == [f"yard__{name}"]
    assert uploads.states()["yard/good.jpg"] == "claimed"
    assert worker_bytes(uploads) < MEMORY_BYTES


def test_a_picture_that_is_also_something_else_is_taken_for_the_picture(uploads: Uploads) -> None:
    uploads.put("yard/a.jpg", jpeg(1) + b"PK\3\4<?php system('id'); ?><script>alert(1)</script>")

    uploads.settle()

    assert uploads.states() == {"yard/a.jpg": "claimed"}


@pytest.mark.parametrize("name", ["a.jpg", "a.mp4"])
def test_a_file_of_100_gb_of_holes_is_refused_unread(uploads: Uploads, name: str) -> None:
    file = uploads.root / "yard" / name
    file.parent.mkdir()
    with file.open("wb") as holes:
        try:
            holes.truncate(SPARSE_BYTES)
        except OSError:
            pytest.skip("this disk takes no such file")

    began_s = time.monotonic()
    uploads.intake.note(f"yard/{name}", is_closed=True)
    uploads.settle()

    assert uploads.quarantined() == [f"too_large/yard__{name}"]
    assert time.monotonic() - began_s < 10.0
    assert take_stock(uploads.data / "quarantine").disk_bytes < 1_000_000


def test_a_picture_of_more_holes_than_a_picture_may_have_is_refused(uploads: Uploads) -> None:
    uploads.put("yard/a.jpg", jpeg(1))
    os.truncate(uploads.root / "yard/a.jpg", 2**31)
    uploads.intake.note("yard/a.jpg", is_closed=True)

    uploads.settle()

    assert uploads.quarantined() == ["broken/yard__a.jpg"]
    assert worker_bytes(uploads) < MEMORY_BYTES


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_set_aside_and_never_opened(uploads: Uploads) -> None:
    (uploads.root / "yard").mkdir()
    try:
        os.mknod(uploads.root / "yard/zero.mp4", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices in this container")

    uploads.intake.scan()
    uploads.settle()

    assert uploads.quarantined() == ["no_file/yard__zero.mp4"]


def test_names_of_255_bytes_are_taken_and_those_that_go_too_deep_stop_nobody(uploads: Uploads) -> None:
    long = "x" * 251 + ".jpg"
    uploads.put(f"yard/{long}", jpeg(1), closed=False)
    here = os.open(uploads.root, os.O_RDONLY)
    for _ in range(30):  # deeper than any path that the system takes
        os.mkdir("y" * 255, dir_fd=here)
        inner = os.open("y" * 255, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("deep.jpg", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)

    uploads.intake.scan()
    uploads.settle()

    assert uploads.states() == {f"yard/{long}": "claimed"}
    assert take_stock(uploads.root).files >= 1


def test_a_folder_that_cannot_be_read_is_named_and_stops_nobody(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads.put("yard/a.jpg", jpeg(1), closed=False)
    uploads.put("shed/b.jpg", jpeg(2), closed=False)
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "shed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    uploads.intake.scan()
    monkeypatch.undo()

    assert list(uploads.intake.held.values()) == ["the folder shed can't be read: Permission denied"]
    uploads.intake.scan()
    assert uploads.intake.held == {}


def test_folders_that_become_links_while_they_are_looked_at_lead_nowhere(uploads: Uploads, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.jpg").write_bytes(jpeg(9))
    uploads.put("yard/a.jpg", jpeg(1))

    (uploads.root / "yard").rename(uploads.data / "away")
    (uploads.root / "yard").symlink_to(secret)
    uploads.settle()
    uploads.settle(2_000.0)

    assert uploads.jobs == {}
    assert "claimed" not in uploads.states().values()
    assert (secret / "a.jpg").read_bytes() == jpeg(9)
    with pytest.raises(NotPlainError, match="lies behind one"):
        open_below(uploads.root, "yard/a.jpg")


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "yard/../../secret.jpg", "a\0.jpg", "."])
def test_a_path_that_leaves_the_folder_is_not_opened(uploads: Uploads, path: str) -> None:
    (uploads.data / "secret.jpg").write_bytes(jpeg(1))

    assert look(Look(root=str(uploads.root), path=path, kind=Kind.IMAGE, max_bytes=2**30)).reason == "name"


def test_a_video_that_changes_its_size_is_no_trouble(uploads: Uploads) -> None:
    for number, width in enumerate((160, 320)):
        make_video(uploads.data / f"{number}.ts", seconds=2.0, width=width, height=120)
    content = b"".join((uploads.data / f"{number}.ts").read_bytes() for number in range(2))

    uploads.put("yard/a.ts", content)
    uploads.settle()

    assert uploads.states()["yard/a.ts"] in ("claimed", "rejected")


def test_a_picture_of_exactly_50_million_points_is_taken(uploads: Uploads) -> None:
    picture = np.zeros((5_000, 10_000), np.uint8)
    uploads.put("yard/a.jpg", bytes(cv2.imencode(".jpg", picture)[1].tobytes()))

    uploads.settle()

    assert uploads.states() == {"yard/a.jpg": "claimed"}
    assert worker_bytes(uploads) < MEMORY_BYTES
