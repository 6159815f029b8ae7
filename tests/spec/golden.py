"""The golden bytes of the protocol: `python tests/spec/golden.py --write` takes today's bytes as right.

For clients in other languages: `golden.json` has, for each Struct and sample, the bytes in hex and what they mean as
JSON; bytes within are `{"hex": ...}`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgpack

sys.path.insert(0, str(Path(__file__).parents[1]))
from framebus import codec
from spec import samples

FILE = Path(__file__).with_name("golden.json")


def as_json(value: Any) -> Any:
    """A MessagePack value as JSON can say it."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list) else value


def _entry(data: bytes) -> dict[str, Any]:
    return {"hex": data.hex(), "means": as_json(msgpack.unpackb(data))}


def make() -> dict[str, Any]:
    """The golden file as today's code would have it."""
    structs = {}
    for name, kind in samples.structs():
        for form in ("least", "full"):
            structs[f"{name} {form}"] = _entry(codec.encode(samples.sample(kind, is_full=form == "full")))
    whole = {name: [frame.hex() for frame in frames] for name, frames in samples.whole_messages().items()}
    return {"version": codec.VERSION, "structs": structs, "messages": whole}


def read() -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(FILE.read_text())
    return golden


if __name__ == "__main__":
    if "--write" not in sys.argv[1:]:
        raise SystemExit("say --write to take today's bytes as right: every client in the world then has to follow")
    FILE.write_text(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")
