"""The commands that hand in jobs: submit, export."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Raw

from framebus import codec
from framebus.errors import ExitCode, RefusedError
from framebus.requests import BatchItem, ExportPlan, PlanExport
from framebus_launcher.cli_options import JsonOption, RunOption, WatchOption
from framebus_launcher.client import GroupClient
from framebus_launcher.handing_in import hand_in, hand_in_all, make_request, read_batch
from framebus_launcher.mistakes import refusal
from framebus_launcher.output import make_console, size, to_json
from framebus_launcher.words import LATEST_AT_S, lasting, moment, parse_duration, parse_moment, span

PLAN_S = 10.0
MAX_GAPS = 5
CaseOption = Annotated[str, typer.Option(help="What the job belongs to; framebus cancel --case stops all of it.")]
NameOption = Annotated[str, typer.Option(help="What people call it; part of a clip's name.")]
PriorityOption = Annotated[int, typer.Option(help="Greater goes first.", min=-100, max=100)]


def add_to(app: typer.Typer) -> None:
    for command in (submit, export):
        app.command()(command)


def submit(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="Job type, as in export.")] = "",
    params: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="JSON or text.")] = None,
    batch: Annotated[
        str, typer.Option(metavar="FILE", help="A JSON object a line (- for stdin): params, client_item_id, name ...")
    ] = "",
    name: NameOption = "",
    case: CaseOption = "",
    priority: PriorityOption = 0,
    watch: WatchOption = False,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand in a job of any type, or with --batch many at once: one answer a line, exit code 1 when one is refused.

    Example: framebus submit export camera=front start=1790000000 end=1790000060
    """
    if kind and "=" in kind:
        raise typer.BadParameter(f"{kind!r} is no job type; the type comes first, as in: framebus submit export {kind}")
    given = dict(_pair(pair) for pair in params or [])
    fields = {"name": name, "case": case, "priority": priority}
    if batch:
        items = read_batch(_read(batch), kind, given, fields)
        raise typer.Exit(hand_in_all(run, items, as_json=as_json, watch=watch))
    if not kind:
        raise typer.BadParameter("name a job type, as in: framebus submit export camera=front ...")
    raise typer.Exit(hand_in(run, make_request(kind, given, **fields), as_json=as_json, watch=watch))


