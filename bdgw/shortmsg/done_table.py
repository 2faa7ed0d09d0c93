"""Long messages that are complete: acknowledged again when asked, and never delivered twice."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bdgw.shortmsg.reassembly_state import DoneState, ReassemblyLimits
from bdgw.shortmsg.segment import Complete, pack

__all__ = ["DoneMessage", "DoneTable"]


class DoneMessage(msgspec.Struct, kw_only=True):
    """What is left of a message once it is complete."""

    n_data: int
    check: int
    n_arrived: int
    at_s: float
    is_due: bool = True
    """Its sender shall be told."""
    replied_at_s: float | None = None


class DoneTable:
    """The last messages of each sender, by sender and message id; the oldest give way."""

    def __init__(self, limits: ReassemblyLimits) -> None:
        self._limits = limits
        self._messages: dict[tuple[int, int], DoneMessage] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def get(self, sender: int, message_id: int) -> DoneMessage | None:
        """A message that is complete."""
        return self._messages.get((sender, message_id))

    def add(self, sender: int, message_id: int, message: DoneMessage) -> None:
        """Remember a message."""
        own = [key for key in self._messages if key[0] == sender]
        if len(own) >= self._limits.sender_done:
            del self._messages[own[0]]
        elif len(self._messages) >= self._limits.total_done:
            del self._messages[next(iter(self._messages))]
        self._messages[sender, message_id] = message

    def unit_seen(self, message: DoneMessage, now: float) -> None:
        """Acknowledge again, unless the unit was under way before its sender could have heard."""
        message.n_arrived += 1
        if message.replied_at_s is None or now - message.replied_at_s >= self._limits.reply_s:
            message.is_due = True

    @property
    def has_due(self) -> bool:
        """Whether any acknowledgement is due."""
        return any(message.is_due for message in self._messages.values())

    def take_due(self, now: float) -> Iterator[tuple[int, int, bytes]]:
        """Take acknowledgements, one at a time: sender, message id and unit."""
        for (sender, message_id), message in self._messages.items():
            if message.is_due:
                message.is_due, message.replied_at_s = False, now
                unit = Complete(
                    message_id=message_id,
                    n_data=message.n_data,
                    check=message.check,
                    n_arrived=message.n_arrived,
                )
                yield sender, message_id, pack(unit)

    def expire(self, now: float) -> None:
        """Forget what is old enough."""
        limit_s = now - self._limits.done_s
        for key in [key for key, message in self._messages.items() if message.at_s <= limit_s]:
            del self._messages[key]

    def state(self, now: float) -> tuple[DoneState, ...]:
        """What to keep."""
        return tuple(
            DoneState(
                sender=sender,
                message_id=message_id,
                n_data=message.n_data,
                check=message.check,
                n_arrived=message.n_arrived,
                is_due=message.is_due,
                age_s=now - message.at_s,
            )
            for (sender, message_id), message in self._messages.items()
        )

    def restore(self, states: tuple[DoneState, ...], now: float) -> None:
        """Take up what was kept."""
        for state in states:
            message = DoneMessage(
                n_data=state.n_data,
                check=state.check,
                n_arrived=state.n_arrived,
                at_s=now - state.age_s,
                is_due=state.is_due,
            )
            self.add(state.sender, state.message_id, message)
