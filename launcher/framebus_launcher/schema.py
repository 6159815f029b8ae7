"""The JSON schema of the configuration file, for editors that complete and check while one types."""

import ast
import inspect
from itertools import pairwise
from typing import Any

import msgspec

from framebus import detector_settings, notify_settings, settings
from framebus.settings import Plugin, Settings
from framebus_launcher.config import SECTIONS

DIALECT = "http://json-schema.org/draft-07/schema#"
"""what editors understand"""
SOURCES = (settings, detector_settings, notify_settings)
"""where settings and their meanings stand"""


def make_schema() -> dict[str, Any]:
    """What a file may hold: the settings, with those of built-in services and of plug-ins under `services`."""
    kinds = [Settings, Plugin, *SECTIONS.values()]
    (_, plugin, *sections), parts = msgspec.json.schema_components(kinds, ref_template="#/definitions/{name}")
    built_in = {
        name: {"anyOf": [section, {"type": "boolean", "description": "false: not started"}]}
        for name, section in zip(SECTIONS, sections, strict=True)
    }
    for kind, meanings in _meanings().items():
        for name, meaning in meanings.items():
            parts.get(kind, {}).get("properties", {}).get(name, {})["description"] = meaning
    file = parts.pop("Settings")
    names = file["properties"]["services"]["propertyNames"]
    file["properties"]["services"] = {
        "type": "object",
        "description": "built-in services, and plug-ins by names of your own",
        "properties": built_in,
        "additionalProperties": plugin,
        "propertyNames": names,
        "default": {},
    }
    return {"$schema": DIALECT, **file, "title": "framebus.yml", "definitions": parts}


def _meanings() -> dict[str, dict[str, str]]:
    """What stands below each setting in the source, by kind and name."""
    found: dict[str, dict[str, str]] = {}
    kinds = [kind for part in SOURCES for kind in ast.parse(inspect.getsource(part)).body]
    for kind in kinds:
        if isinstance(kind, ast.ClassDef):
            for node, after in pairwise(kind.body):
                text = (
                    after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
                )
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(text, str):
                    found.setdefault(kind.name, {})[node.target.id] = inspect.cleandoc(text)
    return found
