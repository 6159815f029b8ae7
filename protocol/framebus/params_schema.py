"""JSON schemas that the configuration declares for the parameters of jobs whose workers are in another language."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from framebus.errors import ConfigError, ErrorCode, RefusedError

Check = Callable[[bytes], None]
"""raises RefusedError for parameters that do not fit"""


def compile_schemas(schemas: Mapping[str, dict[str, Any]]) -> dict[str, Check]:
    """A check for each type; raises ConfigError that names every schema that is none."""
    if problems := find_schema_problems(schemas):
        raise ConfigError(problems)
    return {kind: _compile(schema) for kind, schema in schemas.items()}


def find_schema_problems(schemas: Mapping[str, dict[str, Any]]) -> list[str]:
    """What is wrong with the schemas of job types, each with its path."""
    problems = []
    for kind, schema in schemas.items():
        try:
            _compile(schema)
        except ValueError as error:
            problems.append(f"jobs.{kind}.schema: {error}")
    return problems


def _compile(schema: dict[str, Any]) -> Check:
    import fastjsonschema  # noqa: PLC0415  a group without schemas does not pay for it

    for reference in _references(schema):
        if not reference.startswith("#"):
            raise ValueError(f"$ref {reference!r} leads out of the schema; write it as in #/$defs/name")
    try:
        fits = fastjsonschema.compile(schema, use_default=False)
    except Exception as error:  # noqa: BLE001  the library raises whatever a malformed schema makes it stumble over
        raise ValueError(f"is no JSON schema: {error}") from None

    def check(params: bytes) -> None:
        try:
            fits(msgspec.msgpack.decode(params))
        except fastjsonschema.JsonSchemaValueException as error:
            path = "$" + str(error.name or "data").removeprefix("data")
            rule = str(error.message).removeprefix(str(error.name)).strip()
            raise RefusedError(ErrorCode.BAD_REQUEST, f"params: {rule} - at `{path}`") from None
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:  # infinity has no multiples
            raise RefusedError(ErrorCode.BAD_REQUEST, f"params: {error}") from None

    return check


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        with contextlib.suppress(KeyError):
            if isinstance(value["$ref"], str):
                yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
