"""Asks a model behind an OpenAI-compatible endpoint what a picture shows: its own, or the middle one of a video."""

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPResponse
from time import monotonic
from typing import Annotated, Any
from urllib.parse import urlsplit

import cv2
from msgspec import Meta

from framebus.analyser import AnalysedFile, Analyser, Analysis
from framebus.job_requests import FailKind
from framebus.runner import WorkError
from framebus_services.analysers.pictures import read_middle
from framebus_services.retry_after import retry_after_s

MAX_ANSWER_BYTES = 256 * 1024
MAX_TEXT_CHARACTERS = 1_500
LONGEST_SIDE = 1_024
TELL_S = 1.0
RATE_LIMITED = (429, 503)
"""with Retry-After the endpoint says when; RFC 9110, 10.2.3"""


class Describe(Analyser):
    def __init__(
        self,
        url: str,
        model: str,
        key_env: str = "OPENAI_API_KEY",
        prompt: str = "Say in one or two sentences what this camera picture shows.",
        timeout_s: Annotated[float, Meta(gt=0.0, le=600.0)] = 30.0,
        max_tokens: Annotated[int, Meta(ge=1, le=4_096)] = 200,
    ) -> None:
        """`url` ends before `/chat/completions`; the key is in the environment variable `key_env`, if it needs one."""
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("url: it begins with http:// or https://")
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._model = model
        self._key = os.environ.get(key_env, "")
        self._prompt = prompt
        self._timeout_s = timeout_s
        self._max_tokens = max_tokens

    def analyse(self, file: AnalysedFile, report: Callable[[str, float], None]) -> Analysis:
        report("decoding", 5.0)
        picture = read_middle(file)
        scale = min(1.0, LONGEST_SIDE / max(picture.shape[:2]))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
        text = _text_of(self._await_answer(jpeg, report))
        return Analysis(values={"text": text[:MAX_TEXT_CHARACTERS], "model": self._model}, jpeg=jpeg)

    def _await_answer(self, jpeg: bytes, report: Callable[[str, float], None]) -> bytes:
        """A small model may take minutes; work that says nothing for so long would count as stalled."""
        pool = ThreadPoolExecutor(1, "endpoint")
        try:
            answer = pool.submit(self._ask, jpeg)
            while True:
                report("asking", 20.0)  # raises when the job must end: then nobody waits for the answer
                with suppress(TimeoutError):
                    return answer.result(TELL_S)
        finally:
            pool.shutdown(wait=False)

    def _ask(self, jpeg: bytes) -> bytes:
        image = {"url": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"}
        content = [{"type": "text", "text": self._prompt}, {"type": "image_url", "image_url": image}]
        body = {
            "model": self._model,
            "max_tokens": self._max_tokens,
            "messages": [{"role": "user", "content": content}],
        }
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers)
        try:
            with _OPENER.open(request, timeout=self._timeout_s) as answer:
                return self._read(answer)
        except urllib.error.HTTPError as error:
            raise _refused(error) from None
        except (OSError, ValueError) as error:  # no connection, no answer in time, half an answer
            raise WorkError(FailKind.TRANSIENT, f"the endpoint gives no answer: {error}") from None

    def _read(self, answer: HTTPResponse) -> bytes:
        """All of it, in time: the timeout of a socket begins anew with each byte. Raises OSError."""
        end_s = monotonic() + self._timeout_s
        body = b""
        while len(body) < MAX_ANSWER_BYTES and (part := answer.read1(MAX_ANSWER_BYTES - len(body))):
            body += part
            if monotonic() > end_s:
                raise TimeoutError(f"only {len(body)} bytes of it within {self._timeout_s:g} s")
        return body


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """The key goes to the configured endpoint and nowhere else."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _refused(error: urllib.error.HTTPError) -> WorkError:
    with error:
        text = f"the endpoint answers {error.code} {error.reason}"
        wait_s = retry_after_s(error.headers.get("Retry-After"))
    if error.code == 429 or (error.code in RATE_LIMITED and wait_s is not None):
        return WorkError(FailKind.RATE_LIMITED, text, retry_after_s=wait_s)
    if error.code >= 500 or error.code in (408, 409, 425):
        return WorkError(FailKind.TRANSIENT, text)
    return WorkError(FailKind.PERMANENT, text)


def _text_of(answer: bytes) -> str:
    try:
        text = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        text = None
    if not isinstance(text, str) or not text.strip():
        raise WorkError(FailKind.TRANSIENT, "the endpoint's answer holds no text: choices[0].message.content")
    return text.strip()
