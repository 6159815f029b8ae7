"""Takes credentials out of text before anybody sees it."""

import logging
import re

# A password as people write it may hold @ : / ? and #. So after a colon all up to the last @ goes; where the colon was
# a port's, and an @ stands far behind it, too much is hidden, never too little.
_USERINFO = re.compile(r"://(?:[^\s/?#:]{0,1000}:\S{0,1000}|[^\s/?#]{1,1000})@")
# Some makes put the password into the path: /user=admin_password=s3cret_channel=1. Hidden is all up to the next sign
# that parts two settings for sure; an underscore may be the password's own.
QUERY_SECRET = re.compile(
    r"(?i)([?&;/_](?:[a-z0-9.-]{0,40}(?:password|passwd|pwd|pass|token|secret|key|auth)[a-z0-9_.-]{0,40})=)"
    r"[^&\s;#'\"/?]+"
)


def redact(text: str) -> str:
    """The text with user, password and secret query values of its URLs replaced.

    >>> redact("rtsp://viewer:s3cret@10.0.0.5/1?token=abc")
    'rtsp://***@10.0.0.5/1?token=***'
    """
    if "@" not in text and "=" not in text:  # steps of jobs come by the thousand
        return text
    return QUERY_SECRET.sub(r"\1***", _USERINFO.sub("://***@", text))


class RedactingFormatter(logging.Formatter):
    """A log formatter at the edge: whatever was logged, tracebacks included, leaves without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
