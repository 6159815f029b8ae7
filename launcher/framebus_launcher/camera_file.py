"""Writes cameras into the configuration: into the file, or where a group runs with it, through its launcher, live."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from msgspec import Raw

from framebus import codec
from framebus.errors import ConfigError, ErrorCode, RefusedError
from framebus.group_here import find_launchers
from framebus.requests import ChangeConfig, GetConfig
from framebus_launcher.client import GroupClient
from framebus_launcher.config_file import ConfigFile, Reading
from framebus_launcher.document import is_toml
from framebus_launcher.edit import EditError, edit_yaml
from framebus_launcher.reload import summary
from framebus_launcher.secrets_file import SecretsFile

CHANGE_S = 20.0


class CameraFile:
    """The configuration of one folder as who adds cameras sees it."""

    def __init__(self, path: Path | None, *, data: Path | None = None, run: Path | None = None) -> None:
        """By default `framebus.yml` in this folder. Raises ConfigError, also for what is wrong in it already."""
        self.file = ConfigFile(path, data=data, run=run)
        self.reading: Reading = self.file.first
        self.folder = self.file.path.parent.resolve()
        self.secrets = SecretsFile(self.folder)
        if is_toml(self.file.path):
            raise ConfigError([f"{self.file.path}: only YAML is written from here; add the camera by hand"])

    @property
    def names(self) -> list[str]:
        """The cameras that there are."""
        return list(self.reading.settings.cameras)

    @property
    def has_broker(self) -> bool:
        """Whether the section `services.mqtt` is there."""
        return "mqtt" in (self.reading.written.get("services") or {})

    def add(
        self,
        cameras: Mapping[str, dict[str, Any]],
        secrets: Mapping[str, str],
        *,
        broker: str = "",
        missing: Collection[str] = (),
    ) -> str | None:
        """Write them and their secrets; what the group that runs with this file did, None where there is none.

        `broker`: the `url` of a section `services.mqtt`. `missing` are variables that get their value later; a group
        that runs needs them now. Raises RefusedError or ConfigError, and then nothing has changed.
        """
        with self.secrets.keep(secrets):
            return self._write({**(self.reading.written.get("cameras") or {}), **cameras}, broker, missing)

    def _write(self, cameras: dict[str, Any], broker: str, missing: Collection[str]) -> str | None:
        if self._is_of_a_group():
            if missing:
                wanted = [f"{name} is not set: write {name}='...' into {self.secrets.path}" for name in missing]
                raise ConfigError([*wanted, "a group runs with this file, and it needs them: nothing was written"])
            with GroupClient(self.reading.place.run) as group:
                value = Raw(codec.encode(cameras))
                change = ChangeConfig(path="cameras", value=value, revision=self.reading.revision)
                applied = group.ask("launcher", change, CHANGE_S)
                if broker:
                    section = Raw(codec.encode({"url": broker}))
                    change = ChangeConfig(path="services.mqtt", value=section, revision=applied.revision)
                    return f"{summary(applied)}; {summary(group.ask('launcher', change, CHANGE_S))}"
                return summary(applied)
        try:
            text = edit_yaml(self.file.path, self.reading.text, ["cameras"], cameras)
            if broker:
                text = edit_yaml(self.file.path, text, ["services", "mqtt"], {"url": broker})
        except EditError as error:
            raise RefusedError(ErrorCode.BAD_REQUEST, f"{self.file.path}: cameras: {error}") from None
        self.file.check(text, missing=missing)
        self.file.write(text, self.reading.revision)
        return None

    def _is_of_a_group(self) -> bool:
        """Whether the group that runs there was started with this very file."""
        run = self.reading.place.run
        if not (run / "req.launcher").exists() or not find_launchers(run):
            return False
        with GroupClient(run) as group:
            try:
                theirs = Path(group.ask("launcher", GetConfig()).file)
            except RefusedError as error:
                if error.code is not ErrorCode.NOT_FOUND:
                    raise
                return False  # it was started without a file
        return theirs.resolve() == self.file.path.resolve()
