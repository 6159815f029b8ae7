"""Finds the line to which an error is due: of who wrote a plug-in, not of ours that calls it or a library's."""

import traceback
from collections.abc import Callable


def find_line(error: BaseException, is_own: Callable[[str], bool] = lambda file: True) -> str:
    """`file:line` of the last step of an error in files that are one's own; empty where it came through none."""
    steps = [step for step in traceback.extract_tb(error.__traceback__) if is_own(step.filename)]
    return f"{steps[-1].filename}:{steps[-1].lineno}" if steps else ""
