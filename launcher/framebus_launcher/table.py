"""The process table: what the launcher runs, one row for each process."""

import os
import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, TypeVar

import msgspec

from framebus.errors import ConfigError
from framebus.keep import Keep
from framebus.messages import NAME_PATTERN
from framebus.notify_settings import NotifySettings, notify_process_settings
from framebus.place import Place
from framebus.plugins import find_job_runners, find_services
from framebus.settings import (
    AnalysisSettings,
    CaptureSettings,
    DispatcherSettings,
    EnrichedCamera,
    EnrichProcessSettings,
    EnrichSettings,
    ExportSettings,
    GatewaySettings,
    HttpSettings,
    IngestProcessSettings,
    IngestSettings,
    MqttProcessSettings,
    MqttSettings,
    Notify,
    Plugin,
    Settings,
)

S = TypeVar("S", bound=msgspec.Struct)

READY_S = 15.0
GENTLE_NICE = 10
LAST = 3
"""the tier of plug-ins, and of what no camera waits for: uploads lie in their folder until somebody comes"""
DISPATCHER = "dispatcher"
ENRICH = "enrich"
MQTT = "mqtt"
NOTIFY = "notify"
BUILT_IN = ("export", "ingest", "analysis", ENRICH, NOTIFY, MQTT)
"""services that the configuration may set or switch off"""
ON_WISH = (NOTIFY, MQTT)
"""those of them that are there only where the configuration has settings for them"""
JOBS_HOST, SERVICE_HOST = "framebus.run_jobs", "framebus.run_service"
"""modules that host what installed packages bring"""
RUNNERS = {
    "export": "framebus_services.export.clip",
    "analysis": "framebus_services.analysis.runner",
    NOTIFY: "framebus_services.notify.runner",
}
"""where the job runners of the built-in services are"""
RESERVED = frozenset({DISPATCHER, "launcher", "capture", "gateway", *BUILT_IN})
"""names that no plug-in may have"""
BIND = "FRAMEBUS_HTTP_BIND"
"""the address that the gateway listens at where the configuration names none, as in a container"""
WEB = ("starlette", "uvicorn", "websockets")
CAMERAS = ("av", "cv2")
UPLOADS = ("watchdog",)
"""libraries without which a service is left out, unless the configuration asks for it"""
IS_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One process of the group."""

    name: str
    """instance, as in `capture@front`"""
    tier: int
    """a tier stops before the one below it, and starts when that is ready; who is eager waits for the first alone"""
    argv: tuple[str, ...]
    section: bytes = b"{}"
    """its settings as JSON"""
    notify: Notify = True
    """whether and where it speaks sd_notify; if not, it counts as ready when it has run for 1 s"""
    nice: int = 0
    ready_s: float = READY_S
    env: dict[str, str] = field(default_factory=dict)
    live: tuple[str, ...] = ()
    """the settings that it takes while it runs, from `config/<setting>/` or its file; another restarts it"""
    module: str = ""
    """what it is made of, where that is ours: the zygote has it loaded"""

    @property
    def is_eager(self) -> bool:
        """Whether it starts with the first tier after the dispatcher, whatever its own; it stops with its own."""
        return self.kind in RESERVED and self.module != ""

    @property
    def kind(self) -> str:
        """What `up --only` names it by: `capture` for `capture@front`."""
        return self.name.partition("@")[0]


def make_table(settings: Settings, place: Place) -> list[Row]:
    """The rows of a group, in the order of starting; raises ConfigError for names too long to be a socket's path."""
    dispatcher = DispatcherSettings(cameras=list(settings.cameras), jobs=settings.jobs)
    rows = [_built_in(DISPATCHER, DISPATCHER, 0, dispatcher, live=("cameras", "jobs"))]
    export = built_in_settings(settings, "export", ExportSettings)
    if export is not None:
        export = msgspec.structs.replace(export, timezone=export.timezone or settings.timezone)
        rows.append(_hosted("export", JOBS_HOST, 1, msgspec.json.encode(export), nice=GENTLE_NICE))
    ingest = built_in_settings(settings, "ingest", IngestSettings)
    if ingest is not None and ("ingest" in settings.services or has_libraries(UPLOADS)):
        taken_in = IngestProcessSettings(cameras=list(settings.cameras), **msgspec.structs.asdict(ingest))
        rows.append(_built_in("ingest", "ingest", LAST, taken_in, live=("cameras",)))
    analysis = built_in_settings(settings, "analysis", AnalysisSettings)
    if analysis is not None:
        rows.append(_hosted("analysis", JOBS_HOST, LAST, msgspec.json.encode(analysis), nice=GENTLE_NICE))
    enrich = built_in_settings(settings, ENRICH, EnrichSettings)
    if enrich is not None:
        looked_at = {
            name: EnrichedCamera(zones=camera.zones, masks=camera.masks, keep_s=Keep.of(camera.record.keep).longest_s)
            for name, camera in settings.cameras.items()
        }
        told = EnrichProcessSettings(cameras=looked_at, **msgspec.structs.asdict(enrich))
        rows.append(_built_in(ENRICH, ENRICH, 1, told, live=("cameras", "processors")))
    notify = built_in_settings(settings, NOTIFY, NotifySettings)
    if notify is not None:
        told_notify = notify_process_settings(notify, settings.timezone, list(settings.cameras))
        rows.append(_hosted(NOTIFY, JOBS_HOST, LAST, msgspec.json.encode(told_notify)))
    rows += _installed(settings, JOBS_HOST, 1)
    http = http_settings(settings)
    if http is not None:
        told_http = GatewaySettings(
            cameras=list(settings.cameras), timezone=settings.timezone, **msgspec.structs.asdict(http)
        )
        rows.append(_built_in("gateway", "gateway", 2, told_http, live=("cameras",)))
    for name, camera in settings.cameras.items():
        seen = msgspec.structs.replace(camera, zones={}, masks=[])  # a new zone is no reason to start capture again
        capture = CaptureSettings(camera=name, **msgspec.structs.asdict(seen))
        rows.append(_built_in(f"capture@{name}", "capture", 2, capture))
    mqtt = built_in_settings(settings, MQTT, MqttSettings)
    if mqtt is not None:
        zones = {name: list(camera.zones) for name, camera in settings.cameras.items()}
        told_mqtt = MqttProcessSettings(cameras=zones, **msgspec.structs.asdict(mqtt))
        rows.append(_built_in(MQTT, MQTT, LAST, told_mqtt, live=("cameras",)))
    rows += _installed(settings, SERVICE_HOST, LAST)
    for name, value in settings.services.items():
        if name not in BUILT_IN and name not in installed_services():
            rows.append(_plugin(name, msgspec.convert(value, Plugin)))
    return rows


