"""What becomes of entries that have been sent: in flight, to be sent again, or to be settled. Pure.

The outbox hands them out and hears of each one fate: acknowledged, refused for good, or given back.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque

from bdgw.publish.mqtt_settings import MqttSettings
from bdgw.publish.outbox import EACH_COUNTS, Entry, Lane, Outbox
from bdgw.publish.reason import is_final, is_success

__all__ = ["Deliveries"]

_MAX_WAITING = 1000
"""Entries that wait for their retry; above that live ones are refused at once."""


class Deliveries:
    """Those of all connections of a publisher; ``give_back`` when one has ended."""

    def __init__(self, settings: MqttSettings, outbox: Outbox) -> None:
        self._settings = settings
        self._outbox = outbox
        self._in_flight: dict[int, Entry] = {}
        self._retry_at: list[tuple[float, int]] = []
        self._settling: deque[tuple[float, int]] = deque()
        self._attempts: Counter[int] = Counter()
        self.n_acked = 0
        self.n_retried = 0
        self.last_ack_s: float | None = None

    @property
    def n_in_flight(self) -> int:
        """PUBACKs that the broker owes for entries."""
        return len(self._in_flight)

    @property
    def n_waiting_retry(self) -> int:
        """Entries that the broker has refused for the moment."""
        return len(self._retry_at)

    @property
    def next_due_s(self) -> float | None:
        """When ``advance`` has something to do."""
        # Asked at every PUBACK.
        if not self._settling:
            return self._retry_at[0][0] if self._retry_at else None
        settled_s = self._settling[0][0]
        return min(settled_s, self._retry_at[0][0]) if self._retry_at else settled_s

    def sent(self, message_id: int, entry: Entry) -> None:
        """An entry is on its way under this number."""
        self._in_flight[message_id] = entry

    def acknowledged(self, message_id: int, code: int, now_s: float) -> Entry | None:
        """Take a PUBACK; the entry if the broker refuses it for good, which ``refuse`` settles."""
        entry = self._in_flight.pop(message_id, None)
        if entry is None:
            return None
        if not is_success(code):
            if not self._is_retryable(entry, code):
                return entry
            self._retry_later(entry, now_s)
            return None
        if self._settings.sync_lag_s and entry.lane in EACH_COUNTS:
            self._settling.append((now_s + self._settings.sync_lag_s, entry.id))
        else:
            self._outbox.ack(entry.id)
        self.n_acked += 1
        self.last_ack_s = now_s
        if self._attempts:
            self._attempts.pop(entry.id, None)
        return None

    def refuse(self, entry: Entry, reason: str) -> None:
        """It will never be delivered."""
        self._outbox.reject(entry.id, reason)
        self._attempts.pop(entry.id, None)

    def advance(self, now_s: float) -> None:
        """Settle what the broker has synced by now, and send again what may be."""
        self._settle(now_s)
        due = []
        while self._retry_at and self._retry_at[0][0] <= now_s:
            due.append(heapq.heappop(self._retry_at)[1])
        if due:
            self._outbox.release(due)

    def give_back(self) -> None:
        """The connection has ended: what is not acknowledged will be sent again."""
        ids = [entry.id for entry in self._in_flight.values()]
        ids += [entry_id for _, entry_id in self._retry_at]
        self._in_flight.clear()
        self._retry_at.clear()
        self._outbox.release(ids)

    def close(self) -> None:
        """Stopped in good order, so the broker outlives us: what it has, it will have synced."""
        self._settle(float("inf"))

    def _settle(self, now_s: float) -> None:
        while self._settling and self._settling[0][0] <= now_s:
            self._outbox.ack(self._settling.popleft()[1])

    def _is_retryable(self, entry: Entry, code: int) -> bool:
        if is_final(code):
            return False
        return entry.lane is not Lane.LIVE or len(self._retry_at) < _MAX_WAITING

    def _retry_later(self, entry: Entry, now_s: float) -> None:
        if len(self._attempts) > 2 * _MAX_WAITING:
            # Counts of entries that the outbox has dropped meanwhile; the others start anew.
            self._attempts.clear()
        self._attempts[entry.id] += 1
        doublings = min(self._attempts[entry.id] - 1, 16)
        delay_s = min(self._settings.retry_cap_s, self._settings.retry_floor_s * 2**doublings)
        heapq.heappush(self._retry_at, (now_s + delay_s, entry.id))
        self.n_retried += 1
