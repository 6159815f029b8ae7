"""The OpenAPI document, made from the table of routes and their structs."""

import functools
import operator
import re
import types
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw, Struct

from framebus.codec import ErrorBody
from framebus_services.gateway.authority import LEAST_ROLE
from framebus_services.gateway.route import Route

_REF = "#/components/schemas/{name}"


def make_openapi(routes: Sequence[Route], prefix: str) -> dict[str, Any]:
    """The document as plain values."""
    structs: list[type[Struct]] = [ErrorBody]
    for route in routes:
        structs += [struct for struct in (route.body, route.answer) if struct is not None and struct not in structs]
    plain = _Plain()
    schemas, components = msgspec.json.schema_components([plain.of(one) for one in structs], ref_template=_REF)
    named = dict(zip(structs, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(f"/{route.path}", {})[route.method.lower()] = _operation(route, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "framebus", "version": version("framebus"), "license": {"name": "Apache-2.0"}},
        "servers": [{"url": prefix or "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "framebus_<group>"},
            },
        },
    }


class _Plain:
    """Structs as JSON shows them: what is MessagePack inside a message may be anything."""

    def __init__(self) -> None:
        self._made: dict[type[Struct], type[Struct]] = {}

    def of(self, kind: Any) -> Any:
        """The type without `Raw`, which has no schema."""
        origin, arguments = get_origin(kind), get_args(kind)
        if kind is Raw:
            return Any
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self._struct(kind)
        if origin is Annotated:
            return Annotated[self.of(arguments[0]), *arguments[1:]]
        if origin in (Union, types.UnionType):
            return functools.reduce(operator.or_, [self.of(one) for one in arguments])
        if origin in (list, dict):
            return origin[tuple(self.of(one) for one in arguments)]
        return kind

    def _struct(self, kind: type[Struct]) -> type[Struct]:
        if kind not in self._made:
            hints = get_type_hints(kind, include_extras=True)
            fields = []
            for one in msgspec.structs.fields(kind):
                given: dict[str, Any] = {}
                if one.default is not msgspec.NODEFAULT:
                    given["default"] = None if isinstance(one.default, Raw) else one.default
                elif one.default_factory is not msgspec.NODEFAULT:
                    given["default_factory"] = one.default_factory
                fields.append((one.name, self.of(hints[one.name]), msgspec.field(**given)))
            self._made[kind] = msgspec.defstruct(
                kind.__name__, fields, namespace={"__doc__": kind.__doc__}, kw_only=True
            )
        return self._made[kind]


def _operation(route: Route, named: dict[type[Struct], dict[str, Any]]) -> dict[str, Any]:
    answered: dict[str, Any] = {"description": "done"}
    if route.answer is not None:
        answered["content"] = {route.media: {"schema": named[route.answer]}}
    elif route.media != "application/json":
        answered["content"] = {route.media: {"schema": {"type": "string", "format": "binary"}}}
    refused = {"description": "refused", "content": {"application/json": {"schema": named[ErrorBody]}}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handle.__name__,
        "description": f"Least role: {LEAST_ROLE[route.action]}.",
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {str(route.status): answered, "default": refused},
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": named[route.body]}},
        }
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    parameters = []
    for one in msgspec.structs.fields(route.query):
        schema = msgspec.json.schema(one.type)
        parameters.append({"name": one.encode_name, "in": "query", "required": one.required, "schema": schema})
    return parameters
