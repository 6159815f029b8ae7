"""Processors in a file of the user's own, as in `./mine.py` or `./mine.py:Lights`: found, named and loaded."""

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from framebus.errors import ConfigError
from framebus.processor import AnyProcessor, DeferredProcessor, Processor

MAX_NAME = 32
_REFERENCE = re.compile(r"(?s)(?P<path>.*\.py)(?::(?P<cls>[^/:]*))?")


class FileReference(NamedTuple):
    """A file, and the class in it that was asked for."""

    path: Path
    class_name: str | None


def read_reference(reference: str) -> FileReference | None:
    """What a reference to a processor says of a file; None where it is the name of an installed one.

    >>> read_reference("./mine.py:Lights")
    FileReference(path=PosixPath('mine.py'), class_name='Lights')
    """
    found = _REFERENCE.fullmatch(reference)
    return FileReference(Path(found["path"]), found["cls"]) if found else None


def resolve_reference(reference: str, folder: Path) -> str:
    """The reference with the file's full path, if it names one; a relative one is in `folder`."""
    file = read_reference(reference)
    if file is None:
        return reference
    return str(folder / file.path) + (f":{file.class_name}" if file.class_name is not None else "")


def name_of_reference(reference: str) -> str:
    """What findings and statistics name a processor by: its file without folder and ending, or its own name.

    >>> name_of_reference("/home/me/Parking Lot.py:Counter"), name_of_reference("brightness")
    ('parking-lot', 'brightness')
    """
    file = read_reference(reference)
    if file is None:
        return reference
    return re.sub(r"[^a-z0-9_-]+", "-", file.path.stem.lower()).strip("_-")[:MAX_NAME]


def find_name_problems(entries: Sequence[str | dict[str, Any]]) -> list[str]:
    """Which entries of `processors` name different code that findings and statistics could not tell apart."""
    problems: list[str] = []
    references: dict[str, str] = {}
    for number, entry in enumerate(entries):
        for reference in [entry] if isinstance(entry, str) else list(entry)[:1]:
            name = name_of_reference(reference)
            first = references.setdefault(name, reference)
            if first != reference:
                text = f"{reference} and {first} would both be called {name}; give one file another name"
                problems.append(f"processors[{number}]: {text}")
    return problems


def load_processor_file(file: FileReference) -> type[AnyProcessor]:
    """The processor class in a file, which is run as a module of its own; raises ConfigError with file and line."""
    path = file.path.absolute()
    if not name_of_reference(str(path)):
        raise ConfigError([f"{path}: no name can be made of this file's; give it one of a-z, 0-9, _ and -"])
    found = _processors_of(_run(path))
    if not found:
        raise ConfigError([f"{path}: has no processor; derive a class from framebus.Processor or DeferredProcessor"])
    if file.class_name is not None:
        if file.class_name not in found:
            raise ConfigError([f"{path}: has no processor {file.class_name!r}; it has {', '.join(found)}"])
        return found[file.class_name]
    parents = {parent for kind in found.values() for parent in kind.__mro__[1:]}
    last = {name: kind for name, kind in found.items() if kind not in parents}
    if len(last) > 1:
        raise ConfigError(
            [f"{path}: has {len(last)} processors, {', '.join(last)}; choose one, as in {path.name}:{min(last)}"]
        )
    return next(iter(last.values()))


def _processors_of(module: ModuleType) -> dict[str, type[AnyProcessor]]:
    """The classes that a file brings itself, in its order; those that lack a method are meant as bases."""
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and issubclass(kind, (Processor, DeferredProcessor))
        and kind.__module__ == module.__name__
        and not inspect.isabstract(kind)
    }


def _run(path: Path) -> ModuleType:
    """The file as a module, always of its newest text: compiled files are valid for a second or two too long."""
    try:
        source = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError([f"there is no file {path}"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a file of the user's must not take the place of a library that others need
    module = ModuleType(f"framebus_processor_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and annotations look there
    writes_no_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # of what it imports, too
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102  the user's own code
    except (Exception, SystemExit) as error:  # noqa: BLE001  it may fail in any way; its entry says so
        del sys.modules[module.__name__]
        raise ConfigError([explain_failure(error, path)]) from None
    finally:
        sys.dont_write_bytecode = writes_no_bytecode
    return module


def explain_failure(error: BaseException, path: Path) -> str:
    """What went wrong in a user's file, with its line or that of one beside it: `/me/mine.py:7: NameError: ...`."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    steps = traceback.extract_tb(error.__traceback__)
    own = [
        step for step in steps if step.filename.startswith(f"{path.parent}/") and "site-packages" not in step.filename
    ]
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else str(path)
    said = "it ends Python (sys.exit) while it is loaded" if isinstance(error, SystemExit) else str(error)
    return f"{where}: {type(error).__name__}: {said}" if said else f"{where}: {type(error).__name__}"
