"""Brings a running group to a new configuration: checked as a whole first, then only what changed is touched."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Raw

from framebus import codec
from framebus.bus import Bus
from framebus.errors import ConfigError, ErrorCode, MalformedError, RefusedError
from framebus.keep_settings import size_bytes
from framebus.messages import NAME_PATTERN, ConfigChanged
from framebus.place import Place
from framebus.requests import ChangeConfig, Config, ConfigApplied, GetConfig, Reload
from framebus.settings import Settings
from framebus_launcher.config_file import ConfigFile, Reading
from framebus_launcher.credentials import Vault
from framebus_launcher.crew import Crew
from framebus_launcher.document import is_toml
from framebus_launcher.edit import EditError, Part, edit_yaml, find_value, parse_path
from framebus_launcher.folders import tidy_rows, write_settings
from framebus_launcher.member import Member
from framebus_launcher.plan import Plan, make_plan
from framebus_launcher.redaction import restored, shown
from framebus_launcher.secrets_file import SecretsFile
from framebus_launcher.table import DISPATCHER

log = logging.getLogger(__name__)

LIMIT_S = 60.0
"""after so long a reload counts as over, whatever a service still does"""
AGAIN_S = 2.0
MAX_PROBLEMS = 100
MAX_TEXT = 4_000


class Reloader:
    """What the launcher does with its configuration file while the group runs."""

    def __init__(
        self,
        bus: Bus,
        crew: Crew,
        place: Place,
        file: ConfigFile | None,
        begin: Callable[[Member], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        """`begin(member)` starts a new member when it is its tier's turn."""
        self._bus = bus
        self._crew = crew
        self._place = place
        self._file = file
        self._begin = begin
        self._is_stopping = is_stopping
        self._revision = file.first.revision if file is not None else 0
        self._told: dict[str, object] = {}
        self._leaving: list[Member] = []
        self._moving: list[Member] = []
        self._until_s = 0.0
        self.max_bytes: float | None = None
        """what all recordings may take together, as the configuration has it now"""

    def open(self, settings: Settings) -> None:
        """Answer what is asked about the configuration, and tell it."""
        self._take(settings)
        self._bus.answer(Reload, lambda _: self.reload())
        self._bus.answer(GetConfig, self._get)
        self._bus.answer(ChangeConfig, self._change)
        self._tell(self._file.first.written if self._file is not None else msgspec.to_builtins(settings))

    def step(self, now_s: float) -> None:
        """Tidy up after those who have left, and notice when a reload is over."""
        for member in [member for member in self._leaving if member.child is None]:
            self._leaving.remove(member)
            self._bus.publish(msgspec.structs.replace(member.status, reason="no longer in the configuration"))
            self._crew.remove(member.row.name)
            tidy_rows(self._place, [member.row])
        self._moving = [member for member in self._moving if not member.is_at_rest and now_s < self._until_s]

    def is_leaving(self, member: Member) -> bool:
        """Whether the configuration no longer has it."""
        return member in self._leaving

    def reload(self) -> ConfigApplied:
        """Read the file again and apply it; raises RefusedError, and then nothing has changed."""
        file = self._ready_file()
        return self._apply(_checked(lambda: file.read(self._place)))

    def refresh(self, member: Member) -> None:
        """Before a start that was asked for: its row as the file has it now; raises RefusedError when that is wrong."""
        if self._file is None or member.child is not None or self._is_moving:
            return
        file = self._file
        reading = _checked(lambda: file.read(self._place))
        row = next((row for row in reading.rows if row.name == member.row.name), member.row)
        if row != member.row:
            log.info("%s: its settings have changed in %s, and are read again", row.name, file.path)
            member.row = row

    # Requests ---------------------------------------------------------------------------------------------------------

    def _get(self, ask: GetConfig) -> Config:
        file = self._named_file()
        reading = _checked(file.read)
        value = shown(reading.written)  # all of it, and then the part: what a word means stands before it
        try:
            value = find_value(value, parse_path(ask.path)) if ask.path else value
        except LookupError:
            raise RefusedError(ErrorCode.NOT_FOUND, f"{file.path} does not set {ask.path}") from None
        except EditError as error:
            raise RefusedError(ErrorCode.BAD_REQUEST, str(error)) from None
        return Config(file=str(file.path.absolute()), revision=reading.revision, value=Raw(codec.encode(value)))

    def _change(self, ask: ChangeConfig) -> ConfigApplied:
        file = self._ready_file()
        if is_toml(file.path):
            text = f"only YAML is written from here; edit {file.path} and say `framebus reload`"
            raise RefusedError(ErrorCode.BAD_REQUEST, text)
        before = _checked(file.read)
        if before.revision != ask.revision:
            raise RefusedError(ErrorCode.CONFLICT, f"{file.path} has changed since; read it again")
        try:
            parts, new = parse_path(ask.path), msgspec.msgpack.decode(bytes(ask.value))
            old = None
            with suppress(LookupError):
                old = find_value(before.written, parts)
            secrets = SecretsFile(file.path.parent.resolve())
            new, passwords = _without_passwords(parts, restored(new, old, str(parts[-1])), secrets)
            text = edit_yaml(file.path, before.text, parts, new)
        except (EditError, ValueError, msgspec.MsgspecError) as error:
            raise RefusedError(ErrorCode.BAD_REQUEST, f"{ask.path}: {error}") from None
        with secrets.keep(passwords):
            reading = _checked(lambda: file.check(text, self._place))
            file.write(text, before.revision)
        log.info("%s: %s was set", file.path, ask.path)
        return self._apply(reading)

    def _named_file(self) -> ConfigFile:
        if self._is_stopping():
            raise RefusedError(ErrorCode.UNAVAILABLE, "the group is stopping")
        if self._file is None:
            raise RefusedError(ErrorCode.NOT_FOUND, "this group was started without a configuration file")
        return self._file

    def _ready_file(self) -> ConfigFile:
        file = self._named_file()
        if self._is_moving:
            names = ", ".join(member.row.name for member in (*self._leaving, *self._moving))
            text = f"the change before this is still under way: {names}"
            raise RefusedError(ErrorCode.BUSY, text, retry_after_s=AGAIN_S)
        return file

    @property
    def _is_moving(self) -> bool:
        return bool(self._moving or self._leaving)

    # Applying ---------------------------------------------------------------------------------------------------------

    def _apply(self, reading: Reading) -> ConfigApplied:
        now_s = self._bus.clock.boot_s()
        plan = make_plan(self._crew.rows, reading.rows)
        self._crew.set_policy(reading.settings.launcher.restart)
        self._take(reading.settings)
        self._revision = reading.revision
        self._until_s = now_s + LIMIT_S
        restarted = self._follow(plan, now_s)
        self._tell(reading.written)
        applied = ConfigApplied(
            revision=reading.revision,
            live=[row.name for row in plan.live],
            restarted=restarted,
            started=[row.name for row in plan.start],
            stopped=list(plan.stop),
        )
        for warning in reading.warnings:
            log.warning("%s", warning)
        log.info("the configuration is applied: %s", summary(applied))
        return applied

    def _take(self, settings: Settings) -> None:
        most = settings.recordings.max
        self.max_bytes = None if most is None else size_bytes(most)

    def _follow(self, plan: Plan, now_s: float) -> list[str]:
        """Go the way of the plan; the names of those that are replaced."""
        members = self._crew.members
        for row in plan.live:
            if members[row.name].child is not None:
                write_settings(self._place, row)
            members[row.name].row = row  # not before: what could not be written is yet to be told, by the next reload
        for name in plan.stop:
            members[name].stop(now_s)
            self._leaving.append(members[name])
        restarted = [row.name for row in plan.restart if members[row.name].replace(row, now_s)]
        self._moving += [members[name] for name in restarted]
        for row in plan.start:
            member = self._crew.add(row)
            self._begin(member)
            self._moving.append(member)
        return restarted

    def _tell(self, written: dict[str, Any]) -> None:
        """Publish what is new of each section, without passwords; the launcher of the dispatcher speaks for all."""
        if DISPATCHER not in self._crew.members:
            return
        default = msgspec.to_builtins(Settings())
        for section in default:
            value = written.get(section)
            value = default[section] if value is None else shown(value, section)
            if section not in self._told or self._told[section] != value:
                self._told[section] = value
                try:
                    raw = Raw(codec.encode(value))
                    self._bus.publish(ConfigChanged(section=section, revision=self._revision, value=raw))
                except (MalformedError, TypeError, ValueError, OverflowError) as error:
                    log.error("config/%s/ cannot be told: %s", section, error)


