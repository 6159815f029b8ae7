"""The JSON schema of the configuration file, for editors that complete and check while one types."""

from typing import Any

import msgspec

from framebus.settings import Plugin, Settings
from framebus_launcher.config import SECTIONS

DIALECT = "http://json-schema.org/draft-07/schema#"
"""what editors understand"""


def make_schema() -> dict[str, Any]:
    """What a file may hold: the settings, with those of built-in services and of plug-ins under `services`."""
    kinds = [Settings, Plugin, *SECTIONS.values()]
    (_, plugin, *sections), parts = msgspec.json.schema_components(kinds, ref_template="#/definitions/{name}")
    built_in = {
        name: {"anyOf": [section, {"type": "boolean", "description": "false: not started"}]}
        for name, section in zip(SECTIONS, sections, strict=True)
    }
    settings = parts.pop("Settings")
    names = settings["properties"]["services"].get("propertyNames")
    settings["properties"]["services"] = {
        "type": "object",
        "description": "built-in services, and plug-ins by names of your own",
        "properties": built_in,
        "additionalProperties": plugin,
        "default": {},
        **({"propertyNames": names} if names else {}),
    }
    return {"$schema": DIALECT, **settings, "title": "framebus.yml", "definitions": parts}
