"""How log lines leave a process: plain for people, JSON for collectors of logs, without credentials in either form."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from framebus.redact import RedactingFormatter, redact

FORMAT = "FRAMEBUS_LOG_FORMAT"
JSON = "json"


def log_to_stderr(service: str, environment: Mapping[str, str] = os.environ) -> None:
    """Log lines for the launcher to take up, for a person at a terminal, or as FRAMEBUS_LOG_FORMAT=json wants them."""
    handler = logging.StreamHandler(sys.stderr)
    if wants_json(environment):
        handler.setFormatter(JsonFormatter(service))
    elif environment.get("NOTIFY_SOCKET"):  # who takes them up knows the time
        handler.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))
    else:
        handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=environment.get("FRAMEBUS_LOG", "INFO"), handlers=[handler], force=True)


def wants_json(environment: Mapping[str, str]) -> bool:
    return environment.get(FORMAT, "").lower() == JSON


def json_line(at_s: float, level: str, service: str, text: str, **more: object) -> str:
    """One record as one line of JSON.

    >>> json_line(0.0, "INFO", "export", "is ready")
    '{"at": "1970-01-01T00:00:00.000Z", "level": "INFO", "service": "export", "text": "is ready"}'
    """
    at = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"at": at, "level": level, "service": service, "text": text, **more}, ensure_ascii=False)


class JsonFormatter(logging.Formatter):
    """A record with its traceback in one line of JSON, so that a collector need not put it together again."""

    def __init__(self, service: str) -> None:
        super().__init__("%(message)s")
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        text = redact(super().format(record))
        return json_line(record.created, record.levelname, self._service, text, logger=record.name)
