"""Goal 6: what it costs to say the state of a job and to take it in again: `python -m benchmarks.messages [--quick]`.

Ours is what the bus does: a Struct is encoded, and decoding validates each field. Of the peers only pydantic validates.
All say the same fields with the same values.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from benchmarks.goals import JOB_STATE
from benchmarks.seen import OURS, Figures, LeftOut, in_turns, tell
from framebus import codec
from framebus.messages import JobState, JobView

VIEW = JobView(
    id="0190f0c1a7b27c4c9f0b5d1e8a3f6c27",
    type="export",
    state=JobState.RUNNING,
    camera="front_door",
    created_at_s=1_763_696_000.123456,
    started_at_s=1_763_696_002.5,
    attempt=1,
    step="encoding",
    percent=43.75,
    eta_s=12.5,
)
BODY = codec.encode(VIEW)
PLAIN: dict[str, Any] = msgspec.msgpack.decode(BODY)
"""the fields that go over the wire"""

RUNS, QUICK_RUNS = 9, 3
RUN_S, QUICK_RUN_S = 0.1, 0.02
CALLS = 1_000

Codec = tuple[Callable[[], object], Callable[[], object]]
"""encodes, and decodes what was encoded"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    is_quick = parser.parse_args().quick
    run_s = QUICK_RUN_S if is_quick else RUN_S
    systems = {name: partial(_measure, made, run_s) for name, made in CODECS.items()}
    for line in in_turns(6, JOB_STATE, systems, QUICK_RUNS if is_quick else RUNS):
        tell(line)


def _measure(make: Callable[[], Codec], run_s: float) -> Figures:
    encode, decode = make()
    encode_us, decode_us = _us(encode, run_s), _us(decode, run_s)
    return {"encode + decode us": encode_us + decode_us, "encode us": encode_us, "decode us": decode_us}


def _us(step: Callable[[], object], run_s: float) -> float:
    """Of processor time, for one call."""
    calls = 0
    start_ns = end_ns = time.thread_time_ns()
    while end_ns - start_ns < run_s * 1e9:
        for _ in range(CALLS):
            step()
        calls += CALLS
        end_ns = time.thread_time_ns()
    return (end_ns - start_ns) / 1e3 / calls


def _ours() -> Codec:
    return partial(codec.encode, VIEW), partial(codec.decode_body, BODY, JobView)


def _json() -> Codec:
    data = json.dumps(PLAIN).encode()
    return lambda: json.dumps(PLAIN).encode(), partial(json.loads, data)


def _orjson() -> Codec:
    try:
        import orjson
    except ImportError:
        raise LeftOut("pip install orjson") from None
    return partial(orjson.dumps, PLAIN), partial(orjson.loads, orjson.dumps(PLAIN))


def _msgpack() -> Codec:
    try:
        import msgpack
    except ImportError:
        raise LeftOut("pip install msgpack") from None
    packer = msgpack.Packer()
    return partial(packer.pack, PLAIN), partial(msgpack.unpackb, BODY)


def _pydantic() -> Codec:
    """The same fields with the same limits, as one would write them there."""
    try:
        from pydantic import BaseModel, Field
    except ImportError:
        raise LeftOut("pip install pydantic") from None
    time_s = Annotated[float, Field(ge=0.0, le=1e11)]
    short = Annotated[str, Field(max_length=500)]
    job_id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    kinds: dict[str, Any] = {
        "id": job_id,
        "type": Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")],
        "state": Literal["queued", "running", "succeeded", "failed"],
        **dict.fromkeys(("camera", "name", "case", "error", "result"), short | None),
        **dict.fromkeys(("created_at_s", "started_at_s", "ended_at_s", "eta_s", "next_try_at_s"), time_s | None),
        "attempt": Annotated[int, Field(ge=0)],
        "step": short,
        "percent": Annotated[float, Field(ge=0.0, le=100.0)],
        "cancelling": bool,
        "retry_of": job_id | None,
    }
    namespace = {
        "__annotations__": kinds,
        "__module__": __name__,
        **{name: None for name in kinds if name not in PLAIN},
    }
    model = type(BaseModel)("View", (BaseModel,), namespace)
    view = model(**PLAIN)
    return view.model_dump_json, partial(model.model_validate_json, view.model_dump_json())


CODECS: dict[str, Callable[[], Codec]] = {
    OURS: _ours,
    "json": _json,
    "orjson": _orjson,
    "msgpack": _msgpack,
    "pydantic": _pydantic,
}

if __name__ == "__main__":
    main()
