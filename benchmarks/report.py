"""What was seen, as a page: each goal with its ratio, what was wanted and whether it is met, then all figures."""

from collections.abc import Iterator

from benchmarks.goals import (
    FFMPEG_COPY,
    FRIGATE_PIPE,
    FRIGATE_SHM,
    ICEORYX,
    IMAGEZMQ_PUB,
    RQ,
    TITLES,
    Goal,
)
from benchmarks.picture import PICTURES, draw
from benchmarks.results import FOLDER, Results, Verdict
from benchmarks.seen import OURS, Seen

PAGE = FOLDER / "RESULTS.md"
README = FOLDER.parent / "README.md"
BEGIN, END = "<!-- made by `python -m benchmarks --report` -->", "<!-- end of what is made -->"

# What the README says: a sentence, and the goals whose ratios it names (number, peer), in their order.
SENTENCES = (
    (
        "1080p frames to one reader: **{} the rate of imagezmq**, {} that of shared memory opened for each frame, "
        "{} that of iceoryx2.",
        ((1, IMAGEZMQ_PUB), (1, FRIGATE_SHM), (1, ICEORYX)),
    ),
    (
        "A camera (1080p25 in, detection at 5 fps, recording) takes **{} the processor time** of ffmpeg into a pipe.",
        ((5, FRIGATE_PIPE),),
    ),
    (
        "A job, synced to disk before it is accepted: **{} the jobs a second of RQ**, {} its wait for the start.",
        ((9, RQ, "jobs/s"), (9, RQ, "submit to start p50 ms")),
    ),
    (
        "Ten minutes of recording exported in {} the time of `ffmpeg -c copy`; a message is encoded, decoded and "
        "validated in {} the time of `json`, which validates nothing.",
        ((11, FFMPEG_COPY, "wall s"), (6, "json")),
    ),
)


def page(results: Results) -> str:
    """The report as Markdown."""
    return "\n".join(_page(results)) + "\n"


def write(results: Results) -> None:
    """The page, the picture, and the lines of the README."""
    PAGE.write_text(page(results))
    for name, path in PICTURES.items():
        path.write_text(draw(results, name))
    README.write_text(with_lines(README.read_text(), results))


def with_lines(readme: str, results: Results) -> str:
    """The README with the lines that these results make; unchanged where it has no place for them."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    return before + begin + "\n" + "\n".join(lines(results)) + "\n" + end + after if begin and end else readme


def lines(results: Results) -> Iterator[str]:
    """What the README says of speed: only what was measured."""
    verdicts = list(results.verdicts())
    for sentence, asked in SENTENCES:
        values = [_value_of(verdicts, *key) for key in asked]
        if None not in values:
            yield "- " + sentence.format(*(_times(value) for value in values if value is not None))
    missed = [verdict for verdict in verdicts if verdict.word == "missed"]
    counted = f"{sum(verdict.word == 'met' for verdict in verdicts)} of {len(verdicts)} goals met"
    titles = ", ".join(dict.fromkeys(TITLES[verdict.goal.number].lower() for verdict in missed))
    told = f"; missed in: {titles}" if missed else ""
    yield f"- {counted}{told}. All figures, peers and spreads: [benchmarks/RESULTS.md](benchmarks/RESULTS.md)."


def _value_of(verdicts: list[Verdict], number: int, peer: str, figure: str | None = None) -> float | None:
    for verdict in verdicts:
        goal = verdict.goal
        if (goal.number, goal.peer) == (number, peer) and figure in (None, goal.figure):
            return verdict.value
    raise KeyError(f"no goal {number} has a row with {peer}, {figure}")


def _page(results: Results) -> Iterator[str]:
    verdicts = list(results.verdicts())
    words = [verdict.word for verdict in verdicts]
    machine = results.machine
    yield "# Results"
    yield ""
    yield "Made by `make bench`, not by hand. What is measured how, and why a goal is missed: [README.md](README.md)."
    yield ""
    counted = [f"**{words.count(word)} {word}**" for word in ("met", "missed", "not measured") if word in words]
    yield f"{len(words)} goals: {', '.join(counted)}." + (" A quick run: a smoke test, no figures." * results.is_quick)
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| date | {results.date}, {results.minutes:.0f} minutes |"
    about = f"{machine['cores']} cores of {machine['processor']}; {machine['system']}; Python {machine['python']}"
    yield f"| machine | {about} |"
    yield f"| load of others before, with ours after | {machine['load']}, {results.load_after} |"
    yield f"| versions | {', '.join(f'{name} {version}' for name, version in machine['packages'].items())} |"
    for name, why in results.failures.items():
        yield f"| **failed: {name}** | {why} |"
    for number in dict.fromkeys(verdict.goal.number for verdict in verdicts):
        yield from _goal(number, verdicts, results)


def _goal(number: int, verdicts: list[Verdict], results: Results) -> Iterator[str]:
    medians = results.medians
    yield ""
    yield f"## {number}. {TITLES[number]}"
    yield ""
    yield "| case | figure | framebus | against | its figure | ratio | wanted | |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for verdict in verdicts:
        goal = verdict.goal
        if goal.number != number:
            continue
        ours = medians.get((goal.case, OURS, goal.figure))
        theirs = medians.get((goal.peer_case or goal.case, goal.peer, goal.figure)) if goal.peer else None
        ratio = f"{verdict.value:.2f}" if goal.peer and verdict.value is not None else "–"
        cells = (goal.case, goal.figure, _number(ours), _against(goal), _number(theirs), ratio, _wanted(goal))
        yield f"| {' | '.join(cells)} | {_emphasis(verdict.word)} |"
    figures = [line for line in results.seen if line.goal == number]
    if figures:
        yield ""
        yield "| case | figure | system | median | low .. high | runs |"
        yield "| --- | --- | --- | --- | --- | --- |"
        yield from (_figure(line) for line in sorted(figures, key=lambda line: (line.case, line.figure)))


def _figure(line: Seen) -> str:
    system = f"**{line.system}**" if line.system == OURS else line.system
    spread = f"{_number(line.low)} .. {_number(line.high)}"
    return f"| {line.case} | {line.figure} | {system} | {_number(line.median)} | {spread} | {line.runs} |"


def _against(goal: Goal) -> str:
    return goal.peer_case or goal.peer or "–"


def _wanted(goal: Goal) -> str:
    bounds = [f"≥ {goal.at_least:g}"] if goal.at_least is not None else []
    return " ".join([*bounds, f"≤ {goal.at_most:g}"] if goal.at_most is not None else bounds)


def _emphasis(word: str) -> str:
    return word if word == "met" else f"**{word}**"


def _number(value: float | None) -> str:
    """Three digits that count, as people write them."""
    if value is None:
        return "–"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _times(value: float) -> str:
    return f"{value:.1f}x" if value >= 1.0 else f"{value:.2f}x"
