"""A few figures as bars: how many times better or worse than a peer, on a scale of doublings, as SVG for the README."""

import math
from collections.abc import Iterator

from benchmarks.goals import CPU_PERCENT, FFMPEG_COPY, FRAMES_S, FRIGATE_PIPE, ICEORYX, IMAGEZMQ_PUB, RQ, THREE
from benchmarks.results import FOLDER, Results, Verdict

DOCS = FOLDER.parent / "docs" / "pictures"
PICTURES = {name: DOCS / f"performance-{name}.svg" for name in ("light", "dark")}

# label, whose, and which goal: number, peer, figure, case starts with
ROWS = (
    ("1080p frames, 1 reader", "imagezmq", (1, IMAGEZMQ_PUB, FRAMES_S, "")),
    ("1080p frames, 3 readers", "imagezmq", (1, IMAGEZMQ_PUB, FRAMES_S, THREE)),
    ("1080p frames, 1 reader", ICEORYX, (1, ICEORYX, FRAMES_S, "")),
    ("processor time of a camera", "ffmpeg to a pipe", (5, FRIGATE_PIPE, CPU_PERCENT, "")),
    ("message there and back, checked", "json, unchecked", (6, "json", "encode + decode us", "")),
    ("jobs a second, on disk", RQ, (9, RQ, "jobs/s", "")),
    ("export of ten minutes", FFMPEG_COPY, (11, FFMPEG_COPY, "wall s", "")),
)
COLOURS = {
    "light": {"text": "#1f2328", "quiet": "#59636e", "line": "#d1d9e0", "better": "#1a7f37", "worse": "#bc4c00"},
    "dark": {"text": "#f0f6fc", "quiet": "#9198a1", "line": "#3d444d", "better": "#3fb950", "worse": "#f0883e"},
}
FONT = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
WIDTH, LEFT, RIGHT, TOP, STEP, BAR = 900, 270, 60, 44, 40, 16
LEAST = 0.5
"""the scale begins here, or lower where a bar needs it"""


def draw(results: Results, colours: str) -> str:
    """The picture for a light or dark page. What was not measured is left out."""
    return "\n".join(_svg(list(_bars(results)), COLOURS[colours])) + "\n"


def _bars(results: Results) -> Iterator[tuple[str, str, float]]:
    verdicts = list(results.verdicts())
    for label, peer, key in ROWS:
        verdict = next(verdict for verdict in verdicts if _is(verdict, *key))
        if verdict.value:
            is_more_better = verdict.goal.at_least is not None
            yield label, peer, verdict.value if is_more_better else 1 / verdict.value


def _is(verdict: Verdict, number: int, peer: str, figure: str, case: str) -> bool:
    goal = verdict.goal
    return (goal.number, goal.peer, goal.figure) == (number, peer, figure) and goal.case.startswith(case)


def _svg(bars: list[tuple[str, str, float]], colour: dict[str, str]) -> Iterator[str]:
    low = math.floor(math.log2(min([LEAST, *(value for *_, value in bars)])))
    high = math.ceil(math.log2(max([2.0, *(value for *_, value in bars)])))
    bottom = TOP + STEP * len(bars)
    height = bottom + 34

    def x(value: float) -> float:
        return LEFT + (math.log2(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="{FONT}" font-size="14" role="img" aria-label="framebus against others, same run">'
    )
    yield f'<text x="{x(1) + 8:.0f}" y="22" fill="{colour["better"]}">framebus is better →</text>'
    yield f'<text x="{x(1) - 8:.0f}" y="22" fill="{colour["worse"]}" text-anchor="end">← the other is better</text>'
    for power in range(low, high + 1):
        at, name = x(2.0**power), f"{2.0**power:g}x"
        strength = ' stroke-width="2"' if power == 0 else ""
        line = colour["quiet"] if power == 0 else colour["line"]
        yield f'<line x1="{at:.1f}" y1="{TOP - 10}" x2="{at:.1f}" y2="{bottom}" stroke="{line}"{strength}/>'
        yield f'<text x="{at:.1f}" y="{bottom + 20}" fill="{colour["quiet"]}" text-anchor="middle">{name}</text>'
    for number, (label, peer, value) in enumerate(bars):
        y = TOP + STEP * number + 6
        start, end = sorted((x(1), x(value)))
        kind = colour["better" if value >= 1 else "worse"]
        yield f'<text x="0" y="{y + 7}" fill="{colour["text"]}">{label}</text>'
        yield f'<text x="0" y="{y + 23}" fill="{colour["quiet"]}" font-size="12">against {peer}</text>'
        yield f'<rect x="{start:.1f}" y="{y}" width="{end - start:.1f}" height="{BAR}" rx="2" fill="{kind}"/>'
        at, anchor = (end + 6, "start") if value >= 1 else (start - 6, "end")
        yield (
            f'<text x="{at:.1f}" y="{y + 13}" fill="{colour["text"]}" font-weight="600" '
            f'text-anchor="{anchor}">{value:.{1 if value >= 1 else 2}f}x</text>'
        )
    yield "</svg>"
