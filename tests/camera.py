"""An RTSP camera that loops a H.264 file over TCP and misbehaves on command, for tests.

By hand: `python tests/camera.py FILE [--port 0] [--user U --password P] [--speed 1.0]` prints its URL, then takes
the commands of `obey` as lines on stdin, answers each with one line, and runs until SIGTERM.
In tests: `with RtspCamera(file) as camera: ... camera.command("stall")`.
"""

import argparse
import base64
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import av

CLOCK_HZ = 90_000
PAYLOAD_BYTES = 1400
PAYLOAD_TYPE = 96
FIRST_TIMESTAMP = 3_000_000  # a camera's clock does not begin at 0
FIRST_SEQUENCE = 65_500  # wraps soon: readers must stand that
ANSWER_LIMIT_S = 10.0


@dataclass(frozen=True)
class Sample:
    """One access unit: its NAL units, when to send it and what to stamp on it, both from the file's start."""

    nals: list[bytes]
    send_at_s: float
    timestamp: int  # 90 kHz, from pts


class Movie:
    """A H.264 file as samples; the parameter sets go into the SDP, everything else is sent as it is in the file."""

    def __init__(self, path: str) -> None:
        with av.open(path) as container:
            stream = container.streams.video[0]
            if stream.codec_context.name != "h264":
                raise ValueError(f"{path}: the camera speaks H.264 only, not {stream.codec_context.name}")
            extradata = bytes(stream.codec_context.extradata or b"")
            packets: list[Any] = [packet for packet in container.demux(stream) if packet.size]
        if not packets or not packets[0].is_keyframe:
            raise ValueError(f"{path}: the first packet must be a key frame")
        tick_s = packets[0].time_base
        first_pts, first_dts = packets[0].pts, packets[0].dts
        step = packets[-1].duration or packets[-1].dts - packets[-2].dts
        self.length_s = float((packets[-1].dts + step - first_dts) * tick_s)
        nal_length_bytes = (extradata[4] & 3) + 1 if extradata[:1] == b"\x01" else 0  # 0: Annex B
        self.parameter_sets = list(_parameter_sets(extradata))
        self.samples = [
            Sample(
                list(nals(bytes(packet), nal_length_bytes)),
                float((packet.dts - first_dts) * tick_s),
                round((packet.pts - first_pts) * tick_s * CLOCK_HZ),
            )
            for packet in packets
        ]

    def forever(self) -> Iterator[Sample]:
        for loop in count():
            after_s = loop * self.length_s
            for sample in self.samples:
                timestamp = sample.timestamp + round(after_s * CLOCK_HZ)
                yield Sample(sample.nals, sample.send_at_s + after_s, timestamp)

    def sdp(self) -> str:
        sets = ",".join(base64.b64encode(nal).decode() for nal in self.parameter_sets)
        profile = self.parameter_sets[0][1:4].hex()
        fmtp = f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}"
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=test camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        lines += ["a=range:npt=now-", f"m=video 0 RTP/AVP {PAYLOAD_TYPE}", f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}"]
        lines += [f"a=fmtp:{PAYLOAD_TYPE} {fmtp}", "a=control:trackID=0"]
        return "\r\n".join(lines) + "\r\n"


def nals(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """The NAL units of a packet, each with its length before it, or in Annex B where `length_bytes` is 0."""
    if not length_bytes:
        yield from (nal.rstrip(b"\0") for nal in re.split(rb"\x00{2,}\x01", data) if nal.rstrip(b"\0"))
        return
    at = 0
    while at < len(data):
        end = at + length_bytes + int.from_bytes(data[at : at + length_bytes], "big")
        yield data[at + length_bytes : end]
        at = end


def _parameter_sets(extradata: bytes) -> Iterator[bytes]:
    if extradata[:1] != b"\x01":
        yield from (nal for nal in nals(extradata, 0) if nal[0] & 31 in (7, 8))
        return
    at = 5
    for mask in (31, 255):  # SPS, then PPS; the upper bits of the SPS count are reserved
        number, at = extradata[at] & mask, at + 1
        for _ in range(number):
            end = at + 2 + int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : end]
            at = end


def payloads(units: list[bytes]) -> Iterator[bytes]:
    """The RTP payloads of an access unit: small NAL units whole, large ones as FU-A fragments."""
    for nal in units:
        if len(nal) <= PAYLOAD_BYTES:
            yield nal
            continue
        size = PAYLOAD_BYTES - 2
        for at in range(1, len(nal), size):
            edge = (0x80 if at == 1 else 0) | (0x40 if at + size >= len(nal) else 0)
            yield bytes([nal[0] & 0xE0 | 28, edge | nal[0] & 0x1F]) + nal[at : at + size]


