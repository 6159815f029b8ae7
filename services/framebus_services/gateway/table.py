"""The table of routes: all that can be asked over HTTP."""

from framebus_services.gateway import (
    routes_cameras,
    routes_events,
    routes_exports,
    routes_group,
    routes_jobs,
    routes_open,
    routes_recordings,
)
from framebus_services.gateway.route import Route

ROUTES: tuple[Route, ...] = (
    *routes_open.ROUTES,
    *routes_group.ROUTES,
    *routes_cameras.ROUTES,
    *routes_recordings.ROUTES,
    *routes_events.ROUTES,
    *routes_jobs.ROUTES,
    *routes_exports.ROUTES,
)
