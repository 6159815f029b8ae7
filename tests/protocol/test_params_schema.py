"""JSON schemas of the configuration: what does not fit is refused with its path, what is no schema ends the start."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from framebus.errors import ConfigError, ErrorCode, ExitCode, RefusedError
from framebus.params_schema import compile_schemas
from services.dispatcher.ledgers import code_of, raw
from services.dispatcher.processes import Group

SCHEMA = {
    "type": "object",
    "properties": {
        "camera": {"type": "string"},
        "range": {"type": "object", "properties": {"seconds": {"type": "number", "minimum": 0}}},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["camera"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"camera": "front", "range": {"seconds": "x"}}, r"must be number - at `\$\.range\.seconds`"),
        ({"camera": "front", "range": {"seconds": -1}}, r"at `\$\.range\.seconds`"),
        ({"camera": "front", "tags": ["a", 1]}, r"at `\$\.tags\[1\]`"),
        ({}, "camera"),
        ({"camera": "front", "colour": 1}, "colour"),
        ([1], r"must be object - at `\$`"),
    ],
)
def test_params_that_do_not_fit_are_refused_with_their_path(params: object, path: str) -> None:
    check = compile_schemas({"mine": SCHEMA})["mine"]

    with pytest.raises(RefusedError, match=path) as caught:
        check(bytes(raw(params)))

    assert code_of(caught) is ErrorCode.BAD_REQUEST


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_what_is_no_number_is_refused_where_a_multiple_is_asked_for(number: float) -> None:
    check = compile_schemas({"mine": {"properties": {"x": {"multipleOf": 0.5}}}})["mine"]

    with pytest.raises(RefusedError, match="cannot convert") as caught:
        check(bytes(raw({"x": number})))

    assert code_of(caught) is ErrorCode.BAD_REQUEST


def test_params_that_fit_pass() -> None:
    check = compile_schemas({"mine": SCHEMA})["mine"]

    check(bytes(raw({"camera": "front", "range": {"seconds": 1.5}, "tags": []})))


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "strin"}, "Unknown type"),
        ({"properties": 5}, "is no JSON schema"),
        ({"pattern": "["}, "is no JSON schema"),
        ({"$ref": "#/$defs/none"}, "is no JSON schema"),
        ({"$ref": "http://example.org/schema"}, "leads out of the schema"),
        ({"items": [{"$ref": "file:///etc/passwd"}]}, "leads out of the schema"),
    ],
)
def test_what_is_no_schema_is_told_with_its_type(schema: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        compile_schemas({"good": SCHEMA, "mine": schema})

    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith("jobs.mine.schema: ")


def test_a_group_without_schemas_does_not_load_the_library() -> None:
    script = "import sys, framebus_services.dispatcher.service; print('fastjsonschema' in sys.modules)"

    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)

    assert found.stdout.split() == ["False"]


@pytest.fixture
def declared() -> Iterator[Group]:
    made = Group({"transcribe": {"schema": SCHEMA}})
    yield made
    made.close()


def test_a_type_of_the_configuration_is_checked_by_the_real_dispatcher(declared: Group) -> None:
    declared.start()

    accepted = declared.submit({"camera": "front"}, kind="transcribe")
    with pytest.raises(RefusedError, match=r"\$\.camera") as caught:
        declared.submit({"camera": 7}, kind="transcribe")

    assert accepted.created
    assert code_of(caught) is ErrorCode.BAD_REQUEST


def test_a_dispatcher_with_a_bad_schema_ends_and_says_why() -> None:
    group = Group({"transcribe": {"schema": {"type": "strin"}}})

    code = group.start().wait(timeout=30)
    log = group.log
    group.close()

    assert code == ExitCode.CONFIGURATION
    assert "configuration: jobs.transcribe.schema: is no JSON schema: Unknown type" in log
    assert "Traceback" not in log
