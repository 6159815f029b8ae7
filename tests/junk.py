"""Malformed traffic: frames that are no news and no request, some of them nearly; bytes that are no ZeroMQ."""

import random

import msgpack

from framebus import codec

GOOD_HEAD = {"v": 1, "src": "x", "epoch": 1, "seq": 1, "at_s": 1.0, "up_s": 1.0, "host": "h"}
BOMBS = {
    "nested arrays": b"\x91" * 20_000,
    "nested maps": b"\x81\xa1a" * 20_000,
    "an array of four thousand million": b"\xdd\xff\xff\xff\xff",
    "a map of four thousand million": b"\xdf\xff\xff\xff\xff",
    "a text of four thousand million": b"\xdb\xff\xff\xff\xff",
    "bytes of four thousand million": b"\xc6\xff\xff\xff\xff",
    "thousands of empty maps": b"\xdd\x00\x00\x80\x00" + b"\x80" * 0x8000,
    "a million-digit number": b"\xcf" + b"\xff" * 8,
    "an extension": b"\xc7\x08\x05" + bytes(8),
    "a timestamp": b"\xd6\xff" + bytes(4),
    "a text that is no UTF-8": b"\x81\xa4type\xa4\xff\xfe\xfd\xfc",
    "one key twice": b"\x82\xa2id\xa1a\xa2id\xa1b",
    "not used by MessagePack": b"\xc1",
    "more behind the end": b"\x80\x80",
}
RAW = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an http upload": b"POST /api HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 5_000,
    "tls": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "nothing": b"",
    "half a greeting": b"\xff" * 10,
    "a wrong greeting": b"\xff\0\0\0\0\0\0\0\x01\x7f",
    "a greeting and junk": b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL" + bytes(48) + b"\x7f" * 300,
    "a frame of 2^63 bytes": b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL" + bytes(48) + b"\x02" + b"\x7f" + b"\xff" * 7,
    "random": random.Random(16).randbytes(10_000),
}
_bombs, _raw = list(BOMBS.values()), list(RAW.values())


def raw_junk(rng: random.Random) -> bytes:
    """Bytes for a bare socket."""
    return rng.choice(_raw)


def junk_news(rng: random.Random) -> list[bytes]:
    """Frames that are no news of any topic."""
    head = codec.encode(GOOD_HEAD | rng.choice([{"v": 9}, {"src": "X"}, {"seq": -1}, {"at_s": "x"}, {"host": "x" * 9}]))
    return rng.choice(
        [
            [rng.randbytes(rng.randrange(1, 40)) for _ in range(rng.randrange(1, 12))],
            [b"finding/counter/front/", head, b"\x80"],
            [b"finding/", b"", b""],
            [b"finding/counter/front/", rng.choice(_bombs), b""],
            [b"camera/front/", rng.choice(_bombs), b"", b"", b""],
            [b"camera/front/", *[b""] * rng.randrange(5, 60)],
            [b"camera//", codec.encode(GOOD_HEAD), b"\x80"],
            [b"camera/../", b"\x91" * 900, b"\x80"],
        ]
    )


def junk_request(rng: random.Random) -> list[bytes]:
    """Frames that are no request that could be done, as a DEALER sends them; each deserves one answer."""
    head = {"v": 1, "id": rng.randbytes(16), "method": "job.submit", "deadline_s": 1.0, "src": "junk"}
    wrong = rng.choice(
        [{"v": 2}, {"id": b"short"}, {"deadline_s": -1.0}, {"method": "no.such"}, {"method": 7}, {"src": "x" * 99}]
    )
    return rng.choice(
        [
            [b"", *[rng.randbytes(rng.randrange(200)) for _ in range(rng.randrange(1, 10))]],
            [b"", *[b""] * rng.randrange(5, 60)],
            [rng.randbytes(20)],
            [b"", msgpack.packb(head | wrong), b"\x80"],
            [b"", msgpack.packb(head), rng.choice(_bombs)],
            [b"", rng.choice(_bombs), b"\x80"],
            [b"", msgpack.packb(head), msgpack.packb({"type": "mine", "params": {}, "unknown": 1})],
        ]
    )
