"""What runs a model: onnxruntime where it is installed, else OpenCV's own reader. Arrays in, arrays out."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from framebus.detector_settings import Engine
from framebus_services.detect.onnx_file import FLOAT, ModelError, Tensor

Array = npt.NDArray[Any]

SHOWN_CHARACTERS = 300
UNWANTED = ("AzureExecutionProvider", "TensorrtExecutionProvider")
"""the one asks a service far away, the other takes minutes to start"""


class Runner(Protocol):
    """A model that is ready."""

    name: str
    """of the library, with its version"""

    def run(self, blob: Array) -> list[tuple[str, Array]]:
        """Name and content of each output; raises ModelError."""


def open_model(path: Path, entry: Tensor, engine: Engine, threads: int) -> Runner:
    """The model in a file, whose picture goes into `entry`; raises ModelError when it can't be used."""
    has_onnxruntime = importlib.util.find_spec("onnxruntime") is not None
    if engine is Engine.ONNXRUNTIME and not has_onnxruntime:
        raise ModelError("onnxruntime is not installed: pip install onnxruntime, or engine: opencv", "engine")
    if has_onnxruntime and engine is not Engine.OPENCV:
        return _OnnxRuntime(path, entry, threads)
    if entry.element != FLOAT:
        raise ModelError("its input is not of 32-bit floats, which OpenCV can't run: pip install onnxruntime", "engine")
    return _OpenCv(path, threads)


class _OnnxRuntime:
    def __init__(self, path: Path, entry: Tensor, threads: int) -> None:
        library: Any = importlib.import_module("onnxruntime")
        self.name = f"onnxruntime {library.__version__}"
        self._entry = entry.name
        options = library.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait for work shall sleep: the cores belong to the cameras.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [name for name in library.get_available_providers() if name not in UNWANTED]
        try:
            self._session = library.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # noqa: BLE001  the library has a class for each of its reasons
            raise ModelError(f"onnxruntime can't load {path}: {_short(error)}") from None
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, blob: Array) -> list[tuple[str, Array]]:
        try:
            values = self._session.run(self._outputs, {self._entry: blob})
        except Exception as error:  # noqa: BLE001
            raise ModelError(f"the model can't be run: {_short(error)}") from None
        return [(name, np.asarray(value)) for name, value in zip(self._outputs, values, strict=True)]


class _OpenCv:
    def __init__(self, path: Path, threads: int) -> None:
        self.name = f"OpenCV {cv2.__version__}"
        cv2.setNumThreads(threads)
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
            self._outputs = list(self._net.getUnconnectedOutLayersNames())
        except cv2.error as error:
            raise ModelError(
                f"OpenCV can't load {path}: {_short(error)}; onnxruntime may: pip install onnxruntime"
            ) from None

    def run(self, blob: Array) -> list[tuple[str, Array]]:
        try:
            self._net.setInput(blob)
            values = self._net.forward(self._outputs)
        except cv2.error as error:
            raise ModelError(
                f"OpenCV can't run the model: {_short(error)}; onnxruntime may: pip install onnxruntime"
            ) from None
        return [(name, np.asarray(value)) for name, value in zip(self._outputs, values, strict=True)]


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:SHOWN_CHARACTERS]
