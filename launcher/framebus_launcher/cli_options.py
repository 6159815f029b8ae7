"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None, typer.Option("-c", "--config", help="The configuration (default: framebus.yml here).")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", envvar="FRAMEBUS_DATA", help="Folder of recordings, exports and the ledger.")
]
RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run",
        envvar="FRAMEBUS_RUN",
        help="Folder of the group's sockets (default: that of the group of this folder).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Follow to the end; the exit code tells it.")]
NameArgument = Annotated[str, typer.Argument(help="As in export, or capture@front.")]
