"""The benchmarks: each goal has a script, ratios and report are right, and the README says what was measured."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import report
from benchmarks.goals import GOALS, SCRIPTS, TITLES, Goal
from benchmarks.load import cpu_s
from benchmarks.picture import COLOURS, PICTURES, ROWS, draw
from benchmarks.results import RESULTS, Results, read_results, write_results
from benchmarks.seen import OURS, Seen, over_runs

ROOT = Path(__file__).parents[2]


def seen(goal: Goal, system: str, median: float, case: str | None = None) -> Seen:
    return Seen(
        goal=goal.number,
        case=case or goal.case,
        system=system,
        figure=goal.figure,
        median=median,
        low=median / 2,
        high=median * 2,
        runs=3,
    )


def results(*lines: Seen) -> Results:
    machine = {"cores": 2, "processor": "a", "system": "Linux", "python": "3.11", "load": 0.1, "packages": {"rq": "2"}}
    return Results(date="2030-01-01 00:00 UTC", is_quick=False, machine=machine, seen=list(lines))


def one_goal(number: int, peer: str) -> Goal:
    return next(goal for goal in GOALS if (goal.number, goal.peer) == (number, peer))


def test_every_goal_has_a_script_and_a_title() -> None:
    assert {number for numbers in SCRIPTS.values() for number in numbers} == {goal.number for goal in GOALS}
    assert list(TITLES) == sorted({goal.number for goal in GOALS})


def test_every_script_of_the_table_is_there() -> None:
    missing = [name for name in SCRIPTS if not (ROOT / "benchmarks" / f"{name}.py").exists()]

    assert missing == []


def test_every_goal_is_bound_on_one_side() -> None:
    assert [goal for goal in GOALS if (goal.at_least is None) == (goal.at_most is None)] == []


def test_no_two_goals_measure_the_same() -> None:
    keys = [(goal.case, goal.figure, goal.peer) for goal in GOALS]

    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("ours", "word"), [(13.0, "met"), (12.0, "missed")])
def test_a_ratio_is_ours_through_theirs_and_meets_its_bound_or_not(ours: float, word: str) -> None:
    goal = one_goal(1, "imagezmq REQ/REP")

    made = results(seen(goal, OURS, ours), seen(goal, "imagezmq REQ/REP", 5.0))

    verdict = next(verdict for verdict in made.verdicts() if verdict.goal is goal)
    assert verdict.value == pytest.approx(ours / 5.0)
    assert verdict.word == word


def test_a_goal_without_a_peer_is_the_figure_itself() -> None:
    goal = next(goal for goal in GOALS if goal.peer is None)

    verdict = next(verdict for verdict in results(seen(goal, OURS, 42.0)).verdicts() if verdict.goal is goal)

    assert verdict.value == 42.0


def test_what_was_not_measured_is_said() -> None:
    goal = one_goal(1, "imagezmq REQ/REP")

    text = report.page(results(seen(goal, OURS, 10.0)))

    assert "**41 not measured**" in text
    assert "imagezmq REQ/REP | – | – | ≥ 2.5 | **not measured** |" in text


def test_figures_of_peers_without_a_goal_and_failures_are_shown() -> None:
    goal = one_goal(1, "imagezmq REQ/REP")
    made = results(seen(goal, "somebody else", 12_345.6))
    made.failures["jobs"] = "not done within 360 s"

    text = report.page(made)

    assert f"| {goal.case} | frames/s | somebody else | 12,346 | 6,173 .. 24,691 | 3 |" in text
    assert "| **failed: jobs** | not done within 360 s |" in text


def test_a_partial_run_speaks_of_its_own_goals_only() -> None:
    made = results()
    made.scripts = ["messages"]

    text = report.page(made)

    assert re.findall(r"^## (\d+)\.", text, re.MULTILINE) == ["6"]


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    made = results(seen(GOALS[0], OURS, 1.5))

    write_results(made, tmp_path / "results.json")

    assert read_results(tmp_path / "results.json") == made


def test_the_middle_of_the_runs_counts() -> None:
    (line,) = over_runs(1, "case", OURS, [{"s": 5.0}, {"s": 1.0}, {"s": 2.0}])

    assert (line.median, line.low, line.high, line.runs) == (2.0, 1.0, 5.0, 3)


def test_a_process_that_ends_between_two_looks_does_not_take_its_time_with_it() -> None:
    work = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        before_s = cpu_s(os.getpid(), child.pid)
        child.communicate(b"\n")

    assert cpu_s(os.getpid(), child.pid) >= before_s - 0.02  # hundredths of a second, of user and of system


def test_every_row_of_the_picture_and_every_figure_of_the_readme_is_a_goal() -> None:
    made = results(*(line for goal in GOALS for line in measured(goal)))

    assert [draw(made, colours).count("<rect") for colours in COLOURS] == [len(ROWS)] * len(COLOURS)
    assert len(list(report.lines(made))) == len(report.SENTENCES) + 1


def measured(goal: Goal) -> list[Seen]:
    peer = [seen(goal, goal.peer, 4.0, goal.peer_case)] if goal.peer else []
    return [seen(goal, OURS, 2.0), *peer]


@pytest.mark.skipif(not RESULTS.exists(), reason="nothing was measured yet")
def test_page_picture_and_readme_are_made_from_the_results_that_are_kept() -> None:
    kept = read_results()

    assert report.PAGE.read_text() == report.page(kept)
    assert {name: path.read_text() for name, path in PICTURES.items()} == {name: draw(kept, name) for name in PICTURES}
    readme = report.README.read_text()
    assert report.BEGIN in readme
    assert report.with_lines(readme, kept) == readme


def test_a_quick_run_of_one_script_prints_its_goal_and_writes_nothing() -> None:
    before = RESULTS.read_bytes() if RESULTS.exists() else b""

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "messages"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60.0,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"\| 192 B job state \| encode \+ decode us \| [\d.]+ \| json \| [\d.]+ \| [\d.]+ \|", done.stdout)
    assert (RESULTS.read_bytes() if RESULTS.exists() else b"") == before
