"""Takes the passwords out of a camera's address: `${NAME}` stands in the configuration, the value elsewhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import unquote

from framebus.redact import QUERY_SECRET

_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)@")


@dataclass
class Vault:
    """The secrets of one camera while its addresses are written."""

    camera: str
    known: Mapping[str, str]
    """variables that have a value already"""
    new: dict[str, str] = field(default_factory=dict)
    """what has to be kept somewhere"""

    def take_out_of(self, section: Any) -> Any:
        """The section of a camera, or a part of it, with `${NAME}` for each password in an address of it."""
        if isinstance(section, dict):
            return {name: self.take_out_of(item) for name, item in section.items()}
        if isinstance(section, list):
            return [self.take_out_of(item) for item in section]
        return self.take_out(section) if isinstance(section, str) else section

    def take_out(self, source: str) -> str:
        """The address with `${NAME}` for each password in it; a use of a variable stays.

        >>> vault = Vault("front-door", {})
        >>> vault.take_out("rtsp://viewer:p%40ss@10.0.0.5/1"), vault.new
        ('rtsp://viewer:${FRONT_DOOR_PASSWORD}@10.0.0.5/1', {'FRONT_DOOR_PASSWORD': 'p@ss'})
        """
        login = _LOGIN.match(source)
        head, rest = "", source
        if login is not None:
            user, colon, password = login[2].partition(":")
            rest = source[login.end() :]
            head = f"{login[1]}{user}{colon}{self._use(password, unquote(password))}@"
        if "://" not in source:
            return source

        def in_query(found: re.Match[str]) -> str:
            value = found[0][len(found[1]) :]
            return found[1] + self._use(value, value)

        return head + QUERY_SECRET.sub(in_query, rest)

    def _use(self, written: str, secret: str) -> str:
        if not written or "${" in written:
            return written
        stem = f"{self.camera.upper().replace('-', '_')}_PASSWORD"
        stem = stem if not stem[0].isdecimal() else f"CAMERA_{stem}"
        for number in count(1):
            name = stem if number == 1 else f"{stem}_{number}"
            value = self.new.get(name, self.known.get(name))
            if value is None:
                self.new[name] = secret
            if value in (None, secret):
                return f"${{{name}}}"
        raise AssertionError("count has no end")
