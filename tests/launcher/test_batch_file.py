"""The file of `framebus submit --batch`: a job a line, and all that is wrong with it at once."""

import json

import msgspec
import pytest
import typer

from framebus_launcher.handing_in import read_batch


def test_a_line_wins_over_what_the_command_says_for_all() -> None:
    second = {"params": {"camera": "back", "speed": 3}, "name": "b", "client_item_id": "x"}
    text = '{"params": {"camera": "front"}}\n\n' + json.dumps(second)

    items = read_batch(text, "mine", {"speed": 2}, {"name": "all", "case": "c", "priority": 0})

    assert [item.client_item_id for item in items] == [None, "x"]
    assert [item.job.name for item in items] == ["all", "b"]
    assert {item.job.case for item in items} == {"c"}
    params = [msgspec.msgpack.decode(item.job.params) for item in items]
    assert params == [{"speed": 2, "camera": "front"}, {"speed": 3, "camera": "back"}]


def test_a_line_may_name_its_own_type() -> None:
    items = read_batch('{"type": "other", "params": {}}', "", {}, {})

    assert items[0].job.type == "other"


def test_everything_wrong_is_told_at_once_each_with_its_line() -> None:
    lines = ["{", '{"params": {}, "prority": 1}', '{"params": {}}', "[]", '{"type": "No", "params": {}}']

    with pytest.raises(typer.BadParameter) as caught:
        read_batch("\n".join(lines), "mine", {}, {})

    said = caught.value.message
    assert [f"line {number}:" in said for number in (1, 2, 3, 4, 5)] == [True, True, False, True, True]
    assert "unknown prority" in said
    assert "regex" not in said


@pytest.mark.parametrize("number", [0, 501])
def test_a_batch_of_no_job_or_too_many_is_refused_with_the_bound(number: int) -> None:
    with pytest.raises(typer.BadParameter, match="1 to 500 jobs"):
        read_batch("\n".join(json.dumps({"params": {}}) for _ in range(number)), "mine", {}, {})
