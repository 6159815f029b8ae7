"""A real browser on the page of a real group: what the tests of the page share."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groups import FRAMEBUS, RunningGroup

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = os.environ.get("FRAMEBUS_PICTURES")
"""a folder: there the tests leave pictures of what they saw"""
SIZES = {"desktop": (1440, 900), "readme": (1200, 760), "phone": (390, 844)}
HEAVIEST_BYTES = 120_000
"""script and style that the first view loads, as they are written"""
LIMIT_S = 40.0
"""of a machine that has much else to do"""
KNOWN_NOISE = re.compile(
    r"ERR_CONNECTION_REFUSED|WebSocket connection to|ERR_NETWORK|503|ERR_EMPTY_RESPONSE|ERR_SOCKET"
)
"""what a browser says by itself when the gateway is away"""

MOVING = "[...document.querySelectorAll('video.moving')].filter(v => v.currentTime > 0 && !v.paused).length"
"""how many live pictures move"""


def link_to(group: RunningGroup, *more: str) -> str:
    """What `framebus link` prints."""
    command = [FRAMEBUS, "link", "--run", str(group.place.run), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"http://\S+#token=\S+", done.stdout)
    assert found is not None, done.stdout
    return found[0]


@contextmanager
def open_browser() -> Iterator[Any]:
    """Chromium of the system; nothing is downloaded."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Visit:
    """One page that somebody looks at."""

    def __init__(self, browser: Any, link: str, *, size: str = "desktop", scheme: str = "light") -> None:
        width, height = SIZES[size]
        view = {"width": width, "height": height}
        self._context = browser.new_context(viewport=view, color_scheme=scheme, has_touch=size == "phone")
        self.page = self._context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._note)
        self.page.goto(link)

    def _note(self, message: Any) -> None:
        if message.type == "error" and not KNOWN_NOISE.search(message.text):
            self.complaints.append(message.text)

    def look(self, size: str, scheme: str) -> None:
        """From now on on a screen of that size, by day or by night."""
        width, height = SIZES[size]
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme=scheme)

    def find(self, script: str) -> Any:
        """What a line of JavaScript gives."""
        return self.page.evaluate(script)

    def until(self, script: str, what: str, limit_s: float = LIMIT_S) -> Any:
        """What the line gives as soon as it is true. (Playwright's own waiting needs eval, which the page forbids.)"""
        end_s = time.monotonic() + limit_s
        while True:
            found = self.find(script)
            if found:
                return found
            assert time.monotonic() < end_s, f"{what}: not within {limit_s:.0f} s; {self.text('main')[-2_000:]}"
            self.page.wait_for_timeout(25)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())

    def tile(self, camera: str) -> str:
        """What is said of a camera's picture."""
        found = f"[...document.querySelectorAll('.tile')].map(t => t.ariaLabel).find(l => l.startsWith('{camera}:'))"
        return str(self.find(f"{found} ?? ''"))

    def picture(self, name: str) -> None:
        """Keep a picture, when pictures are wanted."""
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))

    def close(self) -> None:
        self._context.close()
