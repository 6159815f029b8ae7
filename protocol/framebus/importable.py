"""Names functions and classes so that another Python process finds them, and finds them there."""

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

MAIN = "__framebus_main__"
"""under this name a process has the script that the other one was started with"""


def name_importable(what: object, role: str) -> str:
    """`module:name` of a function or class, or of a text that says so; raises TypeError or ValueError with the mend.

    What stands in the script that was started is named by its file: `/path/of/script.py:name`.
    """
    if isinstance(what, str):
        return _check_text(what, role)
    module, name = getattr(what, "__module__", None), getattr(what, "__qualname__", None)
    if not callable(what) or not isinstance(module, str) or not isinstance(name, str):
        raise TypeError(f"{role} is {what!r}; give a function from the top of a module, or its name `module:function`")
    if "<" in name:
        kind = "a lambda" if name.endswith("<lambda>") else f"defined inside {name.partition('.<locals>')[0]}"
        raise TypeError(
            f"{role} is {kind}: another process can't import it; define it with `def` at the top of a module"
        )
    place = _place_of_main(role, name) if module == "__main__" else module
    if _find(sys.modules.get(module), name) is not what:
        raise TypeError(f"{role} is {what!r}, but {module}.{name} is something else; another process would get that")
    return f"{place}:{name}"


def load_importable(reference: str) -> Any:
    """What a name from `name_importable` stands for; raises whatever the import raises, or AttributeError."""
    place, _, name = reference.rpartition(":")
    module = _load_file(place) if place.endswith(".py") else importlib.import_module(place)
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _check_text(text: str, role: str) -> str:
    place, _, name = text.rpartition(":")
    if not all(part.isidentifier() for part in [*place.split("."), *name.split(".")]):
        raise ValueError(f"{role} is {text!r}; write it as `package.module:function`")
    try:
        is_there = importlib.util.find_spec(place) is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        raise ValueError(f"{role} is {text!r}, but there is no module {place}; is it installed, or on PYTHONPATH?")
    return text


def _place_of_main(role: str, name: str) -> str:
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)  # `python -m package.module`
    file = getattr(main, "__file__", None)
    if file is None or not Path(file).is_file():
        raise TypeError(f"{role} is {name} of an interactive session: put it into a module, and import it from there")
    return str(Path(file).resolve())


def _find(module: types.ModuleType | None, name: str) -> object:
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _load_file(file: str) -> types.ModuleType:
    """A script as a module: what stands under `if __name__ == "__main__":` is not run."""
    if MAIN in sys.modules:
        return sys.modules[MAIN]
    spec = importlib.util.spec_from_file_location(MAIN, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[MAIN] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
