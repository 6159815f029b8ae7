"""The commands that make a configuration: init, add, import."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from framebus.addresses import Kind, find_address_problem, parse_address
from framebus.causes import said_of
from framebus.errors import ConfigError, ErrorCode, RefusedError
from framebus.messages import NAME_PATTERN, Cause
from framebus.redact import redact
from framebus.source_report import SourceReport
from framebus_launcher.camera_file import CameraFile
from framebus_launcher.cli_options import ConfigOption, DataOption, RunOption
from framebus_launcher.command import command_name
from framebus_launcher.config import DEFAULT_FILES
from framebus_launcher.credentials import Vault
from framebus_launcher.frigate import read_frigate, variables_of
from framebus_launcher.imported import Imported
from framebus_launcher.look import LOOK_S, description, look_at
from framebus_launcher.measured import Measured, MeasuredFile, mark_of
from framebus_launcher.output import is_terminal, make_console
from framebus_launcher.secrets_file import FILE as SECRETS
from framebus_launcher.small_stream import guess_small
from framebus_launcher.variables import substitute
from framebus_launcher.words import A_NAME, counted

TEMPLATE = Path(__file__).with_name("templates") / "framebus.yml"
_USER_ONLY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#@:]+)@")


def add_to(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(add)
    app.command("import")(import_)


def init() -> None:
    """Make a framebus.yml in this folder, with a comment for each part; one that is there stays as it is.

    Example: framebus init
    """
    for name in DEFAULT_FILES:
        if Path(name).exists():
            text = f"{name} is here already, and stays as it is; {command_name()} check looks it through"
            raise RefusedError(ErrorCode.CONFLICT, text)
    _make_file()
    name = command_name()
    console = make_console()
    console.print(f"made {DEFAULT_FILES[0]}")
    console.print("next:")
    console.print(f"  {name} add front_door rtsp://user@10.0.0.5/stream1   a camera of yours; it asks for the password")
    console.print(f"  {name} add street synthetic://                       or a drawn one, to begin with")
    console.print(f"  {name} up")


def add(
    name: Annotated[str, typer.Argument(help="What it is called from now on, as in front_door.")],
    source: Annotated[str, typer.Argument(metavar="URL", help="rtsp://, http://, v4l2://, a file, synthetic:// ...")],
    detect: Annotated[str, typer.Option(metavar="URL", help="Its small stream: only this one is decoded.")] = "",
    small: Annotated[
        bool | None,
        typer.Option("--small/--no-small", help="Take the small stream that is found, or none; else asked."),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Write it down though no picture comes now.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    run: RunOption = None,
) -> None:
    """Look at a camera, tell what it sends, and write it into framebus.yml; a group that runs takes it at once.

    Example: framebus add front_door rtsp://viewer@10.0.0.5/stream1
    """
    file = CameraFile(config, data=data, run=run)
    _check_name(name, file)
    vault = Vault(name, dict(file.secrets.environment()))
    adding = _Adding(file, vault, is_anyway=anyway)
    main = adding.look("source", _with_password(source))
    small_source = adding.look("--detect", _with_password(detect)) if detect else adding.find_small(main, small)
    camera: dict[str, Any] = {"source": main.written}
    if small_source is not None:
        camera["detect"] = {"source": small_source.written}
    did = file.add({name: camera}, vault.new)
    if main.report.bytes_per_s:
        found = Measured.of(main.report, mark_of(main.written))
        MeasuredFile(file.reading.place.data).note(name, found)
    console = make_console()
    console.print(f"{file.file.path}: camera {name} is written", style="green")
    for variable in vault.new:
        console.print(f"its password stands in {SECRETS} as {variable}; only you can read that file")
    console.print(f"the group has it now: {did}" if did is not None else f"next: {command_name()} up")


class _Source:
    """One address: as it was typed, as it is written, and what came from there."""

    def __init__(self, typed: str, written: str, report: SourceReport) -> None:
        self.typed = typed
        self.written = written
        self.report = report


class _Adding:
    """The conversation about one camera."""

    def __init__(self, file: CameraFile, vault: Vault, *, is_anyway: bool) -> None:
        self._file = file
        self._vault = vault
        self._is_anyway = is_anyway
        self._console = make_console()

    def look(self, what: str, source: str) -> _Source:
        """Look at an address as it was typed; raises when it is none, or no picture comes from there."""
        opened = self._opened(what, source)
        shown = redact(source)
        self._console.print(f"looking at {shown}, for {LOOK_S:.0f} s at most ...", style="dim")
        report = look_at(opened)
        if report.cause is not None and not self._is_anyway:
            mend = f"mend it, or write it down as it is with --anyway  ({command_name()} add --help)"
            raise RefusedError(ErrorCode.UNAVAILABLE, f"{shown}: {_trouble(report, source)}; {mend}")
        if report.cause is not None:
            self._console.print(f"  no picture: {_trouble(report, source)}", style="yellow")
        else:
            self._console.print(f"  {description(report)}")
        return _Source(source, self._vault.take_out(self._placed(source)), report)

    def find_small(self, main: _Source, wanted: bool | None) -> _Source | None:
        """The small stream where it can be guessed, gives pictures and is wanted."""
        guess = guess_small(main.typed) if wanted is not False else None  # where ${NAME} stands, it stays
        if guess is None or main.report.cause is not None:
            return None
        report = look_at(self._opened("its small stream", guess))
        if report.cause is not None or report.width * report.height >= main.report.width * main.report.height:
            return None
        self._console.print(f"its small stream seems to be {redact(guess)}")
        self._console.print(f"  {description(report)}")
        if wanted is None and is_terminal() and sys.stdin.isatty():
            wanted = typer.confirm("decode only this one (the main stream is still what is recorded)?", default=True)
        elif wanted is None:
            self._console.print("  --small would take it: then only this one is decoded")
        return _Source(guess, self._vault.take_out(guess), report) if wanted else None

    def _opened(self, what: str, source: str) -> str:
        problems: list[str] = []
        opened = str(substitute(source, self._vault.known, problems, what))
        if not problems and (problem := find_address_problem(opened)):
            problems.append(f"{what}: {problem}")
        if problems:
            raise ConfigError([redact(problem) for problem in problems])
        return opened

    def _placed(self, source: str) -> str:
        """A path as it is found from the folder of the configuration."""
        address = parse_address(source)
        if address.kind not in (Kind.FILE, Kind.PLUGIN) or not address.url or self._file.folder == Path.cwd():
            return source
        return source if source.startswith(("/", "file:")) else str(Path.cwd() / source)


def import_(
    frigate: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration of a Frigate.")],
    config: ConfigOption = None,
    data: DataOption = None,
    run: RunOption = None,
) -> None:
    """Take cameras, streams, zones, masks and retention from a Frigate; every line that is not taken is listed.

    Example: framebus import /config/frigate.yml
    """
    found = read_frigate(frigate)
    with _file_of_import(config):
        _import(found, CameraFile(config, data=data, run=run), frigate)


def _import(found: Imported, file: CameraFile, frigate: Path) -> None:
    cameras: dict[str, dict[str, Any]] = {}
    secrets: dict[str, str] = {}
    for name, camera in found.cameras.items():
        if name in file.names:
            found.leave(found.paths[name], f"there is a camera {name} already; it stays as it is")
            continue
        vault = Vault(name, {**file.secrets.environment(), **secrets})
        cameras[name] = vault.take_out_of(camera)
        secrets |= vault.new
    broker = ""
    if found.broker and file.has_broker:
        found.leave("mqtt", "there is a section services.mqtt already; it stays as it is")
    elif found.broker:
        vault = Vault("mqtt", {**file.secrets.environment(), **secrets})
        broker = vault.take_out(found.broker)
        secrets |= vault.new
    missing = sorted(variables_of(cameras, broker) - {**file.secrets.environment(), **secrets}.keys())
    did = file.add(cameras, secrets, broker=broker, missing=missing) if cameras else None
    _tell_import(found, cameras, broker, frigate)
    if not cameras:
        text = f"no camera of {frigate} can be taken, as is said above; nothing was written"
        raise RefusedError(ErrorCode.CONFLICT, text)
    console = make_console()
    for variable in secrets:
        console.print(f"the password {variable} stands in {SECRETS}; only you can read that file")
    if missing:
        console.print(f"still to be given, each as a line of {file.secrets.path}:", style="yellow")
        for variable in missing:
            console.print(f"  {variable}='...'")
    console.print(f"the group has them now: {did}" if did is not None else f"next: {command_name()} check")


@contextmanager
def _file_of_import(config: Path | None) -> Iterator[None]:
    """A new configuration where this folder has none; it is gone again when nothing comes of the import."""
    if config is not None or any(Path(name).exists() for name in DEFAULT_FILES):
        yield
        return
    _make_file()
    try:
        yield
    except BaseException:
        Path(DEFAULT_FILES[0]).unlink(missing_ok=True)
        raise


def _keep_words(keep: str | dict[str, str]) -> str:
    if isinstance(keep, str):
        return keep
    return f"{keep['all']}, {keep['motion']} with motion, {keep['objects']} with objects"


def _tell_import(found: Imported, cameras: dict[str, dict[str, Any]], broker: str, file: Path) -> None:
    console = make_console()
    for name, camera in cameras.items():
        parts = [redact(camera["source"])]
        if "source" in camera.get("detect", {}):
            parts.append(f"detection on {redact(camera['detect']['source'])}")
        parts += [counted(len(camera[kind]), kind.removesuffix("s")) for kind in ("zones", "masks") if kind in camera]
        record = camera.get("record", {})
        parts.append(
            "not recorded" if record.get("enabled") is False else f"kept {_keep_words(record.get('keep', '7d'))}"
        )
        console.print(f"{name}: {', '.join(parts)}", style="green")
    if broker and cameras:
        console.print(f"mqtt: {redact(broker)}, topics begin with framebus: docs/mqtt.md", style="green")
    for note in found.notes:
        console.print(f"  {note}", style="yellow")
    if found.left:
        console.print(f"not taken of {file}:")
        for line in found.left_lines():
            console.print(f"  {line}")


def _make_file() -> None:
    """Whole or not at all; raises RefusedError, OSError."""
    path = Path(DEFAULT_FILES[0])
    try:
        file = path.open("x")
    except PermissionError:
        text = f"{path} cannot be made in {Path.cwd()}: go to a folder of yours, or give yourself the right"
        raise RefusedError(ErrorCode.DENIED, text) from None
    try:
        with file:
            file.write(TEMPLATE.read_text())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path.absolute())) from None


def _trouble(report: SourceReport, source: str) -> str:
    """Why there is no picture from this source."""
    return said_of(report.cause or Cause.UNKNOWN, report.detail, source)


def _check_name(name: str, file: CameraFile) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise typer.BadParameter(f"{name!r} is no name of a camera: it is {A_NAME}", param_hint="NAME")
    if name in file.names:
        text = f"there is a camera {name} in {file.file.path} already; choose another name, or change it there"
        raise RefusedError(ErrorCode.CONFLICT, text)


def _with_password(source: str) -> str:
    """An address with a user and no password is asked for it, where somebody can be asked."""
    login = _USER_ONLY.match(source)
    if login is None or not sys.stdin.isatty():
        return source
    password = typer.prompt(f"password of {login[2]}", hide_input=True, default="", show_default=False)
    return f"{login[1]}{login[2]}:{quote(password, safe='')}@{source[login.end() :]}" if password else source
