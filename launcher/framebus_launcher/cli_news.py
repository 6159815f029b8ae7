"""The commands that look at messages: topics, tap, call."""

import contextlib
import json
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from framebus import codec
from framebus.codec import News
from framebus.topics import TOPICS, Topic, find_topic
from framebus.transport import Listener
from framebus_launcher.cli_options import JsonOption, RunOption
from framebus_launcher.client import GroupClient, find_group
from framebus_launcher.output import decoded, make_console, text_table, to_json

MAX_SHOWN = 400


def add_to(app: typer.Typer) -> None:
    for command in (topics, tap, call):
        app.command()(command)


def topics(as_json: JsonOption = False) -> None:
    """Show the topic table: all that may be said on the bus, and what happens when a reader is slow.

    Example: framebus topics
    """
    console = make_console()
    if as_json:
        for row in TOPICS:
            console.print(to_json(_topic(row)))
        return
    table = text_table("topic", "body", "from", "rate", "kept", "when full")
    for row in TOPICS:
        kept = "yes" if row.is_retained else ""
        table.add_row(row.pattern, row.body.__name__, row.publisher, row.rate, kept, row.when_full)
    console.print(table)


def tap(
    prefixes: Annotated[list[str] | None, typer.Argument(metavar="TOPIC", help="What topics start with.")] = None,
    hz: Annotated[bool, typer.Option("--hz", help="Print how often each topic is heard, once a second.")] = False,
    count: Annotated[int, typer.Option(help="End after so many messages.", min=0)] = 0,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print messages as they pass; with no topic all of them.

    Example: framebus tap job_state/ camera/
    """
    for prefix in prefixes or []:
        if find_topic(prefix) is None and not any(row.pattern.startswith(prefix) for row in TOPICS):
            raise typer.BadParameter(f"no topic starts with {prefix}; framebus topics lists them")
    place = find_group(run)
    console = make_console()
    with Listener(place, *(prefixes or [""])) as listener, contextlib.suppress(KeyboardInterrupt):
        if hz:
            _print_rates(console, listener)
        seen = 0
        while not count or seen < count:
            for news in listener.wait(1.0):
                console.print(_as_json(news) if as_json else _as_line(news))
                seen += 1
                if count and seen >= count:
                    break
            console.file.flush()


def call(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="As in dispatcher, or capture@front.")],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="As in ping.")],
    body: Annotated[str, typer.Argument(metavar="JSON", help="An object.")] = "{}",
    blob: Annotated[Path | None, typer.Option(help="Write the answer's blob to this file.")] = None,
    deadline: Annotated[float, typer.Option(help="Seconds to wait.", min=0.01)] = 5.0,
    run: RunOption = None,
) -> None:
    """Ask a service anything and print its answer as JSON.

    Example: framebus call capture@front capture.snapshot --blob picture.jpg
    """
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise typer.BadParameter(f"the body is no JSON: {error}") from None
    if blob is not None and not (blob.parent.is_dir() and not blob.is_dir()):  # known before the answer is there
        raise typer.BadParameter(f"--blob {blob}: there is no folder {blob.parent}, or it is one itself")
    with GroupClient(run) as group:
        answer, data = group.ask_raw(service, method, codec.encode(asked), deadline)
    console = make_console()
    console.print(to_json(decoded(answer)))
    if data is not None and blob is not None:
        blob.write_bytes(data)
        make_console(is_error=True).print(f"{len(data)} bytes written to {blob}")
    elif data is not None:
        make_console(is_error=True).print(f"and {len(data)} bytes of blob; write them to a file with --blob")


def _topic(row: Topic) -> dict[str, object]:
    return {
        "pattern": row.pattern,
        "body": row.body.__name__,
        "publisher": row.publisher,
        "rate": row.rate,
        "is_retained": row.is_retained,
        "when_full": row.when_full.value,
    }


def _print_rates(console: Console, listener: Listener) -> None:
    while True:
        counts: Counter[str] = Counter()
        end_s = time.monotonic() + 1.0
        while (left_s := end_s - time.monotonic()) > 0:
            counts.update(news.topic for news in listener.wait(left_s))
        console.print(f"{datetime.now():%H:%M:%S}  {sum(counts.values())} messages")
        for topic, number in sorted(counts.items()):
            console.print(f"  {number:5d} Hz  {topic}")


def _as_line(news: News) -> str:
    body = to_json(decoded(news.body))
    blob = f"  + {len(news.blob)} bytes" if news.blob is not None else ""
    shown = body if len(body) <= MAX_SHOWN else f"{body[:MAX_SHOWN]}... ({len(body)} characters; --json shows all)"
    return f"{datetime.fromtimestamp(news.head.at_s):%H:%M:%S.%f}"[:12] + f"  {news.topic}  {shown}{blob}"


def _as_json(news: News) -> str:
    line: dict[str, object] = {"topic": news.topic, "head": news.head, "body": decoded(news.body)}
    if news.blob is not None:
        line["blob_bytes"] = len(news.blob)
    return to_json(line)
