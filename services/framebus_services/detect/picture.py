"""A part of a frame as a model wants it: in colour, in the size of its input, in its order and range of values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from framebus.detector_settings import Colours, Values
from framebus.frame import U8, Box, Frame, PixelFormat, planes
from framebus_services.detect.onnx_file import FLOAT, FLOAT16, UINT8, ModelError, Tensor

GREY = 114
"""of what a picture does not fill, as YOLO models are trained with"""
DYNAMIC_SIDE = 640
"""where a model takes any size"""

_TYPES: Mapping[int, Any] = {FLOAT: np.float32, FLOAT16: np.float16, UINT8: np.uint8}

# What is taken away from a value of 0 to 255, and what it is then divided by; red, green, blue.
_RANGES: Mapping[Values, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    Values.UNIT: ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
    Values.BYTE: ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    Values.SIGNED: ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    # As torchvision's models are trained: means 0.485, 0.456, 0.406 and deviations 0.229, 0.224, 0.225 of 255.
    Values.IMAGENET: ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What goes into a model."""

    size: tuple[int, int]
    """width and height in pixels"""
    dtype: Any
    is_channels_last: bool

    @classmethod
    def of(cls, tensor: Tensor) -> "Entry":
        """The entry that a file describes; raises ModelError when it is not for one picture in colour."""
        shape = tensor.shape
        if shape is None or len(shape) != 4 or shape[0] not in (None, 1) or 3 not in (shape[1], shape[3]):
            shown = "of any shape" if shape is None else "x".join("?" if side is None else str(side) for side in shape)
            raise ModelError(
                f"its input {tensor.name} is {shown}; it must be one picture in colour, 1x3xHEIGHTxWIDTH or "
                "1xHEIGHTxWIDTHx3"
            )
        if tensor.element not in _TYPES:
            raise ModelError(f"its input {tensor.name} must be of floats or bytes, not of type {tensor.element}")
        is_last = shape[1] != 3
        height, width = (shape[1], shape[2]) if is_last else (shape[2], shape[3])
        size = (width or DYNAMIC_SIDE, height or DYNAMIC_SIDE)
        return cls(size=size, dtype=_TYPES[tensor.element], is_channels_last=is_last)

    def blob(self, picture: U8, colours: Colours, values: Values) -> npt.NDArray[Any]:
        """The picture of this size, in the order blue, green, red, as the model wants it."""
        ordered = picture[:, :, ::-1] if colours is Colours.RGB else picture
        if not self.is_channels_last:
            ordered = ordered.transpose(2, 0, 1)
        if self.dtype is np.uint8:
            return np.ascontiguousarray(ordered[np.newaxis])
        blob = np.ascontiguousarray(ordered[np.newaxis], np.float32)
        if values is not Values.BYTE:
            shape = (1, 1, 1, 3) if self.is_channels_last else (1, 3, 1, 1)
            less, by = (row if colours is Colours.RGB else row[::-1] for row in _RANGES[values])
            blob -= np.array(less, np.float32).reshape(shape)
            blob /= np.array(by, np.float32).reshape(shape)
        return blob.astype(self.dtype, copy=False)


def fitted(picture: U8, size: tuple[int, int]) -> tuple[U8, float]:
    """The picture in its proportions in the upper left corner of one of this size, and by what it was scaled."""
    height, width = picture.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    whole = np.full((size[1], size[0], 3), GREY, np.uint8)
    how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    whole[: inner[1], : inner[0]] = cv2.resize(picture, inner, interpolation=how)
    return whole, scale


def part_of(frame: Frame, box: Box) -> U8:
    """A part of a frame in colour; `box` lies within the frame, its corners and sides are even."""
    if frame.pixel_format is not PixelFormat.I420:
        return frame.bgr(box)
    # OpenCV converts ten times as fast as `Frame.bgr`, which does without it.
    x, y, width, height = box
    luma, u, v = planes(frame.payload, frame.width, frame.height)
    half = np.s_[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
    flat = np.concatenate([luma[y : y + height, x : x + width].ravel(), u[half].ravel(), v[half].ravel()])
    return np.asarray(cv2.cvtColor(flat.reshape(height * 3 // 2, width), cv2.COLOR_YUV2BGR_I420), np.uint8)
