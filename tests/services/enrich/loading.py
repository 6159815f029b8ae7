"""Processors of a test beside those that are installed."""

from collections.abc import Mapping

from framebus.plugin_classes import load_processor
from framebus.processor import AnyProcessor
from framebus_services.enrich.orders import Load


def loader(classes: Mapping[str, type[AnyProcessor]]) -> Load:
    """What finds these classes by name, and all that are installed."""

    def load(name: str) -> type[AnyProcessor]:
        return classes[name] if name in classes else load_processor(name)

    return load
