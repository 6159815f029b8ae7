"""How a run of `framebus chaos` looks: a line for each blow, the table at the end, and both as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.console import Group
from rich.table import Table
from rich.text import Text

from framebus_launcher.chaos_verdict import Records, Recovery, Row, Verdict

STATES = ("succeeded", "failed", "cancelled", "dead")
MAX_SHOWN = 10


def recovery_line(recovery: Recovery) -> Text:
    """One blow on one line."""
    line = Text(f"{recovery.kind.value:<8} {recovery.name:<20} ")
    if recovery.back_after_s is None:
        line.append("not back", "red")
    else:
        line.append(f"back after {recovery.back_after_s:.2f} s", "green")
    return line


def verdict_table(records: Records, verdict: Verdict) -> Group:
    """The whole outcome for people."""
    parts: list[Table | Text] = [_recoveries(verdict.rows), Text(), _counts(records, verdict)]
    shown = [*verdict.lost, *verdict.duplicated, *verdict.dead][:MAX_SHOWN]
    parts += [Text(f"look at: framebus jobs {job_id}", "red") for job_id in shown]
    parts += [Text(text, "red") for text in (*records.stale[:MAX_SHOWN], *records.behind[:MAX_SHOWN])]
    if verdict.broken:
        parts.append(Text(f"broken: {', '.join(verdict.broken)} (seed {records.seed})", "red"))
    else:
        parts.append(Text("nothing was lost", "green"))
    return Group(*parts)


def verdict_json(records: Records, verdict: Verdict) -> dict[str, object]:
    """The whole outcome for programs; times in seconds."""
    return {
        "seed": records.seed,
        "seconds": records.seconds,
        "is_cut": records.is_cut,
        "recoveries": [asdict(row) for row in verdict.rows],
        "jobs": {
            "accepted": verdict.accepted,
            **{state: verdict.by_state.get(state, 0) for state in STATES},
            "at_work": verdict.at_work,
            "refused": dict(records.refused),
            "unanswered": records.unanswered,
            "histories_read": sum(fate.ends is not None for fate in records.fates),
        },
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "innocent_dead": verdict.dead,
        "torn_news": records.torn,
        "stale_news": records.stale,
        "subscribers": records.subscribers,
        "behind": records.behind,
        "calls": records.calls.number,
        "late_calls": records.calls.late,
        "broken": verdict.broken,
    }


def recovery_json(recovery: Recovery) -> dict[str, object]:
    return {"name": recovery.name, "kind": recovery.kind.value, "back_after_s": recovery.back_after_s}


def _recoveries(rows: Iterable[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("member", no_wrap=True)
    for column in ("", "times", "back p50", "p99", "max", "not back"):
        table.add_column(column, no_wrap=True, justify="left" if not column else "right")
    for row in rows:
        times = [f"{value:.2f} s" if value is not None else "-" for value in (row.p50_s, row.p99_s, row.max_s)]
        table.add_row(row.name, row.kind.value, str(row.blows), *times, Text(*_mark(row.not_back)))
    return table


def _counts(records: Records, verdict: Verdict) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_row("jobs", _jobs_text(records, verdict))
    histories = sum(fate.ends is not None for fate in records.fates)
    unread = "" if histories == len(records.fates) else f"  (history of {histories} of {len(records.fates)} read)"
    for what, cases in (("lost", verdict.lost), ("duplicated", verdict.duplicated), ("innocent dead", verdict.dead)):
        table.add_row(what, Text(*_mark(len(cases))).append(unread if what == "duplicated" else ""))
    table.add_row("torn news", Text(*_mark(records.torn)))
    table.add_row("stale news", Text(*_mark(len(records.stale))))
    table.add_row("behind", Text(*_mark(len(records.behind))).append(f" of {records.subscribers} subscribers", ""))
    table.add_row("late calls", Text(*_mark(records.calls.late)).append(f" of {records.calls.number}", ""))
    return table


def _jobs_text(records: Records, verdict: Verdict) -> str:
    words = [f"{verdict.accepted} accepted", *(f"{verdict.by_state.get(state, 0)} {state}" for state in STATES)]
    words += [f"{verdict.at_work} at work"] if verdict.at_work else []
    words += [f"{number} refused ({code})" for code, number in sorted(records.refused.items())]
    words += [f"{records.unanswered} never answered"] if records.unanswered else []
    return ", ".join(words)


def _mark(number: int) -> Sequence[str]:
    """A number that ought to be 0, and its style."""
    return str(number), "red" if number else ""
