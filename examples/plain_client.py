"""Exports a clip, with ZeroMQ and MessagePack alone: FRAMEBUS_RUN=/the/run/folder python3 plain_client.py front 60

Shows the states of all jobs meanwhile. Exit code: 0 succeeded, 1 failed or refused, 64 called wrongly, 69 nobody
answers, 75 cancelled.
"""

import os
import signal
import sys
import time
import uuid

try:
    import msgpack
    import zmq
except ImportError as error:
    sys.exit(f"{error.name} is missing: pip install pyzmq msgpack")

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word; the job goes on
run = os.environ.get("FRAMEBUS_RUN")  # `framebus check` prints it
try:
    camera, seconds = sys.argv[1], float(sys.argv[2])
except (IndexError, ValueError):
    run = None
if not run:
    print("usage: FRAMEBUS_RUN=/the/run/folder python3 plain_client.py CAMERA SECONDS", file=sys.stderr)
    sys.exit(64)
context = zmq.Context()


def ask(method, body, deadline_s=10.0):
    """Ask the dispatcher; on silence again by a new socket under the same id: so nothing is done twice."""
    head = {"v": 1, "id": os.urandom(16), "method": method, "src": "plain-client"}
    end_s = time.monotonic() + deadline_s
    while (left_s := end_s - time.monotonic()) > 0:
        with context.socket(zmq.REQ) as req:
            req.linger = 0
            req.connect(f"ipc://{run}/req.dispatcher")
            req.send_multipart([msgpack.packb(head | {"deadline_s": left_s}), msgpack.packb(body)])
            if req.poll(int(1000 * min(1.0, left_s))):
                told, answer = map(msgpack.unpackb, req.recv_multipart())
                return answer if told["ok"] else sys.exit(f"{answer['code']}: {answer['message']}")
    print("the dispatcher does not answer", file=sys.stderr)
    sys.exit(69)


job_id, now_s = uuid.uuid4().hex, time.time()
sub = context.socket(zmq.SUB)
sub.connect(f"ipc://{run}/sub")
sub.subscribe("job_state/")
sub.subscribe(f"job/export/{job_id}/")
params = {"camera": camera, "start": now_s - seconds, "end": now_s}
job = ask("job.submit", {"id": job_id, "type": "export", "params": params})
asked_s = time.monotonic()
while job["state"] not in ("succeeded", "failed", "cancelled", "dead"):
    if sub.poll(200):
        topic, _, body, *_ = sub.recv_multipart()
        news = msgpack.unpackb(body)
        if topic.startswith(b"job_state/"):
            print(f"{news['type']}: {news['status']} {news.get('counts')}")
        else:
            job = news
    if time.monotonic() - asked_s > 1.0:  # news may be lost; an answer is asked for until it comes
        job, asked_s = ask("job.get", {"id": job_id}), time.monotonic()
print(job["state"], job.get("error") or job.get("result"))
sys.exit({"succeeded": 0, "cancelled": 75}.get(job["state"], 1))
