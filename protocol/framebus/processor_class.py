"""The processor in a file of the user's own, as a class: who only names it needs no library of pictures."""

import inspect
from types import ModuleType

from framebus.errors import ConfigError
from framebus.file_module import load_file_module
from framebus.processor import AnyProcessor, DeferredProcessor, Processor
from framebus.processor_file import FileReference, name_of_reference


def load_processor_file(file: FileReference) -> type[AnyProcessor]:
    """The processor class in a file, which is run as a module of its own; raises ConfigError with file and line."""
    path = file.path.absolute()
    if not name_of_reference(str(path)):
        raise ConfigError([f"{path}: no name can be made of this file's; give it one of a-z, 0-9, _ and -"])
    found = _processors_of(load_file_module(path))
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
