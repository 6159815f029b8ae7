"""The command demo."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from framebus_launcher.demo import run_demo

STAY_S = 60.0
EDIT_S = 600.0
"""while somebody writes a processor"""


def add_to(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    source: Annotated[
        str,
        typer.Option(
            envvar="FRAMEBUS_DEMO_SOURCE", help="A video file or rtsp:// address instead of the synthetic camera."
        ),
    ] = "",
    seconds: Annotated[
        float | None,
        typer.Option(help="How long it stays up at the end, on a terminal: 60, with --processor 600.", min=0.0),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop right after the story.")] = False,
    clips: Annotated[Path, typer.Option(help="Where the clips end.")] = Path("demo-clips"),
    processor: Annotated[
        list[str] | None,
        typer.Option(help="Your own code on each frame: a file, taken anew when it is saved, or an installed name."),
    ] = None,
) -> None:
    """Show everything working: a camera, a clip, and what happens when processes are killed.

    Example: framebus demo --source driveway.mp4
    """
    if seconds is None:
        seconds = EDIT_S if processor else STAY_S
    stay_s = 0.0 if once or not sys.stdout.isatty() else seconds
    raise typer.Exit(run_demo(source, clips=clips, stay_s=stay_s, processors=processor or []))
