"""Values of the protocol's types for hypothesis: whatever a Struct's annotations allow."""

import enum
import types
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st
from msgspec import Meta, Raw, Struct

from framebus.messages import END
from framebus.names import pattern_of

RAWS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
).map(lambda value: Raw(msgspec.msgpack.encode(value)))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """All values of a type that this protocol uses."""
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of([values(option) for option in get_args(kind)])
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        return _limited(inner, metas[0])
    if get_origin(kind) is list:
        return st.lists(values(get_args(kind)[0]), max_size=3)
    if get_origin(kind) is dict:
        key, value = get_args(kind)
        return st.dictionaries(values(key), values(value), max_size=3)
    if isinstance(kind, type) and issubclass(kind, Struct):
        return st.builds(kind, **{field.name: values(field.type) for field in msgspec.structs.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from([value for value in kind if value.value != "unknown"])
    return {
        type(None): st.none(),
        str: st.text(max_size=40),
        int: st.integers(-(2**53) + 1, 2**53 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        bytes: st.binary(max_size=40),
        Raw: RAWS,
    }.get(kind, st.none() | st.integers(0, 9))


def _limited(kind: Any, meta: Meta) -> st.SearchStrategy[Any]:
    if get_origin(kind) is list:
        return st.lists(values(get_args(kind)[0]), min_size=meta.min_length or 0, max_size=max(3, meta.min_length or 0))
    if get_origin(kind) is dict:
        return values(kind)
    if kind is str and (pattern := pattern_of(meta)) is not None:
        return st.from_regex(pattern.removesuffix(END).removesuffix("$") + r"\Z", fullmatch=True)
    if kind is str:
        return st.text(min_size=meta.min_length or 0, max_size=min(meta.max_length or 40, 40))
    if kind is bytes:
        return st.binary(min_size=meta.min_length or 0, max_size=meta.max_length or 40)
    if kind is int:
        least = meta.ge if meta.ge is not None else meta.gt + 1 if meta.gt is not None else None
        most = meta.le if meta.le is not None else meta.lt - 1 if meta.lt is not None else None
        return st.integers(least if least is not None else -(2**53), most if most is not None else 2**53)
    return st.floats(meta.ge, meta.le, allow_nan=False, allow_infinity=False)
