"""A Python file of the user's own as a module: run from its newest text, its failures told with file and line."""

import hashlib
import sys
from pathlib import Path
from types import ModuleType

from framebus.errors import ConfigError
from framebus.own_code import find_line


def load_file_module(path: Path) -> ModuleType:
    """The file as a module with a name of its own; raises ConfigError with file and line, caused by what it raised.

    Its text is compiled each time: compiled files are valid for a second too long where somebody saves twice.
    """
    try:
        source = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError([f"there is no file {path}"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a file of the user's must not take the place of a library that others need
    module = ModuleType(f"framebus_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and annotations look there
    writes_no_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # of what it imports, too
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102  the user's own code
    except (Exception, SystemExit) as error:  # it may fail in any way; its entry says so
        del sys.modules[module.__name__]
        raise ConfigError([explain_failure(error, path)]) from error
    finally:
        sys.dont_write_bytecode = writes_no_bytecode
    return module


def explain_failure(error: BaseException, path: Path) -> str:
    """What went wrong in a user's file, with its line or that of one beside it: `/me/mine.py:7: NameError: ...`."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    where = find_line(error, lambda file: file.startswith(f"{path.parent}/") and "site-packages" not in file)
    where = where or str(path)
    said = "it ends Python (sys.exit) while it is loaded" if isinstance(error, SystemExit) else str(error)
    return f"{where}: {type(error).__name__}: {said}" if said else f"{where}: {type(error).__name__}"
