"""How much brighter most of a picture is than another of the same scene. A sample tells."""

import numpy as np
import numpy.typing as npt

Sample = npt.NDArray[np.float32]


def sample_of(picture: npt.NDArray[np.float32] | npt.NDArray[np.uint8]) -> Sample:
    """The pixels that tell."""
    return picture[::10, ::10].astype(np.float32).ravel()


def exposure_between(seen: Sample, expected: Sample) -> float:
    """The factor by which most of what is seen is brighter than expected."""
    factors = seen / np.maximum(expected, np.float32(1.0))
    middle = factors.size // 2
    return float(np.partition(factors, middle)[middle])
