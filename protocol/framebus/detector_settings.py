"""The settings of an object detector: which model, and how it is to be read."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class Layout(StrEnum):
    """What the numbers mean that a model gives; `docs/objects.md` has the shapes."""

    YOLO5 = "yolo5"
    """rows of a box, how sure it is that there is something, and a score for each label"""
    YOLO8 = "yolo8"
    """a box and a score for each label, in rows or columns"""
    YOLOX = "yolox"
    """as yolo5, the boxes in cells of a grid"""
    ROWS = "rows"
    """rows of a box, a score and the number of a label: what is left after the model's own choice"""
    SSD = "ssd"
    """boxes, scores and numbers of labels, each in an output of its own"""
    CENTERNET = "centernet"
    """maps of where the middles are, how large, and how far off"""


class Colours(StrEnum):
    """The order of the colours that a model expects."""

    RGB = "rgb"
    BGR = "bgr"


class Values(StrEnum):
    """The range of a pixel's values that a model expects."""

    UNIT = "0..1"
    BYTE = "0..255"
    SIGNED = "-1..1"
    IMAGENET = "imagenet"
    """less the mean of ImageNet's pictures, in units of their deviation"""


class Engine(StrEnum):
    """What runs a model."""

    AUTO = "auto"
    """onnxruntime where it is installed"""
    ONNXRUNTIME = "onnxruntime"
    OPENCV = "opencv"


COCO_NAME = "coco"
"""stands for the 80 names of COCO, in the usual order"""

DetectorLabel = Annotated[str, Meta(min_length=1, max_length=100)]


class DetectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that tells what it is that moves."""

    model: Annotated[str, Meta(min_length=1)]
    """an ONNX file"""
    labels: Annotated[str, Meta(min_length=1)] | list[DetectorLabel] | None = None
    """a file with a name in each line, or the names, or COCO_NAME; default: those in the model, else numbers"""
    layout: Layout | None = None
    """default: as the shapes of what the model gives tell"""
    colours: Colours | None = None
    """default: as usual for the layout"""
    values: Values | None = None
    """default: as usual for the layout"""
    min_score: Annotated[float, Meta(ge=0.01, le=0.99)] = 0.4
    """what is less sure begins no object"""
    only: Annotated[list[DetectorLabel], Meta(min_length=1)] | None = None
    """these labels; default: all"""
    engine: Engine = Engine.AUTO
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    """that one look uses"""
    max_age_s: Annotated[float, Meta(ge=0.05, le=10.0)] = 1.0
    """a frame that has waited for longer is not looked at any more"""
    limit_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 5.0
    """a look that takes longer is ended, with its process"""
