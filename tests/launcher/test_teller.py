"""How the lines of the demo stand on a terminal, and in a file."""

from io import StringIO

from rich.console import Console

from framebus_launcher.teller import Teller

TEXT = "after 0.10 s; 3 of 3 jobs still there; a new subscriber had all 10 states in 36 ms"
LINK = "http://127.0.0.1:8480/#token=" + 60 * "x"


def told(text: str, *, is_terminal: bool) -> list[str]:
    """The lines that 80 columns show of it."""
    console = Console(file=StringIO(), width=80, force_terminal=is_terminal, color_system=None, soft_wrap=True)
    Teller(console).tell("back", text, "dispatcher")
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_what_is_longer_than_a_terminal_goes_on_below_its_own_beginning() -> None:
    first, *others = told(TEXT, is_terminal=True)

    begin = first.index("after")
    assert max(len(line) for line in (first, *others)) <= 80
    assert {len(line) - len(line.lstrip()) for line in others} == {begin}
    assert " ".join([first[begin:], *(line.strip() for line in others)]) == TEXT


def test_a_link_is_never_broken() -> None:
    assert any(LINK in line for line in told(f"open {LINK}", is_terminal=True))


def test_in_a_file_a_line_stays_one() -> None:
    assert len(told(TEXT, is_terminal=False)) == 1