@dataclass
class Faults:
    """What is wrong with the camera at the moment; written by the commands, read by all clients."""

    flowing: threading.Event = field(default_factory=threading.Event)
    corrupt_share: float = 0.0
    drop_share: float = 0.0
    jump_s: float = 0.0
    is_mute: bool = False

    def clean(self) -> None:
        """All faults off; a jump stays, for taking it back would be another jump."""
        self.corrupt_share = self.drop_share = 0.0
        self.is_mute = False
        self.flowing.set()


class Server:
    def __init__(self, movie: Movie, port: int, user: str, password: str, speed: float) -> None:
        self.movie, self.speed, self.faults = movie, speed, Faults()
        self.faults.clean()
        self.credentials = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self.clients: set[Client] = set()
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/stream"

    def accept_forever(self) -> None:
        while True:
            client = Client(self, self._socket.accept()[0])
            self.clients.add(client)
            threading.Thread(target=client.answer_all, daemon=True).start()

    def close_clients(self) -> None:
        for client in list(self.clients):
            client.close()


class Client:
    """One connection: a thread that answers requests, and from PLAY on another that sends."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self._server, self._connection = server, connection
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sending = threading.Lock()
        self._ended = threading.Event()
        self._is_playing = False
        self._channel = 0
        self._sequence = FIRST_SEQUENCE
        self._random = random.Random(1)

    def close(self) -> None:
        self._ended.set()
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client was faster

    def answer_all(self) -> None:
        try:
            with self._connection, self._connection.makefile("rb") as reader:
                while not self._ended.is_set() and self._answer_one(reader):
                    pass
        except (OSError, ValueError, struct.error):
            pass  # gone, or not RTSP: the connection is closed, which is the answer
        finally:
            self._ended.set()
            self._server.clients.discard(self)

    def _answer_one(self, reader: BinaryIO) -> bool:
        first = reader.read(1)
        if first == b"$":  # receiver reports of the client
            reader.read(struct.unpack(">BH", reader.read(3))[1])
            return True
        method, url, _ = (first + reader.readline()).decode().split()
        headers: dict[str, str] = {}
        while line := reader.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        reader.read(int(headers.get("content-length", 0)))
        if not self._server.faults.is_mute:
            self._answer(method, url, headers)
        return method != "TEARDOWN"

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> None:
        status, extra, body = self._result(method, url, headers)
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *extra]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with self._sending:  # PLAY's answer comes before the first packet
            self._connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            if method == "PLAY" and status == "200 OK" and not self._is_playing:
                self._is_playing = True
                threading.Thread(target=self._play, daemon=True).start()

    def _result(self, method: str, url: str, headers: dict[str, str]) -> tuple[str, list[str], str]:
        """Status, header lines and body of the answer."""
        session = "Session: 12345678;timeout=60"
        if method == "OPTIONS":
            return "200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"], ""
        if self._server.credentials and headers.get("authorization") != self._server.credentials:
            return "401 Unauthorized", ['WWW-Authenticate: Basic realm="test camera"'], ""
        if method == "DESCRIBE":
            base = f"Content-Base: {url.rstrip('/')}/"
            return "200 OK", ["Content-Type: application/sdp", base], self._server.movie.sdp()
        if method == "SETUP":
            wanted = headers.get("transport", "")
            if "RTP/AVP/TCP" not in wanted:
                return "461 Unsupported Transport", [], ""
            channels = re.search(r"interleaved=(\d+)", wanted)
            self._channel = int(channels[1]) if channels else 0
            pair = f"{self._channel}-{self._channel + 1}"
            return "200 OK", [f"Transport: RTP/AVP/TCP;unicast;interleaved={pair}", session], ""
        if method == "PLAY":
            info = f"RTP-Info: url={url.rstrip('/')}/trackID=0;seq={FIRST_SEQUENCE};rtptime={FIRST_TIMESTAMP}"
            return "200 OK", [session, "Range: npt=now-", info], ""
        return ("200 OK" if method in ("GET_PARAMETER", "TEARDOWN") else "501 Not Implemented"), [session], ""

    def _play(self) -> None:
        speed, faults = self._server.speed, self._server.faults
        start_s, stalled_s = time.monotonic(), 0.0
        for sample in self._server.movie.forever():
            due_s = start_s + stalled_s + sample.send_at_s / speed
            if self._ended.wait(max(0.0, due_s - time.monotonic())):
                return
            if not faults.flowing.is_set():
                stalled_at_s = time.monotonic()
                while not faults.flowing.wait(0.1):
                    if self._ended.is_set():
                        return
                stalled_s += time.monotonic() - stalled_at_s
            late = round((stalled_s * speed + faults.jump_s) * CLOCK_HZ)  # the camera's clock ran on
            data = b"".join(self._rtp(sample, FIRST_TIMESTAMP + sample.timestamp + late))
            try:
                with self._sending:
                    self._connection.sendall(data)
            except OSError:
                return

    def _rtp(self, sample: Sample, timestamp: int) -> Iterator[bytes]:
        """The interleaved RTP packets of a sample, with losses and broken bits as ordered."""
        faults, chance = self._server.faults, self._random.random
        parts = list(payloads(sample.nals))
        for number, part in enumerate(parts, start=1):
            payload = bytearray(part)
            marker = 0x80 if number == len(parts) else 0
            sequence, self._sequence = self._sequence, (self._sequence + 1) % 65_536
            header = struct.pack(">BBHII", 0x80, marker | PAYLOAD_TYPE, sequence, timestamp % 2**32, 0xCA3E7A)
            if chance() < faults.drop_share:
                continue
            if chance() < faults.corrupt_share:
                for _ in range(3):
                    payload[self._random.randrange(len(payload))] ^= 1 << self._random.randrange(8)
            yield struct.pack(">cBH", b"$", self._channel, len(header) + len(payload)) + header + payload


def obey(server: Server, line: str) -> None:
    """Carry out one command; raises ValueError for one that does not exist."""
    name, *numbers = line.split()
    match name, [float(number) for number in numbers]:
        case "stall", []:  # send nothing, keep the connections
            server.faults.flowing.clear()
        case "resume", []:  # go on with the next frame, stamped with the time gone by
            server.faults.flowing.set()
        case "close", []:  # all client connections
            server.close_clients()
        case "corrupt", [share]:  # flip bits in this fraction of the RTP payloads
            server.faults.corrupt_share = share
        case "drop", [share]:  # lose this fraction of the RTP packets
            server.faults.drop_share = share
        case "jump", [seconds]:  # add to the timestamps from now on
            server.faults.jump_s += seconds
        case "mute", []:  # accept connections, answer no request; who plays already goes on
            server.faults.is_mute = True
        case "clean", []:
            server.faults.clean()
        case _:
            raise ValueError(f"no such command: {line!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--until-eof", action="store_true", help="end with stdin too, so as not to outlive a parent")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(Movie(options.file), options.port, options.user, options.password, options.speed)
    threading.Thread(target=server.accept_forever, daemon=True).start()
    print(server.url, flush=True)
    for line in filter(str.strip, sys.stdin):
        try:
            obey(server, line)
            print("ok", flush=True)
        except ValueError as error:
            print(f"error: {error}", flush=True)
    while not options.until_eof:
        signal.pause()


class RtspCamera:
    """The camera in a process of its own; `url` has the credentials in it, `address` has not."""

    def __init__(
        self, file: Path | str, *, user: str = "", password: str = "", speed: float = 1.0, port: int = 0
    ) -> None:
        self._arguments = [str(file), "--user", user, "--password", password, "--speed", str(speed), "--until-eof"]
        self._process: subprocess.Popen[bytes] | None = None
        self._start(port)
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        self.url = self.address.replace("//", f"//{login}", 1)

    def command(self, line: str) -> None:
        """Give a command and wait until it is in force; a frame on its way may still arrive.

        Raises ValueError for an unknown command, RuntimeError when the camera is not running.
        """
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the camera is not running")
        self._process.stdin.write(line.encode() + b"\n")
        answer = self._read_line()
        if answer != "ok":
            raise ValueError(answer)

    def kill(self) -> None:
        """End the camera at once, as a cut power cable does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill the camera if it runs, and start it again on the same port, without any faults."""
        self.kill()
        self._start(self.port)

    def close(self) -> None:
        self._end(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, port: int) -> None:
        command = [sys.executable, __file__, *self._arguments, "--port", str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        try:
            self.address = self._read_line()
        except RuntimeError:
            self.kill()
            raise
        self.port = int(self.address.rpartition(":")[2].partition("/")[0])

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        with process:  # closes the pipes
            process.send_signal(number)
            try:
                process.wait(ANSWER_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _read_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line, deadline_s = b"", time.monotonic() + ANSWER_LIMIT_S
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline_s - time.monotonic()))
            piece = self._process.stdout.read(4096) if ready else b""
            if not piece:
                raise RuntimeError(f"the camera gave no answer within {ANSWER_LIMIT_S:.0f} s, or ended")
            line += piece
        return line.decode().strip()


if __name__ == "__main__":
    main()
