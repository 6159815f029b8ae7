"""A link as a code that a phone reads from the terminal: squares in half blocks, black on white."""

import cv2
import numpy as np

from framebus_launcher.qr import STYLE, qr_lines

SQUARE = 8
"""pixels"""


def test_the_code_that_is_drawn_is_read_again_as_the_link() -> None:
    link = "http://192.168.1.20:8480/#token=jFnmIQ8A1fY3k2L0pQ9sXzR4uVwT6bNc"

    lines = qr_lines(link)

    halves = {" ": (255, 255), "▀": (0, 255), "▄": (255, 0), "█": (0, 0)}
    rows = [[halves[sign][half] for sign in line.plain] for line in lines for half in (0, 1)]
    picture = np.kron(np.array(rows, np.uint8), np.ones((SQUARE, SQUARE), np.uint8))
    read, *_ = cv2.QRCodeDetector().detectAndDecode(picture)
    assert read == link
    assert len(lines[0].plain) <= 60, "fits a terminal"
    assert {str(line.style) for line in lines} == {STYLE}
