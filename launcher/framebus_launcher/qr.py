"""Draws a link as a QR code in the terminal, two rows of its squares in one line of text."""

import segno
from rich.text import Text

QUIET = 2
"""light squares around it: four are the rule, two are enough for phones"""
_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
STYLE = "#000000 on #ffffff"
"""black on white in any terminal, dark or light: else half of them show a negative, which not every phone reads"""


def qr_lines(text: str) -> list[Text]:
    """The code of a text, line by line."""
    rows = [[bool(square) for square in row] for row in segno.make(text, micro=False).matrix_iter(border=QUIET)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return [Text("".join(_HALVES[pair] for pair in zip(*both, strict=True)), STYLE) for both in pairs]
