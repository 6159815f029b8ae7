"""The command `framebus`: one place where its commands come together."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from framebus.errors import ConfigError, ExitCode, MalformedError, RefusedError
from framebus_launcher import cli_events, cli_group, cli_jobs, cli_news
from framebus_launcher.demo import run_demo
from framebus_launcher.output import make_console

app = typer.Typer(
    name="framebus",
    help="Camera video as small processes that talk over ZeroMQ.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def demo(
    source: Annotated[
        str,
        typer.Option(
            envvar="FRAMEBUS_DEMO_SOURCE", help="A video file or rtsp:// address instead of the synthetic camera."
        ),
    ] = "",
    seconds: Annotated[float, typer.Option(help="How long it stays up at the end, on a terminal.", min=0.0)] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Stop right after the story.")] = False,
    clips: Annotated[Path, typer.Option(help="Where the clips end.")] = Path("demo-clips"),
) -> None:
    """Show everything working: a camera, a clip, and what happens when processes are killed.

    Example: framebus demo --source driveway.mp4
    """
    raise typer.Exit(run_demo(source, clips=clips, stay_s=0.0 if once or not sys.stdout.isatty() else seconds))


cli_group.add_to(app)
cli_jobs.add_to(app)
cli_news.add_to(app)
cli_events.add_to(app)


def main() -> None:
    """Run the command; errors that a user can mend are one line, never a traceback."""
    console = make_console(is_error=True)
    try:
        app()
    except ConfigError as error:
        for problem in error.problems:
            console.print(f"error: {problem}", style="red")
        sys.exit(ExitCode.CONFIGURATION)
    except RefusedError as error:
        again = f"; try again in {error.retry_after_s:.0f} s" if error.retry_after_s else ""
        console.print(f"error: {error.code}: {error.message}{again}", style="red")
        sys.exit(ExitCode.UNAVAILABLE if error.code in ("deadline", "unavailable") else ExitCode.FAILED)
    except MalformedError as error:
        console.print(f"error: an answer could not be read: {error}", style="red")
        sys.exit(ExitCode.FAILED)
    except PermissionError as error:
        console.print(f"error: {error}", style="red")
        sys.exit(ExitCode.PERMISSION)
    except BrokenPipeError:
        sys.exit(ExitCode.OK)
    except KeyboardInterrupt:
        sys.exit(130)
