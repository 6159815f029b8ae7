"""The live table of `framebus up`: services, cameras and jobs, redrawn when there is news."""

from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from framebus.bus import Bus
from framebus.messages import CameraStatus, JobBoard, ServiceStatus
from framebus_launcher.output import cameras_table, job_line, services_table

REDRAW_S = 0.25
MAX_JOBS = 8


class LiveTable:
    """Draws the state of a group while it runs; log lines scroll by above it. Use it in a `with` block."""

    def __init__(self, console: Console, bus: Bus, services: Callable[[], list[ServiceStatus]]) -> None:
        self._console = console
        self._services = services
        self._cameras: dict[str, CameraStatus] = {}
        self._boards: dict[str, JobBoard] = {}
        self._stale: set[str] = set()
        self._live = Live(console=console, auto_refresh=False, transient=True)
        bus.on(CameraStatus, self._note_camera)
        bus.on(JobBoard, self._note_board)
        bus.on_stale(self._stale.add)
        bus.every(REDRAW_S, self._redraw)

    def __enter__(self) -> "LiveTable":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _note_camera(self, status: CameraStatus) -> None:
        self._cameras[status.camera] = status
        self._stale.discard(f"camera/{status.camera}/")

    def _note_board(self, board: JobBoard) -> None:
        self._boards[board.type] = board

    def _redraw(self) -> None:
        self._live.update(self._render(), refresh=True)

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = [Text(), services_table(self._services())]
        # A camera whose process died is never shown as online.
        known = [status for camera, status in sorted(self._cameras.items()) if f"camera/{camera}/" not in self._stale]
        if known:
            parts += [Text(), cameras_table(known)]
        parts += [Text(f"{topic.split('/')[1]}  offline: its process is restarting", "yellow") for topic in self._stale]
        jobs = [job for board in self._boards.values() for job in (*board.running, *board.waiting, *board.ended)]
        if jobs:
            parts += [Text(), *(job_line(job) for job in jobs[:MAX_JOBS])]
            if len(jobs) > MAX_JOBS:
                parts.append(Text(f"... and {len(jobs) - MAX_JOBS} more", "dim"))
        return Group(*parts)
