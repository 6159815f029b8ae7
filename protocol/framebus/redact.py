"""Takes credentials out of text before anybody sees it."""

import logging
import re

_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@?#]*(?:@[^\s/@?#]*)*@")
_QUERY = re.compile(r"(?i)([?&;](?:[a-z_-]*(?:password|passwd|pwd|pass|token|secret|key|auth)[a-z_-]*)=)[^&\s;#'\"]+")


def redact(text: str) -> str:
    """The text with user, password and secret query values of its URLs replaced.

    >>> redact("rtsp://viewer:s3cret@10.0.0.5/1?token=abc")
    'rtsp://***@10.0.0.5/1?token=***'
    """
    return _QUERY.sub(r"\1***", _USERINFO.sub(r"\1***@", text))


class RedactingFormatter(logging.Formatter):
    """A log formatter at the edge: whatever was logged, tracebacks included, leaves without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
