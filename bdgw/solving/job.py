"""What goes to a worker process and what comes back: one epoch of one rover. Pure.

Frames travel as they came; the worker decodes them.
"""

from __future__ import annotations

import struct

import msgspec

from bdgw.model import FixKind
from bdgw.positioning.baseline import Attitude
from bdgw.positioning.solution import Solution
from bdgw.solving.spec import HeadingSpec

__all__ = [
    "LENGTH",
    "Job",
    "Outcome",
    "decode_job",
    "decode_outcome",
    "encode_job",
    "encode_outcome",
]

LENGTH = struct.Struct(">I")
"""Before each message in a pipe: its length."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch to solve.

    ``orbits`` are the ephemerides that came since the job before, of rover and base; ``position``
    is the base's 1005 or 1006, and its 1230 where it sends one; ``base`` is empty where no epoch of
    the base serves.
    ``near_gpst_ns`` says about when it is. ``n_base`` counts changes of the base: with another
    number than before, nothing of the old base is used. With ``heading`` the vector from another
    antenna is solved as well; ``second`` is its epoch of the same instant, or empty.
    ``equipment`` is the base's 1007, 1008 or 1033; antennas are looked up in the file ``antex``.
    """

    device: str
    n_base: int
    near_gpst_ns: int | None
    rover: bytes
    base: bytes
    position: bytes
    orbits: bytes
    systems: str
    mask_deg: float
    is_static: bool
    max_age_s: float
    second: bytes = b""
    equipment: bytes = b""
    antenna: str | None = None
    antenna_height_m: float = 0.0
    antex: str | None = None
    heading: HeadingSpec | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a job: no ``solution`` where its frames held no epoch with a date.

    ``base_gpst_ns`` is the instant of the base's epoch; ``error`` is a mistake in the engine.
    ``attitude`` is that of a fixed vector; ``vector_kind`` and ``vector_why`` say what became of
    the vector, where there is one to solve.
    """

    solution: Solution | None = None
    base_gpst_ns: int | None = None
    spent_ms: float = 0.0
    error: str | None = None
    attitude: Attitude | None = None
    vector_kind: FixKind | None = None
    vector_why: str | None = None
    antenna_remarks: tuple[str, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_job = msgspec.msgpack.Decoder(Job)
_outcome = msgspec.msgpack.Decoder(Outcome)


def encode_job(job: Job) -> bytes:
    """Write a job."""
    return _encode(job)


def decode_job(data: bytes) -> Job:
    """Read a job.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _job.decode(data)


def encode_outcome(outcome: Outcome) -> bytes:
    """Write an outcome."""
    return _encode(outcome)


def decode_outcome(data: bytes) -> Outcome:
    """Read an outcome.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _outcome.decode(data)
