"""The receiver of long messages: collects units, rebuilds, and says what it still needs.

Memory is used for what units bring, not for what they promise; but a message is only begun if all
that are under way could be finished. What was begun ends as ``Completed`` or as ``Missing``.

``Completed`` comes before its acknowledgement: store the payload and ``state()``, then ask for
``controls_due``.
"""

from __future__ import annotations

from collections.abc import Iterable

from bdgw.errors import DecodeError
from bdgw.shortmsg.done_table import DoneMessage, DoneTable
from bdgw.shortmsg.partial_message import PartialMessage, Verdict
from bdgw.shortmsg.reassembly_state import (
    Completed,
    ControlDue,
    Missing,
    MissingCause,
    Progressed,
    ReassemblerState,
    ReassemblyEvent,
    ReassemblyLimits,
    Rejected,
    RejectedCause,
)
from bdgw.shortmsg.segment import (
    CONTROL_BYTES_MIN,
    Abandoned,
    Refusal,
    RefusalCause,
    Segment,
    check_of,
    pack,
    parse,
)

__all__ = ["Reassembler"]

_Key = tuple[int, int]
"""Sender and message id."""
_REFUSALS_MAX = 64
_DOUBLINGS_MAX = 30


class Reassembler:
    """All messages on their way to this gateway. ``now`` is monotonic seconds."""

    def __init__(self, *, control_bytes: int, limits: ReassemblyLimits | None = None) -> None:
        """Start empty; ``control_bytes`` is what one transmission of our cards carries.

        Raises:
            ValueError: a control does not fit.
        """
        if control_bytes < CONTROL_BYTES_MIN:
            raise ValueError(f"controls need {CONTROL_BYTES_MIN} bytes, not {control_bytes}")
        self._control_bytes = control_bytes
        self._limits = limits or ReassemblyLimits()
        self._partials: dict[_Key, PartialMessage] = {}
        self._done = DoneTable(self._limits)
        self._refusals: dict[_Key, tuple[int, RefusalCause]] = {}
        self._bytes = 0
        self.n_rejected = 0

    @property
    def bytes_held(self) -> int:
        """Bytes of units, with an allowance for each message."""
        return self._bytes

    @property
    def n_partial(self) -> int:
        """Messages under way."""
        return len(self._partials)

    # --- units --------------------------------------------------------------------------------

    def receive(self, sender: int, unit: bytes, now: float) -> tuple[ReassemblyEvent, ...]:
        """Take a unit of a sender; any bytes are safe."""
        try:
            parsed = parse(unit)
        except DecodeError as error:
            return (self._reject(sender, None, RejectedCause.UNREADABLE, str(error)),)
        key = sender, parsed.message_id
        match parsed:
            case Segment():
                return self._segment(key, parsed, now)
            case Abandoned():
                partial = self._partials.get(key)
                if partial is None or partial.n_data != parsed.n_data:
                    return ()
                return (self._drop(key, MissingCause.ABANDONED),)
            case _:
                return (self._reject(*key, RejectedCause.CONTROL, "a control, for a sender"),)

    def _segment(self, key: _Key, segment: Segment, now: float) -> tuple[ReassemblyEvent, ...]:
        done = self._done.get(*key)
        if done is not None:
            return self._segment_of_done(key, done, segment, now)
        events: list[ReassemblyEvent] = []
        partial = self._partials.get(key)
        if partial is not None and not partial.agrees(segment):
            if not partial.is_displaced():
                why = "it does not fit the units that came before"
                return (self._reject(*key, RejectedCause.CONTRADICTION, why),)
            events.append(self._drop(key, MissingCause.REPLACED))
            partial = None
        if partial is None:
            partial = PartialMessage.begin(segment, now)
            rejected = self._admit(key, partial, now, events)
            if rejected is not None:
                return (*events, rejected)
        else:
            self._bytes -= partial.bytes_held
        self._partials[key] = partial
        verdict = partial.take(segment, now)
        self._bytes += partial.bytes_held
        return (*events, *self._judged(key, partial, verdict, now))

    def _judged(
        self, key: _Key, partial: PartialMessage, verdict: Verdict, now: float
    ) -> tuple[ReassemblyEvent, ...]:
        if verdict is Verdict.NOTHING_NEW:
            return ()
        if verdict is Verdict.MORE:
            return (
                Progressed(
                    sender=key[0],
                    message_id=key[1],
                    n_held=partial.n_held,
                    n_data=partial.n_data,
                ),
            )
        if verdict is Verdict.HOPELESS:
            self._refuse(key, partial.n_data, RefusalCause.CHECK)
            return (self._drop(key, MissingCause.CHECK),)
        if verdict is Verdict.WRONG or partial.payload is None:
            why = "the rebuilt message does not fit its check"
            return (self._reject(*key, RejectedCause.CHECK, why),)
        del self._partials[key]
        self._bytes -= partial.bytes_held
        done = DoneMessage(
            n_data=partial.n_data,
            check=check_of(partial.payload),
            n_arrived=partial.n_arrived,
            at_s=now,
        )
        self._done.add(*key, done)
        return (
            Completed(
                sender=key[0],
                message_id=key[1],
                payload=partial.payload,
                n_data=partial.n_data,
                n_arrived=partial.n_arrived,
                duration_s=now - partial.began_s,
            ),
        )

    def _segment_of_done(
        self, key: _Key, done: DoneMessage, segment: Segment, now: float
    ) -> tuple[ReassemblyEvent, ...]:
        """A new message under an old id gets the old check, which tells its sender so."""
        self._done.unit_seen(done, now)
        if done.n_data == segment.n_data:
            return ()
        why = "the id of a message that is complete"
        return (self._reject(*key, RejectedCause.CONTRADICTION, why),)

    def _reject(
        self, sender: int, message_id: int | None, cause: RejectedCause, text: str
    ) -> Rejected:
        self.n_rejected += 1
        return Rejected(sender=sender, message_id=message_id, cause=cause, text=text)

    # --- controls and time --------------------------------------------------------------------

    @property
    def has_controls_due(self) -> bool:
        """Whether ``controls_due`` would give any."""
        partials = self._partials.values()
        return bool(self._refusals) or self._done.has_due or any(one.is_due for one in partials)

    def controls_due(self, now: float, *, limit: int | None = None) -> tuple[ControlDue, ...]:
        """Take controls to send now, at most ``limit``; ask when there is a slot, not before.

        What they say is as of now, and they count as sent.
        """
        due: list[ControlDue] = []
        acknowledgements = self._done.take_due(now)
        while not _is_full(due, limit) and (taken := next(acknowledgements, None)) is not None:
            due.append(_control(*taken, is_final=True))
        while self._refusals and not _is_full(due, limit):
            (sender, message_id), (n_data, cause) = next(iter(self._refusals.items()))
            del self._refusals[sender, message_id]
            unit = pack(Refusal(message_id=message_id, n_data=n_data, cause=cause))
            due.append(_control(sender, message_id, unit, is_final=True))
        for (sender, message_id), partial in self._partials.items():
            if partial.is_due and not _is_full(due, limit):
                unit = partial.control(self._control_bytes)
                due.append(_control(sender, message_id, unit, is_final=False))
        return tuple(due)

    def tick(self, now: float) -> tuple[ReassemblyEvent, ...]:
        """Give up what has waited too long, and prompt senders that have gone quiet."""
        limits = self._limits
        overdue = [
            key
            for key, partial in self._partials.items()
            if now >= partial.heard_s + limits.partial_s
        ]
        for partial in self._partials.values():
            if now >= self._prompt_at_s(partial):
                partial.n_prompts += 1
                partial.is_due = True
        self._done.expire(now)
        return tuple(self._drop(key, MissingCause.TIMEOUT) for key in overdue)

    def deadline(self) -> float | None:
        """When ``tick`` has something to do next; None: with nothing under way, never."""
        return min(
            (
                min(partial.heard_s + self._limits.partial_s, self._prompt_at_s(partial))
                for partial in self._partials.values()
            ),
            default=None,
        )

    def _prompt_at_s(self, partial: PartialMessage) -> float:
        waits = 2.0 ** min(partial.n_prompts + 1, _DOUBLINGS_MAX) - 1.0
        return partial.heard_s + self._limits.quiet_s * waits

    # --- across a restart ---------------------------------------------------------------------

    def state(self, now: float) -> ReassemblerState:
        """What to keep; what is still unacknowledged stays due."""
        return ReassemblerState(
            partials=tuple(
                partial.state(sender, now) for (sender, _id), partial in self._partials.items()
            ),
            done=self._done.state(now),
        )

    @classmethod
    def restore(
        cls,
        state: ReassemblerState,
        now: float,
        *,
        control_bytes: int,
        limits: ReassemblyLimits | None = None,
    ) -> Reassembler:
        """Go on; the time that the gateway was down does not count as waiting.

        Raises:
            ValueError: the state contradicts itself.
        """
        made = cls(control_bytes=control_bytes, limits=limits)
        for kept in state.partials:
            partial = PartialMessage.restore(kept, now)
            made._partials[kept.sender, kept.message_id] = partial
            made._bytes += partial.bytes_held
        made._done.restore(state.done, now)
        return made

    # --- room ---------------------------------------------------------------------------------

    def _admit(
        self, key: _Key, partial: PartialMessage, now: float, events: list[ReassemblyEvent]
    ) -> Rejected | None:
        """Begin a message only if it can be finished; what has long been idle makes room for it."""
        limits = self._limits
        size = f"{partial.n_data} units of {partial.chunk_bytes} bytes"
        if partial.bytes_when_full > min(limits.sender_bytes, limits.total_bytes):
            self._refuse(key, partial.n_data, RefusalCause.TOO_LARGE)
            return self._reject(*key, RejectedCause.TOO_LARGE, size)
        while (cause := self._shortage(key, partial)) is not None:
            idle = [
                (rival.heard_s, other)
                for other, rival in self._partials.items()
                if now - rival.heard_s >= limits.idle_s
                and (cause is not RejectedCause.SENDER_FULL or other[0] == key[0])
            ]
            if not idle:
                self._refuse(key, partial.n_data, RefusalCause.FULL)
                return self._reject(*key, cause, f"no room for {size}")
            events.append(self._drop(min(idle)[1], MissingCause.DISPLACED))
        return None

    def _shortage(self, key: _Key, partial: PartialMessage) -> RejectedCause | None:
        """Whose share would be too small, once all messages under way are full."""
        limits, all_others = self._limits, self._partials.values()
        own = [rival for other, rival in self._partials.items() if other[0] == key[0]]
        if (
            len(own) >= limits.sender_messages
            or _bytes_when_full(own) + partial.bytes_when_full > limits.sender_bytes
        ):
            return RejectedCause.SENDER_FULL
        if (
            len(all_others) >= limits.total_messages
            or _bytes_when_full(all_others) + partial.bytes_when_full > limits.total_bytes
        ):
            return RejectedCause.FULL
        return None

    def _drop(self, key: _Key, cause: MissingCause) -> Missing:
        partial = self._partials.pop(key)
        self._bytes -= partial.bytes_held
        return Missing(
            sender=key[0],
            message_id=key[1],
            n_held=partial.n_held,
            n_data=partial.n_data,
            cause=cause,
        )

    def _refuse(self, key: _Key, n_data: int, cause: RefusalCause) -> None:
        self._refusals.pop(key, None)
        while len(self._refusals) >= _REFUSALS_MAX:
            del self._refusals[next(iter(self._refusals))]
        self._refusals[key] = n_data, cause


def _bytes_when_full(partials: Iterable[PartialMessage]) -> int:
    return sum(partial.bytes_when_full for partial in partials)


def _is_full(due: list[ControlDue], limit: int | None) -> bool:
    return limit is not None and len(due) >= limit


def _control(sender: int, message_id: int, unit: bytes, *, is_final: bool) -> ControlDue:
    return ControlDue(to=sender, message_id=message_id, unit=unit, is_final=is_final)
