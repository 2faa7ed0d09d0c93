"""From the float solution of an epoch to a fixed one that may be said, or why there is none.

A set of whole numbers is searched for, the gate looks at it, and it is compared with the epochs
before. What these proved is asked where the search of this epoch does not find it again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from bdgw.model import FixKind
from bdgw.positioning.agreement import Agreement, Compared, Verdict
from bdgw.positioning.ambiguity import FloatSolution
from bdgw.positioning.code_phase import CodePhase
from bdgw.positioning.fix_gate import Evidence, examine, n_to_spare, of_known
from bdgw.positioning.held_out import HeldOut
from bdgw.positioning.integers import Resolved, Resolver
from bdgw.positioning.match import is_one_of, n_distinct
from bdgw.positioning.preparation import Prepared
from bdgw.positioning.sky_lean import SkyLean
from bdgw.positioning.solution import Solution, solution_at
from bdgw.positioning.vouch import Vouching
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["Fixing", "Floated"]

_RATIO = 3.0
_FIX_SIGMA_M = 0.05
"""A fix is good to a decimetre, with two standard deviations."""
_MOST_SIGMA_M = 0.07
"""So much where they are widened, because few satellites vouch for them, and none contradicts."""


class Floated(NamedTuple):
    """An epoch with its float solution.

    ``allowed`` tells which pairs may be fixed, ``is_fresh`` whose arc begins with this epoch.
    """

    prepared: Prepared
    floating: FloatSolution
    said: Solution
    allowed: BoolArray
    is_fresh: BoolArray

    def without(self, why: str) -> Solution:
        """Give the float solution, and why it is no better."""
        return msgspec.structs.replace(self.said, why=why)


class _Set(NamedTuple):
    """A set of whole numbers that passed the gate."""

    resolved: Resolved
    evidence: Evidence


class Fixing:
    """What one rover's epochs so far say of whole numbers."""

    def __init__(
        self,
        agreed: Agreement,
        code_phase: CodePhase,
        lean: SkyLean,
        float_of: Callable[[Prepared, BoolArray], FloatSolution | None],
    ) -> None:
        """Solve epochs again with fewer pairs by ``float_of``."""
        self._agreed = agreed
        self._code_phase = code_phase
        self._lean = lean
        self._float_of = float_of
        self._resolver = Resolver()
        self._held = HeldOut()
        self.vouching = Vouching()
        self._changed: IntArray = np.zeros(0, dtype=np.int64)

    def take_changed(self) -> IntArray:
        """Drain the keys of arcs whose count changed alone in the last epoch: they slipped."""
        changed, self._changed = self._changed, self._changed[:0]
        return changed

    def fix(self, epoch: Floated) -> tuple[Solution, Evidence | None]:
        """Give the solution of an epoch, and its evidence where it is fixed."""
        pairs = epoch.prepared.pairs
        settled = epoch.allowed & ~epoch.is_fresh
        if self.vouching.is_plenty(n_to_spare(pairs.satellite[settled])):
            # The first phase of an arc can be checked against none before it.
            epoch = epoch._replace(allowed=settled)
        known: _Set | None = None
        first: Solution | None = None
        for left_out, some in self._trials(epoch):
            found = self._search(some)
            if isinstance(found, _Set):
                self._held.succeed(left_out)
                return self._of_search(epoch, some, found)
            if first is None:
                first, known = found, self._recall(epoch)
            if found.ratio is None or found.ratio <= 1.0 or known is not None:
                break
        if first is None:
            known = self._recall(epoch)
        if known is not None:
            return self._say(epoch, known, self._compare(epoch, known), None)
        self._agreed.fail()
        if first is not None and first.ratio is not None:
            self._code_phase.fail()
        return first or epoch.said, None

    def _trials(self, epoch: Floated) -> Iterator[tuple[list[int], Floated]]:
        """Give the epoch without the satellites that are left out, one try after the other."""
        satellite = epoch.prepared.pairs.satellite
        for left_out in self._held.trials(satellite[epoch.allowed]):
            if not left_out:
                yield left_out, epoch
                continue
            allowed = epoch.allowed & ~is_one_of(satellite, left_out)
            floating = self._float_of(epoch.prepared, allowed)
            if floating is None:
                return
            yield left_out, epoch._replace(allowed=allowed, floating=floating)

    def _compare(self, epoch: Floated, found: _Set) -> Compared:
        pairs = epoch.prepared.pairs
        return self._agreed.compare(pairs.key, pairs.group, found.evidence)

    def _search(self, epoch: Floated) -> _Set | Solution:
        """Search whole numbers; the float solution where none pass."""
        pairs = epoch.prepared.pairs
        resolved = self._resolver.resolve(epoch.floating, pairs.key, pairs.wavelength_m)
        if resolved is None:
            return epoch.without("too few or too imprecise ambiguities")
        said = msgspec.structs.replace(epoch.said, ratio=resolved.ratio)
        epoch = epoch._replace(said=said)
        if resolved.ratio < _RATIO:
            return epoch.without("ratio")
        evidence = examine(resolved, epoch.floating, epoch.prepared, epoch.allowed)
        if evidence is None or evidence.refusal is not None:
            return epoch.without((evidence and evidence.refusal) or "no position")
        return _Set(resolved, evidence)

    def _recall(self, epoch: Floated) -> _Set | None:
        """Try the whole numbers that are proven by epochs before."""
        prepared = epoch.prepared
        is_known, cycles = self._known(epoch)
        if not self.vouching.may_try(n_to_spare(prepared.pairs.satellite[is_known])):
            return None
        resolved = of_known(epoch.floating, prepared, is_known, cycles)
        if resolved is None or resolved.ratio < _RATIO:
            return None
        evidence = examine(resolved, epoch.floating, prepared, epoch.allowed)
        if evidence is None or evidence.refusal is not None:
            return None
        return _Set(resolved, evidence)

    def _known(self, epoch: Floated) -> tuple[BoolArray, IntArray]:
        prepared = epoch.prepared
        is_known, cycles = self._agreed.known(epoch.said.t_gpst_ns * 1e-9, prepared.pairs.key)
        return is_known & epoch.allowed & ~prepared.is_own, cycles

    def _of_search(
        self, epoch: Floated, some: Floated, found: _Set
    ) -> tuple[Solution, Evidence | None]:
        """Say the set that the search of an epoch found in some of its pairs."""
        compared = self._compare(epoch, found)
        if (self._known(epoch)[0] & ~compared.is_same).any():
            # It does not have all that is proven: does that hold as well?
            known = self._recall(epoch)
            if known is not None:
                other = self._compare(epoch, known)
                at = known.resolved._replace(ratio=found.resolved.ratio)
                return self._say(epoch, _Set(at, known.evidence), other, compared)
        return self._say(some, found, compared, compared)

    def _say(
        self, epoch: Floated, chosen: _Set, compared: Compared, found: Compared | None
    ) -> tuple[Solution, Evidence | None]:
        """Believe a set, or say why not; ``found`` is what the search of the epoch came to."""
        evidence = self._examined(epoch, chosen, compared)
        if isinstance(evidence, str):
            self._agreed.fail()
            return epoch.without(evidence), None
        t_s = epoch.said.t_gpst_ns * 1e-9
        verdict = self._agreed.add(t_s, found or compared, is_found=found is not None)
        if verdict is Verdict.CONTRADICTED:
            self._code_phase.forget()
            return epoch.without("other whole numbers than before"), None
        is_strong = verdict is Verdict.NEW and self.vouching.is_strong(evidence)
        if verdict is not Verdict.PROVEN and not is_strong:
            return epoch.without("not yet proven"), None
        evidence = self._lean.widened(t_s, epoch.prepared, evidence)
        fixed = _fixed(epoch, chosen.resolved, evidence)
        if fixed.kind is not FixKind.RTK_FIXED:
            return fixed, None
        self._code_phase.learn(t_s, evidence.levels)
        return fixed, evidence

    def _examined(self, epoch: Floated, chosen: _Set, compared: Compared) -> Evidence | str:
        """Give the evidence that is left of a set beside the epochs before, or the doubt."""
        evidence, pairs = chosen.evidence, epoch.prepared.pairs
        self._changed = self._agreed.changed(compared)
        if len(self._changed):
            # Of one arc alone it is its phase that changed: it says nothing of the position.
            resolved = chosen.resolved._replace(
                step_m=evidence.step_m, covariance=evidence.covariance
            )
            some = epoch.allowed & ~is_one_of(pairs.key, self._changed)
            again = examine(resolved, epoch.floating, epoch.prepared, some)
            if again is None or again.refusal is not None:
                return "other whole numbers than before"
            evidence = again
            compared = self._agreed.compare(pairs.key, pairs.group, evidence)
        lasts = (epoch.prepared.weights.phase > 0.0) & ~epoch.is_fresh
        if self._agreed.is_minority(compared, lasts):
            return "too few of the whole numbers of before"
        doubt = self.vouching.doubt(evidence)
        if doubt is not None:
            return doubt
        if not self.vouching.is_enough(evidence):
            # What does not vouch for itself is not proven by coming again.
            return "too few satellites to vouch for it"
        return evidence


def _fixed(epoch: Floated, resolved: Resolved, evidence: Evidence) -> Solution:
    """Give the fixed solution of believed phases, if it is precise."""
    prepared = epoch.prepared
    fixed = solution_at(
        epoch.said.t_gpst_ns,
        FixKind.RTK_FIXED,
        prepared,
        evidence.step_m,
        evidence.covariance,
        n_distinct(prepared.pairs.satellite[evidence.used]),
    )
    variance_m2 = float(np.trace(evidence.covariance))
    of_many_m2 = variance_m2 - float(np.trace(evidence.few_m2))
    most_m = _MOST_SIGMA_M if evidence.part == 1.0 else _FIX_SIGMA_M
    if of_many_m2 > _FIX_SIGMA_M**2 or variance_m2 > most_m**2:
        return epoch.without("fixed, but imprecise")
    return msgspec.structs.replace(
        fixed,
        ratio=resolved.ratio,
        residual_m=evidence.residual_m,
        n_fixed=int(evidence.used.sum()),
    )
