"""One long message that is coming in: its units, and what its sender must be told."""

from __future__ import annotations

import enum

from bdgw.shortmsg.erasure import BLOCK_UNITS, block_count, block_data, rebuild, wrong_units
from bdgw.shortmsg.held_map import HeldMap
from bdgw.shortmsg.reassembly_state import PartialState
from bdgw.shortmsg.segment import Progress, Segment, join_payload, pack_progress

__all__ = ["PartialMessage", "Verdict"]

_MESSAGE_ALLOWANCE_BYTES = 512
_UNIT_ALLOWANCE_BYTES = 64
"""What a unit costs beside its bytes; rounded up from CPython's."""
_SPARE_UNITS = 2
"""So many units more than needed tell which one is wrong."""
_FAILURES_MAX = 3
_CONTRADICTIONS_MAX = 3
"""So many units in a row that do not fit are of another message under the same id."""


class Verdict(enum.Enum):
    """What a unit brought."""

    NOTHING_NEW = enum.auto()
    MORE = enum.auto()
    DONE = enum.auto()
    WRONG = enum.auto()
    """The message was rebuilt and does not fit its check; more units are needed."""
    HOPELESS = enum.auto()
    """That happened too often."""


class PartialMessage:
    """The units of one message. What it may hold is decided by its owner."""

    def __init__(self, *, message_id: int, n_data: int, chunk_bytes: int, now: float) -> None:
        self.message_id = message_id
        self.n_data = n_data
        self.chunk_bytes = chunk_bytes
        self.began_s = self.heard_s = now
        self.payload: bytes | None = None
        self.n_arrived = 0
        self.is_due = False
        """The sender shall be told what is held."""
        self.n_prompts = 0
        """How often it was told so without being heard."""
        self._units: dict[int, bytes] = {}
        self._blocks = block_data(n_data)
        self._counts = [0] * len(self._blocks)
        self._n_spare = 0
        self._n_failures = 0
        self._n_contradictions = 0
        self._map_start = 0

    @classmethod
    def begin(cls, segment: Segment, now: float) -> PartialMessage:
        """An empty message to which ``segment`` belongs."""
        return cls(
            message_id=segment.message_id,
            n_data=segment.n_data,
            chunk_bytes=len(segment.chunk),
            now=now,
        )

    @property
    def n_held(self) -> int:
        """Units held."""
        return len(self._units)

    @property
    def bytes_held(self) -> int:
        """Bytes of all units, with an allowance for their keeping."""
        unit_bytes = self.chunk_bytes + _UNIT_ALLOWANCE_BYTES
        return _MESSAGE_ALLOWANCE_BYTES + len(self._units) * unit_bytes

    @property
    def bytes_when_full(self) -> int:
        """The most that it can come to hold."""
        n_units = self.n_data + _SPARE_UNITS * len(self._blocks)
        return _MESSAGE_ALLOWANCE_BYTES + n_units * (self.chunk_bytes + _UNIT_ALLOWANCE_BYTES)

    def agrees(self, segment: Segment) -> bool:
        """Whether a unit fits those that came before; counts those that do not."""
        fits = (
            segment.n_data == self.n_data
            and len(segment.chunk) == self.chunk_bytes
            and self._units.get(segment.index, segment.chunk) == segment.chunk
        )
        self._n_contradictions = 0 if fits else self._n_contradictions + 1
        return fits

    def is_displaced(self) -> bool:
        """Whether its id seems to be used for another message by now."""
        return self._n_contradictions >= _CONTRADICTIONS_MAX

    def take(self, segment: Segment, now: float) -> Verdict:
        """Add a unit that agrees."""
        self.heard_s = now
        self.n_prompts = 0
        self.n_arrived += 1
        self.is_due |= segment.wants_reply
        if not self._wants(segment.index):
            return Verdict.NOTHING_NEW
        block = segment.index % len(self._blocks)
        self._units[segment.index] = segment.chunk
        self._counts[block] += 1
        needs = self._needs()
        if not any(needs):
            return self._rebuild()
        if not needs[block]:
            # Now the sender can leave this block and turn to the others.
            self.is_due = True
        return Verdict.MORE

    def control(self, max_bytes: int) -> bytes:
        """Tell what is needed; a map that does not fit is told in turns."""
        stop = max(self._units, default=-1) + 1
        start = self._map_start if self._map_start < stop else 0
        needs = self._needs()
        n_blocks = len(self._blocks)
        held = 0
        for index in range(start, stop):
            if index in self._units or not needs[index % n_blocks]:
                held |= 1 << index
        progress = Progress(
            message_id=self.message_id,
            n_data=self.n_data,
            n_arrived=self.n_arrived,
            needs=needs,
            held=HeldMap(start=start, stop=stop, held=held),
        )
        data, cut = pack_progress(progress, max_bytes)
        self._map_start = cut or 0
        self.is_due = False
        return data

    def _wants(self, index: int) -> bool:
        return index not in self._units and self._needs()[index % len(self._blocks)] > 0

    def _needs(self) -> tuple[int, ...]:
        return tuple(
            max(0, n + self._n_spare - count)
            for n, count in zip(self._blocks, self._counts, strict=True)
        )

    # --- rebuilding ---------------------------------------------------------------------------

    def _rebuild(self) -> Verdict:
        self.payload = join_payload(rebuild(self.n_data, self._units))
        if self.payload is None and self._n_spare:
            self.payload = self._rebuild_without_wrong()
        if self.payload is not None:
            return Verdict.DONE
        self.is_due = True
        if not self._n_spare:
            self._n_spare = _SPARE_UNITS
            return Verdict.WRONG
        self._forget_units()
        self._n_failures += 1
        return Verdict.HOPELESS if self._n_failures >= _FAILURES_MAX else Verdict.WRONG

    def _rebuild_without_wrong(self) -> bytes | None:
        wrong = wrong_units(self.n_data, self._units)
        units = {index: unit for index, unit in self._units.items() if index not in wrong}
        left = [0] * len(self._blocks)
        for index in units:
            left[index % len(left)] += 1
        if any(count < n for count, n in zip(left, self._blocks, strict=True)):
            return None
        return join_payload(rebuild(self.n_data, units))

    def _forget_units(self) -> None:
        self._units.clear()
        self._counts = [0] * len(self._blocks)
        self._n_spare = 0
        self._map_start = 0

    # --- across a restart ---------------------------------------------------------------------

    def state(self, sender: int, now: float) -> PartialState:
        """What to keep."""
        return PartialState(
            sender=sender,
            message_id=self.message_id,
            n_data=self.n_data,
            chunk_bytes=self.chunk_bytes,
            units=tuple(sorted(self._units.items())),
            n_arrived=self.n_arrived,
            n_spare=self._n_spare,
            n_failures=self._n_failures,
            is_due=self.is_due,
            age_s=now - self.began_s,
            idle_s=now - self.heard_s,
        )

    @classmethod
    def restore(cls, state: PartialState, now: float) -> PartialMessage:
        """Go on with a message.

        Raises:
            ValueError: the state contradicts itself.
        """
        made = cls(
            message_id=state.message_id,
            n_data=state.n_data,
            chunk_bytes=state.chunk_bytes,
            now=now - state.idle_s,
        )
        n_blocks = block_count(state.n_data)
        for index, unit in state.units:
            if not 0 <= index < n_blocks * BLOCK_UNITS or len(unit) != state.chunk_bytes:
                raise ValueError(f"unit {index} of message {state.message_id} cannot be")
            made._units[index] = unit
        for index in made._units:
            made._counts[index % n_blocks] += 1
        made.began_s = now - state.age_s
        made.n_arrived, made.is_due = state.n_arrived, state.is_due
        made._n_spare, made._n_failures = state.n_spare, state.n_failures
        if not any(made._needs()):
            raise ValueError(f"message {state.message_id} lacks nothing and was not delivered")
        return made
