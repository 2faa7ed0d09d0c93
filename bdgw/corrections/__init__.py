"""Corrections from the ground-augmentation network to every rover: fresh, proven, or not at all.

*Words*: ``SourceSpec`` and ``Binding`` (what is wanted), snapshots. *Machines*, all pure:
``source`` (bytes to what may go out, with ``stream``, ``freshness``, ``base_guard`` and
``health``), ``outlet`` (who gets what, with ``choice``, ``nearest`` and ``trail``). *I/O*:
``relay``, which opens the streams and hands out.
"""

from bdgw.corrections.base_guard import BaseJump
from bdgw.corrections.choice import FailoverRules
from bdgw.corrections.datum import Datum, normalise_frame
from bdgw.corrections.nearest import NearestRules
from bdgw.corrections.relay import Corrections
from bdgw.corrections.snapshot import (
    BaseSnapshot,
    CorrectionsSnapshot,
    OutletSnapshot,
    SourceSnapshot,
)
from bdgw.corrections.source import SourceState
from bdgw.corrections.spec import (
    NEAREST,
    Binding,
    SessionPolicy,
    SourceKind,
    SourceSpec,
    frame_conflicts,
)

__all__ = [
    "NEAREST",
    "BaseJump",
    "BaseSnapshot",
    "Binding",
    "Corrections",
    "CorrectionsSnapshot",
    "Datum",
    "FailoverRules",
    "NearestRules",
    "OutletSnapshot",
    "SessionPolicy",
    "SourceKind",
    "SourceSnapshot",
    "SourceSpec",
    "SourceState",
    "frame_conflicts",
    "normalise_frame",
]
