"""Why a line of a Frigate's configuration is not taken: by its path, the first row that fits."""

import re

OTHERWISE = "framebus has no such setting"

REASONS = tuple(
    (re.compile(path), reason)
    for path, reason in (
        (r"mqtt", "the bridge takes no such setting: docs/mqtt.md"),
        (r"detectors|model", "the detector is set at services.enrich.detector, and is an ONNX file: docs/objects.md"),
        (r"(cameras\.[^.]+\.)?objects\.mask", "framebus has masks of motion only: write it under the camera's masks"),
        (r"(cameras\.[^.]+\.)?objects", "framebus tells of every object that its detector names; filter who reads"),
        (r"(cameras\.[^.]+\.)?snapshots", "the best picture of each object is kept by the processor best_shot"),
        (r"(cameras\.[^.]+\.)?record\.(.*\.)?mode", "where an object is, all is kept, whether it moves or not"),
        (
            r"(cameras\.[^.]+\.)?record\..*(pre|post)_(capture|roll)",
            "framebus keeps five seconds before and after",
        ),
        (r"(cameras\.[^.]+\.)?record\..*retain\.objects", "all objects are kept for the same time"),
        (r"(cameras\.[^.]+\.)?record\..*(retain|continuous|motion|days)", "this camera is kept as its own lines say"),
        (r"(cameras\.[^.]+\.)?motion", "framebus measures motion in its own way"),
        (r"(cameras\.[^.]+\.)?audio", "framebus records sound, and does not listen to it"),
        (r"(cameras\.[^.]+\.)?(birdseye|ui|live|timestamp_style)|camera_groups", "the page arranges itself"),
        (r"(cameras\.[^.]+\.)?review", "events are listed by framebus events"),
        (
            r"(cameras\.[^.]+\.)?(semantic_search|face_recognition|lpr|genai|classification)",
            "an analyser does that: docs/uploads.md",
        ),
        (r"(cameras\.[^.]+\.)?notifications", "who is told, and how, is written by hand: docs/notify.md"),
        (r"cameras\.[^.]+\.onvif", "framebus steers no cameras"),
        (r"cameras\.[^.]+\.zones\.", "a zone here is its corners; what happens in it is asked of events"),
        (r"(cameras\.[^.]+\.)?ffmpeg.*roles", "the sound of the recorded stream is recorded with it"),
        (r"(cameras\.[^.]+\.)?ffmpeg", "framebus opens cameras in its own way: RTSP over TCP, decoded by software"),
        (r"go2rtc", "framebus asks the cameras themselves"),
        (r"auth|tls|proxy|networking", "the page has links with tokens: docs/http.md"),
        (r"database|version|logger|telemetry|environment_vars", "of Frigate's own working"),
    )
)


def reason_of(path: str) -> str:
    """Why this setting is not taken."""
    return next((reason for pattern, reason in REASONS if pattern.match(path)), OTHERWISE)
