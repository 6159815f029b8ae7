"""The names of what a model tells apart: from the configuration, a file, or the model's own notes."""

import ast
from pathlib import Path

from framebus.detector_settings import COCO_NAME
from framebus_services.detect.coco import COCO_LABELS
from framebus_services.detect.onnx_file import ModelError, OnnxFile

MAX_FILE_BYTES = 1_000_000
MAX_CHARACTERS = 100
NOTES = ("names", "labels", "classes")
"""of a model in which exporters write the names; Ultralytics writes `names`, as a map of numbers"""


def read_labels(given: str | list[str] | None, model: OnnxFile) -> list[str] | None:
    """The names in their order; None: nobody says. Raises ModelError for a file that holds none."""
    if isinstance(given, list):
        return given
    if given == COCO_NAME:
        return COCO_LABELS
    if given is not None:
        return _read_file(Path(given))
    found = (_read_note(model.notes[name]) for name in NOTES if name in model.notes)
    return next((names for names in found if names), None)


def name_of(labels: list[str] | None, number: int) -> str:
    """The name of a label; the number itself where nobody says."""
    return labels[number] if labels is not None and 0 <= number < len(labels) else str(number)


def _read_file(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ModelError(f"there is no file {path}; it must have a name in each line", "labels") from None
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}", "labels") from None
    try:
        names = [line.strip()[:MAX_CHARACTERS] for line in text.decode().splitlines()]
    except UnicodeDecodeError:
        raise ModelError(f"{path} is no text; it must have a name in each line", "labels") from None
    if len(text) > MAX_FILE_BYTES or not any(names):
        raise ModelError(f"{path} must be a short text with a name in each line", "labels")
    while not names[-1]:
        names.pop()
    return [name or str(number) for number, name in enumerate(names)]


def _read_note(text: str) -> list[str]:
    """The names in a note: `{0: 'person', 1: 'car'}`, `['person', 'car']`, or with commas or lines between them."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text.replace("\n", ",").split(",")
    if isinstance(value, dict) and value and all(isinstance(key, int) and 0 <= key < 100_000 for key in value):
        value = [value.get(number, number) for number in range(max(value) + 1)]
    if not isinstance(value, list | tuple):
        return []
    return [str(name).strip()[:MAX_CHARACTERS] or str(number) for number, name in enumerate(value)]
