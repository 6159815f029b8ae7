"""The commands for who writes plug-ins: try."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

TRYING = "framebus_services.trying"


def add_to(app: typer.Typer) -> None:
    app.command("try")(try_)


def try_(
    processor: Annotated[
        str, typer.Argument(help="A file, as in ./mine.py or ./mine.py:Lights, or an installed name.")
    ],
    source: Annotated[str, typer.Option(help="A video file, a folder of pictures, or synthetic://.")],
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One of its settings; may be repeated.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="So many frames of each second; default: every one.")] = None,
    frames: Annotated[int | None, typer.Option(help="Stop after so many.")] = None,
    save: Annotated[Path | None, typer.Option(help="Folder for a picture of each finding.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End at the first exception, with its traceback.")] = False,
) -> None:
    """Run one processor over a video in one process, every frame in order: no bus, no group; breakpoint() works.

    Example: framebus try ./mine.py --source driveway.mp4 --set threshold=5
    """
    options: list[tuple[str, object]] = [("--source", source), ("--fps", fps), ("--frames", frames), ("--save", save)]
    words = [f"{name}={value}" for name, value in options if value is not None]
    words += [f"--set={text}" for text in setting or []]
    words += [name for name, is_given in (("--json", as_json), ("--stop", stop)) if is_given]
    # In its place: the terminal is the debugger's.
    os.execv(sys.executable, [sys.executable, "-m", TRYING, *words, "--", processor])
