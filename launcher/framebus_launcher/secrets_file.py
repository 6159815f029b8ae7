"""`secrets.env` beside the configuration: values of its `${NAME}`, in a file that only its user can read.

A line each, `NAME='value'`, as `env_file` of Docker Compose and EnvironmentFile of systemd read it, too. What the
environment says wins.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from framebus.errors import ConfigError, ErrorCode, RefusedError
from framebus.replacing import replacing
from framebus_launcher.document import read_text

FILE = "secrets.env"
HEAD = (
    "# Passwords that framebus.yml names as ${NAME}. For nobody else's eyes: keep it out of backups and repositories.\n"
)
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_VALUE = re.compile(r"""(?:'([^']*)'|"((?:\\.|[^"\\])*)"|(.*?))(?:\s+#.*)?""")
_ESCAPED = re.compile(r"\\(.)")
_NOT_KEPT = re.compile(r"[\0-\x1f\x7f\ufffd]")


class SecretsFile:
    """The file of one folder. It need not be there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def values(self) -> dict[str, str]:
        """What stands there; raises ConfigError, which names lines and never shows one.

        Nothing, where the file is another's: in a container, say, whose environment it was put into.
        """
        problems: list[str] = []
        found: dict[str, str] = {}
        lines = read_text(self.path).split("\n") if os.access(self.path, os.R_OK) else []
        for number, line in enumerate(lines, 1):
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

    @contextmanager
    def keep(self, values: Mapping[str, str]) -> Iterator[None]:
        """Within the block these values stand there, too, and afterwards, unless it fails."""
        if values:
            self.add(values)
        try:
            yield
        except BaseException:
            if values:
                self.take_back(values)
            raise

    def add(self, values: Mapping[str, str]) -> None:
        """Write further values behind what stands there; raises RefusedError."""
        for name, value in values.items():
            if _NOT_KEPT.search(value):
                text = f"{name}: a line of {FILE} cannot hold line ends, nor bytes that are no text"
                raise RefusedError(ErrorCode.BAD_REQUEST, f"{text}; give the camera another password")
        before = self._text()
        head = before if not before or before.endswith("\n") else f"{before}\n"
        self._write((head or HEAD) + "".join(f"{name}={_quoted(value)}\n" for name, value in values.items()))

    def take_back(self, names: Collection[str]) -> None:
        """Remove values that were added; what others have written meanwhile stays."""
        lines = self._text().splitlines(keepends=True)
        kept = [line for line in lines if line.partition("=")[0] not in names]
        if kept in ([], [HEAD]):
            self.path.unlink(missing_ok=True)
        else:
            self._write("".join(kept))

    def _text(self) -> str:
        try:
            return read_text(self.path) if self.path.exists() else ""
        except ConfigError as error:
            raise RefusedError(ErrorCode.DENIED, error.problems[0]) from None

    def _write(self, text: str) -> None:
        target = self.path.resolve()  # of a link the file is written, and the link stays
        try:
            with replacing(target, 0o600, is_synced=True) as file:
                with suppress(FileNotFoundError, PermissionError):  # only root gives files away
                    old = target.stat()
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
                file.write(text.encode())
        except OSError as error:
            raise RefusedError(ErrorCode.DENIED, f"{self.path} cannot be written: {error.strerror}") from None


def _quoted(value: str) -> str:
    if "'" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'(["\\$`])', r"\\\1", value) + '"'


def _unquoted(text: str) -> str:
    """
    >>> _unquoted("'a b' # why"), _unquoted('"it\\'s \\\\"so\\\\""'), _unquoted("plain # why")
    ('a b', 'it\\'s "so"', 'plain')
    """
    match = _VALUE.fullmatch(text)
    assert match is not None  # the last of the three takes whatever stands there
    plain, escaped, bare = match.groups()
    return plain if plain is not None else _ESCAPED.sub(r"\1", escaped) if escaped is not None else bare
