"""JavaScript has one kind of number: what is declared a float arrives as an integer when it is whole."""

import msgpack
import pytest

from framebus import codec
from spec import samples

STRUCTS = dict(samples.structs())


def as_javascript_writes(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: as_javascript_writes(item) for key, item in value.items()}
    return [as_javascript_writes(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_whole_numbers_are_read_where_floats_are_declared(name: str) -> None:
    sample = samples.sample(STRUCTS[name], is_full=True)
    whole = round_floats(msgpack.unpackb(codec.encode(sample)))
    expected = codec.decode_body(msgpack.packb(whole), STRUCTS[name])

    found = codec.decode_body(msgpack.packb(as_javascript_writes(whole)), STRUCTS[name])

    assert without_raw(found) == without_raw(expected)


def round_floats(value: object) -> object:
    """The sample with whole floats only, so that all of them are written as integers."""
    if isinstance(value, float):
        return float(round(value))
    if isinstance(value, dict):
        return {key: round_floats(item) for key, item in value.items()}
    return [round_floats(item) for item in value] if isinstance(value, list) else value


def without_raw(value: object) -> object:
    """As plain values: a field that holds any value keeps the bytes that it came with."""
    return msgpack.unpackb(codec.encode(value))
