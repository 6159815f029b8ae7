"""What an ONNX file says of itself, read without a library that runs it: what goes in, what comes out, its notes.

An ONNX file is a Protocol Buffers message `ModelProto`; the numbers of its fields are in `onnx.proto` of the ONNX
project (onnx/onnx), their encoding in the Protocol Buffers documentation ("Encoding"). Weights are skipped over, so
that a file of any size costs little.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Field numbers: of ModelProto, GraphProto, ValueInfoProto, TypeProto, TypeProto.Tensor, TensorShapeProto,
# TensorShapeProto.Dimension and StringStringEntryProto.
_GRAPH, _METADATA = 7, 14
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
_NAME, _TYPE = 1, 2
_TENSOR_TYPE = 1
_ELEMENT, _SHAPE = 1, 2
_DIMENSION = 1
_DIMENSION_VALUE = 1
_KEY, _VALUE = 1, 2
_INITIALIZER_NAME = 8

FLOAT, UINT8, FLOAT16 = 1, 2, 10
"""of TensorProto.DataType"""
MAX_NOTE_BYTES = 1_000_000


class ModelError(ValueError):
    """The file is no model that can be used; the text says what is wrong, and what would be right."""

    def __init__(self, text: str, setting: str = "model") -> None:
        """`setting` is the one that has to change."""
        super().__init__(text)
        self.setting = setting


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """What goes into a model, or comes out."""

    name: str
    element: int
    """FLOAT, UINT8 or another number of TensorProto.DataType"""
    shape: tuple[int | None, ...] | None
    """None: any, of a side or of the whole"""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnnxFile:
    """A model as its file describes it."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    notes: dict[str, str]
    """as exporters write them, as in `names`"""


def read_onnx(path: Path) -> OnnxFile:
    """The description of a model; raises ModelError when the file can't be read or is no ONNX model."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise ModelError(f"{path} is empty; it must be an ONNX model")
            # Not closed by hand: an error's traceback may still hold parts of it.
            return _read_model(memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)))
    except FileNotFoundError:
        raise ModelError(f"there is no file {path}; give the path of an ONNX model") from None
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from None
    except _BrokenError as error:
        raise ModelError(f"{path} is no ONNX model, or is cut off: {error}") from None


class _BrokenError(ValueError):
    pass


def _read_model(view: memoryview) -> OnnxFile:
    graph: memoryview | None = None
    notes: dict[str, str] = {}
    for number, value in _fields(view):
        if number == _GRAPH and isinstance(value, memoryview):
            graph = value
        elif number == _METADATA and isinstance(value, memoryview) and len(value) <= MAX_NOTE_BYTES:
            entry = dict(_fields(value))
            notes[_text(entry.get(_KEY))] = _text(entry.get(_VALUE))
    if graph is None:
        raise _BrokenError("it has no graph")
    inputs, outputs, weights = [], [], set()
    has_nodes = False
    for number, value in _fields(graph):
        if number == _INPUT:
            inputs.append(_read_tensor(value))
        elif number == _OUTPUT:
            outputs.append(_read_tensor(value))
        elif number == _INITIALIZER:
            weights.add(_text(next((part for key, part in _fields(value) if key == _INITIALIZER_NAME), b"")))
        has_nodes = has_nodes or number == _NODE
    if not outputs or not has_nodes:
        raise _BrokenError("its graph computes nothing")
    # Exporters of old list the weights among the inputs.
    return OnnxFile(inputs=[one for one in inputs if one.name not in weights], outputs=outputs, notes=notes)


_Value = int | memoryview


def _read_tensor(value: _Value) -> Tensor:
    parts = dict(_fields(value))
    kind = dict(_fields(parts.get(_TYPE, b"")))
    tensor = dict(_fields(kind.get(_TENSOR_TYPE, b"")))
    element = tensor.get(_ELEMENT, 0)
    shape = None
    if _SHAPE in tensor:
        shape = tuple(_side(part) for number, part in _fields(tensor[_SHAPE]) if number == _DIMENSION)
    return Tensor(name=_text(parts.get(_NAME)), element=element if isinstance(element, int) else 0, shape=shape)


def _side(dimension: _Value) -> int | None:
    value = dict(_fields(dimension)).get(_DIMENSION_VALUE)
    return value if isinstance(value, int) and 0 < value < 2**31 else None


def _text(value: _Value | bytes | None) -> str:
    return "" if value is None or isinstance(value, int) else bytes(value).decode(errors="replace")


def _fields(message: _Value | bytes) -> Iterator[tuple[int, _Value]]:
    """Number and value of each field; raises _BrokenError."""
    if isinstance(message, int):
        raise _BrokenError("a message was expected, not a number")
    view, at = memoryview(message), 0
    while at < len(view):
        tag, at = _varint(view, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise _BrokenError(f"byte {at} can't be one of a model")
        if wire == 0:
            value, at = _varint(view, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(view, at)
        elif wire in (1, 5):
            length = struct.calcsize("q" if wire == 1 else "i")
        else:
            raise _BrokenError(f"byte {at} can't be one of a model")
        if at + length > len(view):
            raise _BrokenError(f"it ends {at + length - len(view)} bytes too early")
        yield number, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise _BrokenError("a number has no end")
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
