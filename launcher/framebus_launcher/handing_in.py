"""Hands in jobs for the command line: one, or a batch with an answer for each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer
from msgspec import Raw

from framebus import codec
from framebus.errors import ErrorCode, ExitCode
from framebus.messages import JobError
from framebus.requests import BatchAnswer, BatchItem, JobAccepted, SubmitBatch, SubmitJob
from framebus_launcher.client import PAGE, GroupClient
from framebus_launcher.command import command_name
from framebus_launcher.follow import follow_to_end
from framebus_launcher.output import make_console, to_json
from framebus_launcher.words import plain

SUBMIT_S = 10.0
MAX_PROBLEMS = 10
_FIELDS = ("type", "params", "id", "priority", "name", "case", "client_item_id")


def make_request(kind: str, params: dict[str, Any], **fields: Any) -> SubmitJob:
    """A checked request; raises BadParameter."""
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    try:
        request = SubmitJob(type=kind, params=Raw(codec.encode(params)), **given)
        return msgspec.msgpack.decode(codec.encode(request), type=SubmitJob)
    except (msgspec.ValidationError, TypeError, OverflowError) as error:
        raise typer.BadParameter(plain(str(error))) from None


def hand_in(run: Path | None, request: SubmitJob, *, as_json: bool, watch: bool) -> int:
    """Hand in one job and print what was answered; returns the exit code."""
    with GroupClient(run) as group:
        accepted = group.ask("dispatcher", request, SUBMIT_S)
        digits = group.digits_for([accepted.id])
        hint = "" if watch else f"   ({command_name()} watch {accepted.id[:digits]})"
        make_console().print(to_json(accepted) if as_json else f"{accepted_text(accepted, digits)}{hint}")
        return follow_to_end(group, [accepted.id], as_json=as_json) if watch else ExitCode.OK


def hand_in_all(run: Path | None, items: Sequence[BatchItem], *, as_json: bool, watch: bool) -> int:
    """Hand in a batch and print an answer for each item; returns 1 when one was refused."""
    console = make_console()
    with GroupClient(run) as group:
        answers = group.ask("dispatcher", SubmitBatch(items=list(items)), SUBMIT_S).items
        accepted = [answer.job.id for answer in answers if answer.job is not None]
        digits = group.digits_for(accepted)
        width = max(len(_mark(answer)) for answer in answers)
        for answer in answers:
            console.print(
                to_json(answer) if as_json else f"{_mark(answer):<{width}}  {_answer_text(answer, digits)}",
                style="red" if answer.error is not None and not as_json else None,
            )
        code = follow_to_end(group, accepted, as_json=as_json) if watch and accepted else int(ExitCode.OK)
    return ExitCode.FAILED if len(accepted) < len(answers) else code


def accepted_text(accepted: JobAccepted, digits: int) -> str:
    """As in `job 7f3a accepted, number 1 in line`."""
    place = f"number {accepted.position} in line" if accepted.position else accepted.state.value
    word = "accepted" if accepted.created else "was known already"
    return f"job {accepted.id[:digits]} {word}, {place}"


def _mark(answer: BatchAnswer) -> str:
    return answer.client_item_id or str(answer.item_index + 1)


def _answer_text(answer: BatchAnswer, digits: int) -> str:
    if answer.job is not None:
        return accepted_text(answer.job, digits)
    error = answer.error or JobError(code=ErrorCode.INTERNAL, message="neither accepted nor refused")
    return f"refused: {plain(error.message)} ({error.code})"


def read_batch(text: str, kind: str, params: dict[str, Any], fields: dict[str, Any]) -> list[BatchItem]:
    """The items of a file with a JSON object a line; `kind`, `params` and `fields` are what a line does not say.

    Raises BadParameter with all that is wrong, each with its line.
    """
    items: list[BatchItem] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            items.append(_item(line, kind, params, fields))
        except typer.BadParameter as error:
            problems.append(f"line {number}: {error.message}")
    if problems:
        more = f" and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
        raise typer.BadParameter("; ".join(problems[:MAX_PROBLEMS]) + more)
    if not 1 <= len(items) <= PAGE:
        raise typer.BadParameter(f"a batch has 1 to {PAGE} jobs, this one {len(items)}")
    return items


def _item(line: str, kind: str, params: dict[str, Any], fields: dict[str, Any]) -> BatchItem:
    try:
        given = json.loads(line)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"is no JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(given, dict) or not isinstance(given.get("params", {}), dict):
        raise typer.BadParameter('a line is an object, as in {"params": {"camera": "front"}, "client_item_id": "a"}')
    unknown = sorted(set(given) - set(_FIELDS))
    if unknown:
        raise typer.BadParameter(f"unknown {', '.join(unknown)}; a line has {', '.join(_FIELDS)}")
    own = {**fields, **{name: value for name, value in given.items() if name in ("id", "priority", "name", "case")}}
    wanted = given.get("type", kind)
    if not wanted:
        raise typer.BadParameter("has no type; give one in the line or as TYPE")
    request = make_request(wanted, {**params, **given.get("params", {})}, **own)
    mark = given.get("client_item_id")
    if mark is not None and (not isinstance(mark, str) or len(mark) > 500):
        raise typer.BadParameter("client_item_id is text of at most 500 characters")
    return BatchItem(client_item_id=mark, job=request)
