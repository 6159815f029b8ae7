"""Which jobs may come in: the known types, their policies, and the check of a new job's parameters."""

import difflib
import hashlib
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from framebus import codec
from framebus.clock import Clock
from framebus.errors import ConfigError, ErrorCode, MalformedError, RefusedError
from framebus.jobs import AnyJobType, CheckContext
from framebus.messages import ConfigChanged
from framebus.params_schema import Check, compile_schemas
from framebus.requests import SubmitJob
from framebus.settings import JobSettings, QueuePolicy

log = logging.getLogger(__name__)

MAX_CAMERA_CHARACTERS = 500
"""of a board's field; a longer string in the parameters is no camera"""
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.{1,64})`")


class Admission:
    """The job types of this group: those of its packages, and those that its settings declare."""

    def __init__(
        self,
        types: Mapping[str, AnyJobType],
        declared: Mapping[str, JobSettings],
        data: Path,
        cameras: frozenset[str],
        clock: Clock,
    ) -> None:
        self._types = types
        self._declared = declared
        self._data = data
        self._cameras = cameras
        self._clock = clock
        self._schemas = _schemas_of(declared)
        self._policies: dict[str, QueuePolicy] = {}
        """worked out when first asked for, a dozen times for each job"""

    def take(self, changed: ConfigChanged) -> None:
        """A new section of the configuration counts for the next job; raises MalformedError when it is none."""
        value = bytes(changed.value)
        try:
            if changed.section == "cameras":
                self._cameras = frozenset(msgspec.msgpack.decode(value, type=dict[str, object]))
            elif changed.section == "jobs":
                declared = msgspec.msgpack.decode(value, type=dict[str, JobSettings])
                self._declared, self._schemas, self._policies = declared, _schemas_of(declared), {}
        except (msgspec.MsgspecError, ConfigError) as error:
            raise MalformedError("body", str(error)) from None

    @property
    def known_types(self) -> list[str]:
        return sorted({*self._types, *self._declared})

    def policy_of(self, kind: str) -> QueuePolicy:
        """The type's own policy, with what the configuration changes of it."""
        policies = self._policies  # first: what `take` puts in place meanwhile must not get an old policy
        if (known := policies.get(kind)) is not None:
            return known
        declared = self._declared.get(kind)
        policy = self._types[kind].policy if kind in self._types else QueuePolicy()
        if declared is not None:
            policy = declared.policy(policy)
        if kind in self._types or declared is not None:  # anybody may ask for anything
            policies[kind] = policy
        return policy

    def check_type(self, kind: str) -> None:
        """Raises RefusedError for a type that nobody knows."""
        if kind not in self._types and kind not in self._declared:
            known = ", ".join(self.known_types) or "none"
            raise RefusedError(ErrorCode.UNKNOWN_TYPE, f"unknown job type {kind}; known are {known}")

    def check(self, request: SubmitJob) -> str | None:
        """Refuse a job that cannot succeed; returns its camera."""
        self.check_type(request.type)
        params = bytes(request.params)
        try:
            if request.type in self._types:
                self._check_by_contract(self._types[request.type], params)
            shown = codec.decode_body(params, _HasCamera)
        except MalformedError as error:
            text = f"params: {error}{self._meant(request.type, str(error))}"
            raise RefusedError(ErrorCode.BAD_REQUEST, text) from None
        if request.type in self._schemas:
            self._schemas[request.type](params)
        is_name = isinstance(shown.camera, str) and len(shown.camera) <= MAX_CAMERA_CHARACTERS
        return str(shown.camera) if is_name else None

    def _meant(self, kind: str, said: str) -> str:
        """What a misspelt parameter was meant to be."""
        unknown = _UNKNOWN_FIELD.fullmatch(said)
        if unknown is None or kind not in self._types:
            return ""
        fields = self._types[kind].params.__struct_encode_fields__
        close = difflib.get_close_matches(unknown[1], fields, 1)
        return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(fields)}"

    def _check_by_contract(self, job_type: AnyJobType, raw: bytes) -> None:
        params = codec.decode_body(raw, job_type.params)
        context = CheckContext(data=self._data, cameras=self._cameras, now_at_s=self._clock.wall_s())
        try:
            job_type.check(params, context)
        except RefusedError:
            raise
        except Exception:  # a plug-in's own fault: this job is refused, its neighbours in a batch are not
            log.exception("the check of %s jobs failed", job_type.name)
            text = f"the check of {job_type.name} jobs failed; the dispatcher's log tells more"
            raise RefusedError(ErrorCode.INTERNAL, text) from None


def content_hash(request: SubmitJob) -> bytes:
    """Two submits with one id are the same job when this is equal."""
    content = codec.encode([request.type, bytes(request.params), request.name, request.case])
    return hashlib.sha256(content).digest()


def _schemas_of(declared: Mapping[str, JobSettings]) -> dict[str, Check]:
    return compile_schemas({kind: one.schema for kind, one in declared.items() if one.schema is not None})


class _HasCamera(msgspec.Struct):
    camera: object = None
