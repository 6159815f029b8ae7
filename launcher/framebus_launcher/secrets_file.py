"""`secrets.env` beside the configuration: values of its `${NAME}`, in a file that only its user can read.

A line each, `NAME='value'`, as `env_file` of Docker Compose and EnvironmentFile of systemd read it, too. What the
environment says wins.
"""

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from framebus.errors import ConfigError

FILE = "secrets.env"
HEAD = (
    "# Passwords that framebus.yml names as ${NAME}. For nobody else's eyes: keep it out of backups and repositories.\n"
)
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_ESCAPED = re.compile(r"\\(.)")


class SecretsFile:
    """The file of one folder. It need not be there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def values(self) -> dict[str, str]:
        """What stands there; raises ConfigError, which names lines and never shows one."""
        problems: list[str] = []
        found: dict[str, str] = {}
        for number, line in enumerate(self._text().splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None:
                problems.append(f"{self.path}:{number}: is no NAME='value'")
            else:
                found[match[1]] = _unquoted(match[2])
        if problems:
            raise ConfigError(problems)
        return found

    def environment(self) -> Mapping[str, str]:
        """The values, and the environment of this process, which wins."""
        return {**self.values(), **os.environ}

    def add(self, values: Mapping[str, str]) -> str:
        """Write further values behind what stands there; returns the text as it was, for `restore`."""
        before = self._text()
        head = before if not before or before.endswith("\n") else f"{before}\n"
        lines = "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())
        self.restore((head or HEAD) + lines)
        return before

    def restore(self, text: str) -> None:
        """Make this its text; none removes it."""
        if not text:
            self.path.unlink(missing_ok=True)
            return
        draft = self.path.with_name(f".{FILE}.{secrets.token_hex(4)}.tmp")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _text(self) -> str:
        try:
            return self.path.read_text()
        except (
            FileNotFoundError,
            PermissionError,
        ):  # in a container it may be another's, who put it into our environment
            return ""
        except UnicodeDecodeError:
            raise ConfigError([f"{self.path}: is not UTF-8 text"]) from None


def _quoted(value: str) -> str:
    if "'" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'(["\\$`])', r"\\\1", value) + '"'


def _unquoted(text: str) -> str:
    """
    >>> _unquoted("'a b'"), _unquoted('"it\\'s \\\\"so\\\\""'), _unquoted("plain # why")
    ('a b', 'it\\'s "so"', 'plain')
    """
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text.partition(" #")[0].rstrip()
