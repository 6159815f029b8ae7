"""The page's parts without a browser: what they calculate and say, in Node; what they weigh; what they may contain."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from browsing import HEAVIEST_BYTES

LOGIC = Path(__file__).parent / "logic"
PAGE = Path(__file__).parents[2] / "services" / "framebus_services" / "gateway" / "page"
LINKED = re.compile(r'(?:src|href)="page/([\w.]+\.(?:js|css))"')
IMPORTED = re.compile(r'^(?:import|export)\b[^"(;]*"\./([\w.]+)"', re.MULTILINE)
"""at once; `import("./x.js")` is for later"""
MAX_LINES = 300


def files(*endings: str) -> list[Path]:
    return sorted(path for path in PAGE.iterdir() if path.suffix in endings)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_calculates_and_speaks_as_it_should(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copytree(PAGE, tmp_path / "page")
    shutil.copytree(LOGIC, tmp_path / "logic")

    done = subprocess.run(["node", "--test", "logic/"], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]


def first_view() -> set[str]:
    """What a browser loads before it can show the page."""
    loaded: set[str] = set()
    found = set(LINKED.findall((PAGE / "index.html").read_text()))
    while found:
        loaded |= found
        found = {name for one in found for name in IMPORTED.findall((PAGE / one).read_text())} - loaded
    return loaded


def test_script_and_style_of_the_first_view_weigh_little() -> None:
    loaded = first_view()

    assert {"main.js", "style.css", "tile.js", "timeline_draw.js"} <= loaded, "what the first view shows"
    assert sum((PAGE / name).stat().st_size for name in loaded) <= HEAVIEST_BYTES


def test_what_the_first_view_leaves_out_is_fetched_by_something() -> None:
    texts = {path.name: path.read_text() for path in files(".js")}
    wanted = re.compile(r'(?:"\./|"page/)([\w.]+)"')

    reached = {name for text in texts.values() for name in wanted.findall(text)}

    assert {path.name for path in files(".js", ".css")} - first_view() - reached == set()


def test_nothing_of_the_page_comes_from_elsewhere_or_stands_inline() -> None:
    html = (PAGE / "index.html").read_text()

    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", html) == []
    for path in files(".js", ".css", ".html"):
        foreign = re.findall(r"https?://(?!www\.w3\.org/)[\w.]+", path.read_text())
        assert foreign == [], path.name


def test_names_and_texts_never_become_markup() -> None:
    for path in files(".js"):
        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()) == [], (
            path.name
        )


def test_each_module_says_what_it_is_for_and_is_short() -> None:
    for path in files(".js"):
        lines = path.read_text().splitlines()
        assert lines[0].startswith("// "), path.name
        assert len(lines) <= MAX_LINES, path.name
