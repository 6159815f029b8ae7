"""Makes the package of a new plug-in from a template: a module, its test, what pip needs, and how to go on."""

import importlib.util
import keyword
import re
from enum import StrEnum
from pathlib import Path

import framebus
from framebus.messages import NAME_PATTERN
from framebus.plugins import find_job_runners, find_processors, find_services
from framebus_launcher.table import RESERVED

TEMPLATES = Path(__file__).with_name("templates")
EXAMPLE = "hello"
"""what the templates are called: each is a plug-in that works"""


class PluginKind(StrEnum):
    PROCESSOR = "processor"
    SERVICE = "service"
    JOB = "job"


def make_plugin(kind: PluginKind, name: str, into: Path) -> list[Path]:
    """Write a package of that name into a folder of its own below `into`; the files. Raises ValueError, OSError."""
    folder = into / name
    if name.isidentifier() and folder.exists():
        raise ValueError(f"{folder} is there already; choose another name, or another folder with --into")
    if problem := find_name_problem(name):
        raise ValueError(problem)
    folder.mkdir(parents=True)
    made = []
    for template in sorted((TEMPLATES / kind.value).iterdir()):
        if template.is_file():
            path = folder / template.name.replace(EXAMPLE, name)
            path.write_text(_renamed(template.read_text(), name))
            made.append(path)
    return made


def find_name_problem(name: str) -> str | None:
    """Why a plug-in can't be called so; it names a Python module, too."""
    if "-" in name:
        return f"{name}: a Python module is called so, too, and has no '-'; write {name.replace('-', '_')}"
    if not name.isidentifier() or not re.fullmatch(NAME_PATTERN, name) or "\n" in name:
        return f"{name}: a name has at most 32 of a-z, 0-9 and _, a letter first, as in parking_lot"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return f"{name}: is a word of Python's own; choose another"
    if name in RESERVED or name in {**find_processors(), **find_services(), **find_job_runners()}:
        return f"{name}: belongs to framebus, or to a package that is installed; choose another"
    if class_name(name) in framebus.__all__:
        return f"{name}: its class would be {class_name(name)}, as one of framebus is called; choose another"
    if importlib.util.find_spec(name) is not None:
        return f"{name}: there is a Python module of this name already; choose another"
    return None


def class_name(name: str) -> str:
    """What the class of a plug-in is called.

    >>> class_name("parking_lot")
    'ParkingLot'
    """
    return "".join(part.capitalize() for part in name.split("_"))


def _renamed(text: str, name: str) -> str:
    for example, own in ((EXAMPLE, name), (EXAMPLE.capitalize(), class_name(name)), (EXAMPLE.upper(), name.upper())):
        text = text.replace(example, own)
    return text