def rows_of_kinds(table: Sequence[Row], kinds: Collection[str]) -> list[Row]:
    """The rows that `up --only KIND...` runs; raises ConfigError for a kind that the table does not have."""
    known = {row.kind for row in table}
    problems = [f"{kind}: the table has no such service; it has {', '.join(sorted(known))}" for kind in kinds]
    problems = [problem for problem, kind in zip(problems, kinds, strict=True) if kind not in known]
    if problems:
        raise ConfigError(problems)
    return [row for row in table if row.kind in kinds]


def built_in_settings(settings: Settings, name: str, kind: type[S]) -> S | None:
    """The section of a built-in service, by default its defaults; None where there is none (`enrich: off`)."""
    value: Any = settings.services.get(name, name not in ON_WISH)
    if value is False or value is None:
        return None
    return kind() if value is True else msgspec.convert(value, kind)


def http_settings(settings: Settings) -> HttpSettings | None:
    """Where browsers find the group; None where they do not: `http: off`, or the extra `web` is not installed."""
    http = settings.http
    if http is False or (http is None and not has_web()):
        return None
    given = http if isinstance(http, HttpSettings) else HttpSettings()
    return msgspec.structs.replace(given, bind=given.bind or os.environ.get(BIND) or None)


def no_service(name: str, known: Collection[str]) -> str:
    """What to say of a name that nobody has; a camera's is the end of one."""
    capture = f"capture@{name}"
    mend = f"did you mean {capture}?" if capture in known else f"there are {', '.join(known)}"
    return f"no service {name}; {mend}"


def has_libraries(names: Sequence[str]) -> bool:
    """Whether these are installed; none is imported here."""
    return all(find_spec(name) is not None for name in names)


def has_web() -> bool:
    """Whether the libraries of the gateway are installed."""
    return has_libraries(WEB)


def has_camera_libraries() -> bool:
    """Whether the libraries that read and write video are installed."""
    return has_libraries(CAMERAS)


def _built_in(
    name: str, module: str, tier: int, section: msgspec.Struct, *, nice: int = 0, live: tuple[str, ...] = ()
) -> Row:
    return Row(
        name=name,
        tier=tier,
        argv=(sys.executable, "-m", f"framebus_services.{module}"),
        section=msgspec.json.encode(section),
        nice=nice,
        live=live,
        module=f"framebus_services.{module}.service",
    )


def _hosted(name: str, host: str, tier: int, section: bytes, *, nice: int = 0) -> Row:
    """A row of what a package brings; of others' code the zygote loads nothing, only its host."""
    argv = (sys.executable, "-m", host, name)
    return Row(name=name, tier=tier, argv=argv, section=section, nice=nice, module=RUNNERS.get(name, host))


def _installed(settings: Settings, host: str, tier: int) -> list[Row]:
    """The rows that one host has, without those that are switched off (`name: off`)."""
    sections: dict[str, Any] = {
        name: settings.services.get(name, True) for name, its_host in installed_services().items() if its_host == host
    }
    return [
        _hosted(name, host, tier, msgspec.json.encode({} if section is True else section))
        for name, section in sections.items()
        if section is not False and section is not None
    ]


def _plugin(name: str, plugin: Plugin) -> Row:
    return Row(
        name=name,
        tier=LAST,
        argv=tuple(plugin.command),
        section=msgspec.json.encode(plugin.settings),
        notify=plugin.notify,
        env=plugin.env,
    )


def installed_services() -> dict[str, str]:
    """What installed packages bring, each a row of its own, and the module that hosts it; none is imported here."""
    found = dict.fromkeys(find_services(), SERVICE_HOST) | dict.fromkeys(find_job_runners(), JOBS_HOST)
    return {name: found[name] for name in sorted(found) if name not in RESERVED and IS_NAME.fullmatch(name)}


def left_out_services() -> list[str]:
    """What installed packages bring and no row is made for, each with the reason."""
    services, jobs = find_services(), find_job_runners()
    problems = [
        f"{name}: a package brings a service of this name, and one brings jobs; these run"
        for name in services
        if name in jobs
    ]
    for name, value in sorted({**services, **jobs}.items()):
        if name in RESERVED and not value.startswith("framebus_services."):
            problems.append(f"{name}: {value} is left out: this name belongs to framebus")
        elif not IS_NAME.fullmatch(name):
            problems.append(f"{name}: {value} is left out: a name has at most 32 of a-z, 0-9, _ and -")
    return problems