def summary(applied: ConfigApplied) -> str:
    """What a change did, in one line."""
    parts = {
        "told": applied.live,
        "restarted": applied.restarted,
        "started": applied.started,
        "stopped": applied.stopped,
    }
    return "; ".join(f"{word} {', '.join(names)}" for word, names in parts.items() if names) or "nothing changed"


def _without_passwords(parts: Sequence[Part], new: Any, secrets: SecretsFile) -> tuple[Any, Mapping[str, str]]:
    """What is to stand at a path of one camera, and the passwords that were in it, by their variables."""
    if parts[0] != "cameras" or len(parts) == 1 or not re.fullmatch(NAME_PATTERN, str(parts[1])):
        return new, {}
    vault = Vault(str(parts[1]), secrets.environment())
    return vault.take_out_of(new), vault.new


def _checked(read: Callable[[], Reading]) -> Reading:
    """What `read` returns; an error of the configuration becomes a refusal with every problem and its line."""
    try:
        return read()
    except ConfigError as error:
        text = "the configuration is refused, and the group goes on as it was:\n" + "\n".join(error.problems)
        problems = error.problems[:MAX_PROBLEMS]
        raise RefusedError(ErrorCode.BAD_REQUEST, text[:MAX_TEXT], details={"problems": problems}) from None
