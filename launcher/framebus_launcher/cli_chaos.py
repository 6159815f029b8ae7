"""The command `framebus chaos`: kills and stops members of a running group, and tells what that cost."""

import secrets
from typing import Annotated

import typer

from framebus.errors import ErrorCode, RefusedError
from framebus_launcher.chaos_clips import remove_clips
from framebus_launcher.chaos_run import ChaosRun
from framebus_launcher.chaos_table import recovery_json, recovery_line, verdict_json, verdict_table
from framebus_launcher.chaos_verdict import Recovery, judge
from framebus_launcher.cli_options import JsonOption, RunOption
from framebus_launcher.client import find_group
from framebus_launcher.output import make_console, to_json
from framebus_launcher.words import counted

LARGEST_SEED = 2**32 - 1


def add_to(app: typer.Typer) -> None:
    app.command()(chaos)


def chaos(
    seconds: Annotated[float, typer.Option(help="How long.", min=1.0, max=86_400.0)] = 60.0,
    seed: Annotated[
        int | None, typer.Option(help="The same seed strikes the same members in the same order.", min=0)
    ] = None,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Kill and stop random processes of a running group while it works, and show what was lost: nothing.

    It makes a small clip each second, named chaos, from what the cameras record, and removes them at the end; where a
    promise was broken they stay, to be looked at.

    Exit code 0 when every promise was kept, else 70. Ctrl-C ends it; the group runs on.

    Example: framebus chaos --seconds 60 --seed 7
    """
    place = find_group(run)
    if not (place.run / "req.launcher").exists():
        raise RefusedError(
            ErrorCode.UNAVAILABLE, f"no launcher of a whole group answers in {place.run}; start it with: framebus up"
        )
    console = make_console()
    seed = secrets.randbelow(LARGEST_SEED + 1) if seed is None else seed
    console.print(to_json({"seed": seed}) if as_json else f"seed {seed}")

    def tell(recovery: Recovery) -> None:
        console.print(to_json(recovery_json(recovery)) if as_json else recovery_line(recovery))

    started = ChaosRun(place, seed, seconds, tell)
    if not as_json:
        note = f"clips of {', '.join(started.cameras)}" if started.cameras else "no camera records: no jobs, only blows"
        console.print(f"{seconds:g} s; {note}", style="dim")
    records = started.run()
    verdict = judge(records)
    clips = sum(len(fate.files) for fate in records.fates)
    left = clips if verdict.broken else remove_clips(records.fates, started.exports)
    if as_json:
        console.print(to_json({**verdict_json(records, verdict), "clips_left": left}))
    else:
        console.print()
        console.print(verdict_table(records, verdict))
        if left:
            where = started.exports or "the folder exports of the group's data"
            console.print(f"{counted(left, 'clip')} named chaos in {where}", style="dim")
    raise typer.Exit(verdict.exit_code)