def export(
    camera: Annotated[list[str] | None, typer.Argument(metavar="CAMERA", help="One clip of each.")] = None,
    cameras: Annotated[str, typer.Option(help="The same as a list: front,back.")] = "",
    last: Annotated[str, typer.Option(help="The time up to now, as in 60s or 5m.")] = "",
    start: Annotated[str, typer.Option("--from", help="14:02 (today), 2026-11-21T14:02:11, or seconds.")] = "",
    end: Annotated[str, typer.Option("--to", help="As --from.")] = "",
    allow_gaps: Annotated[bool, typer.Option("--allow-gaps", help="Also where something was not recorded.")] = False,
    precise: Annotated[bool, typer.Option("--precise", help="Begin exactly there, not at a key frame before.")] = False,
    timelapse: Annotated[str, typer.Option(metavar="SPEED", help="60x as fast, or 30s: so long it shall be.")] = "",
    instant: Annotated[bool, typer.Option("--instant", help="A timelapse of key frames, without encoding.")] = False,
    mode: Annotated[str, typer.Option(help="copy, timelapse or encode.")] = "",
    preset: Annotated[str, typer.Option(help="To encode: small, hd, full_hd or quality.")] = "",
    on_change: Annotated[str, typer.Option(help="Where codec or size change: split, encode or refuse.")] = "",
    thumbnail_at: Annotated[str, typer.Option(metavar="TIME", help="Moment of the picture beside the clip.")] = "",
    title: Annotated[str, typer.Option(help="Written into the file.")] = "",
    name: NameOption = "",
    case: CaseOption = "",
    priority: PriorityOption = 0,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what the clip would contain.")] = False,
    watch: WatchOption = False,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make clips of what cameras recorded, the same time of each; they end in exports/ of the data folder.

    Example: framebus export front --last 20s --watch
    """
    named = _cameras(camera or [], cameras)
    now_s = time.time()
    start_s, end_s = _range(last, start, end, now_s)
    params: dict[str, Any] = {"start": start_s, "end": end_s, **_ways(timelapse, instant, mode, preset, on_change)}
    given: dict[str, Any] = {"allow_gaps": allow_gaps, "precise": precise, "title": title}
    params |= {key: value for key, value in given.items() if value}
    if thumbnail_at:
        params["thumbnail_at_s"] = parse_moment("--thumbnail-at", thumbnail_at, now_s)
    if plan:
        raise typer.Exit(_print_plans(run, named, params, as_json))
    requests = [
        make_request("export", {"camera": one, **params}, name=name, case=case, priority=priority) for one in named
    ]
    if len(requests) == 1:
        raise typer.Exit(hand_in(run, requests[0], as_json=as_json, watch=watch))
    items = [BatchItem(client_item_id=one, job=request) for one, request in zip(named, requests, strict=True)]
    raise typer.Exit(hand_in_all(run, items, as_json=as_json, watch=watch))


def _cameras(arguments: list[str], option: str) -> list[str]:
    named = [*arguments, *(one.strip() for one in option.split(",") if one.strip())]
    if not named:
        raise typer.BadParameter("name a camera, as in: framebus export front --last 60s")
    return list(dict.fromkeys(named))


def _range(last: str, start: str, end: str, now_s: float) -> tuple[float, float]:
    """From and to in seconds since 1970; raises BadParameter, in local times."""
    if last and (start or end):
        raise typer.BadParameter("give either --last 60s, or --from and --to, not both")
    if last:
        return now_s - parse_duration("--last", last), now_s
    if not (start and end):
        missing = "a range: --last 60s, or --from and --to" if not (start or end) else "--to" if start else "--from"
        raise typer.BadParameter(f"give {missing}")
    start_s, end_s = parse_moment("--from", start, now_s), parse_moment("--to", end, now_s)
    if start_s >= end_s:
        raise typer.BadParameter(f"--from {moment(start_s, now_s)} must lie before --to {moment(end_s, now_s)}")
    if start_s > now_s:
        raise typer.BadParameter(f"--from {moment(start_s, now_s)} is in the future; now is {moment(now_s, now_s)}")
    return start_s, end_s


def _ways(timelapse: str, instant: bool, mode: str, preset: str, on_change: str) -> dict[str, Any]:
    """How the clip is made; what contradicts itself is refused here, what a mode knows by the service."""
    wanted = {mode} if mode else set()
    if timelapse or instant:
        wanted.add("timelapse")
    if preset and not on_change and not wanted:
        wanted.add("encode")
    if len(wanted) > 1:
        raise typer.BadParameter(f"--timelapse and --instant make a timelapse, and --mode says {mode}; leave out one")
    ways: dict[str, Any] = {"mode": "".join(wanted), "instant": instant, "preset": preset, "on_change": on_change}
    return {key: value for key, value in ways.items() if value} | (_speed(timelapse) if timelapse else {})


def _speed(text: str) -> dict[str, float]:
    if text[-1] in "smhd":
        return {"duration_s": parse_duration("--timelapse", text)}
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 1.0 < speed < LATEST_AT_S:
        right = "write 60x for sixty times as fast, or 30s for a clip of that length"
        raise typer.BadParameter(f"--timelapse {text!r} is no speed; {right}")
    return {"speed": speed}


def _print_plans(run: Path | None, cameras: list[str], params: dict[str, Any], as_json: bool) -> int:
    console, errors = make_console(), make_console(is_error=True)
    code = ExitCode.OK
    with GroupClient(run) as group:
        for camera in cameras:
            try:
                request = PlanExport(params=Raw(codec.encode({"camera": camera, **params})))
                found = group.ask("export", request, PLAN_S)
            except RefusedError as error:
                if len(cameras) == 1:
                    raise
                code = ExitCode.FAILED
                errors.print(f"error: {camera}: {refusal(error)}", style="red")
                continue
            for line in [to_json({"camera": camera, "plan": found})] if as_json else plan_lines(camera, params, found):
                console.print(line)
    return code


def plan_lines(camera: str, params: dict[str, Any], plan: ExportPlan) -> list[str]:
    """What a clip would contain, for people."""
    earlier_s = params["start"] - plan.start_at_s
    lead = f", {lasting(earlier_s)} earlier: at a key frame" if earlier_s >= 0.05 else ""
    pieces = len(plan.segments) + plan.more_segments
    files = f"{plan.parts} files: codec or size change in between" if plan.parts > 1 else "1 file"
    lines = [
        f"{camera}  {span(plan.start_at_s, plan.end_at_s)}{lead}",
        f"  {lasting(plan.duration_s)}, about {size(plan.size_bytes)}, {files}, out of {pieces} pieces of recording",
    ]
    for gap in plan.gaps[:MAX_GAPS]:
        missing = lasting(max(0.0, gap.end_at_s - gap.start_at_s))
        lines.append(f"  not recorded: {span(gap.start_at_s, gap.end_at_s)} ({missing})")
    if len(plan.gaps) > MAX_GAPS:
        lines.append(f"  and {len(plan.gaps) - MAX_GAPS} more gaps")
    if plan.gaps and not params.get("allow_gaps"):
        lines.append("  --allow-gaps makes the clip of what is there")
    return lines


def _pair(pair: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals:
        raise typer.BadParameter(f"{pair!r} is no KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _read(batch: str) -> str:
    try:
        return sys.stdin.read() if batch == "-" else Path(batch).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{batch} is no UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise typer.BadParameter(f"{batch} cannot be read: {error.strerror}") from None
