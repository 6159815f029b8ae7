"""What the names in the upload folder mean: which camera, which kind of file, and what is no upload. Pure.

| path below the upload folder | is |
| --- | --- |
| `Front Door/2026/a.jpg` | a picture of camera `front_door` |
| `a.jpg` | of no camera: to the quarantine |
| `Front Door/.a.jpg`, `a.jpg.part`, `a.tmp` | not ready: waits for its final name |
| `Front Door/notes.txt` | of no kind that is taken: left alone |
"""

import os
import re
import unicodedata
from enum import StrEnum

from framebus_services.video.formats import IMAGES, VIDEOS


class Kind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"


UNFINISHED = frozenset({".part", ".tmp"})
MAX_PATH_BYTES = 1_000
"""longer than any camera's; a path has to fit into a job's parameters and a line of the log"""
_BREAKING = frozenset({"Cc", "Zl", "Zp"})
"""of Unicode's categories: control characters, and what breaks lines"""


def kind_of(path: str) -> Kind | None:
    """What a file is by its ending; None: it is not taken."""
    suffix = os.path.splitext(path)[1].lower()  # text, not paths: it is asked of each file at each event and scan
    if suffix in IMAGES:
        return Kind.IMAGE
    return Kind.VIDEO if suffix in VIDEOS else None


def is_unfinished(path: str) -> bool:
    """Whether the file, or a folder it is in, waits for its final name: hidden, or named as a temporary file."""
    return path.startswith(".") or "/." in path or path[path.rfind(".") :].lower() in UNFINISHED


def is_upload(path: str) -> bool:
    """Whether a file is taken, or will be when it gets its final name; all others are left alone."""
    return kind_of(path) is not None or is_unfinished(path)


def folder_of(path: str) -> str | None:
    """The first folder of a path, which names the camera; None for a file right in the upload folder."""
    folder, slash, _ = path.partition("/")
    return folder if slash else None


def camera_of(folder: str) -> str | None:
    """The camera's id: small letters, digits and `_`; None when nothing is left of the name.

    >>> camera_of("Front Door"), camera_of("Türe-2"), camera_of("!!")
    ('front_door', 'ture-2', None)
    """
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9-]+", "_", plain).strip("_-")[:32].strip("_-") or None


def path_problem(path: str) -> str | None:
    """Why a path can't be taken as it is: it stands in logs, on terminals and in the database."""
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if length > MAX_PATH_BYTES:
        return f"its path has {length} bytes; at most {MAX_PATH_BYTES} are taken"
    if not path.isprintable() and any(unicodedata.category(letter) in _BREAKING for letter in path):
        return "its name holds a line break or another control character"
    return None


def shown(path: str) -> str:
    """Any path, as it can be printed on one line.

    >>> shown("a\\nb\\udcff.jpg")
    'a\\\\x0ab\\\\udcff.jpg'
    """
    plain = path.encode(errors="backslashreplace").decode()
    return "".join(f"\\x{ord(one):02x}" if unicodedata.category(one) in _BREAKING else one for one in plain)
