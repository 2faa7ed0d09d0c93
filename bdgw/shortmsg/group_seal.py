"""The seals of all peer groups; counters and replay entries are values of the ledger. Pure.

A counter is used only when its reservation is durable; until then a message waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.compose import SealLaterError, Unsealed
from bdgw.shortmsg.key import KeyRing
from bdgw.shortmsg.nonce import CounterError, Reservation
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.seal import OVERHEAD_BYTES, Opener, Sealer, SealRefused
from bdgw.shortmsg.value_table import ValueTable
from bdgw.shortmsg.vocabulary import Form

__all__ = ["GroupSeals"]


class GroupSeals:
    """``compose.Security`` over key rings: one for each group."""

    overhead_bytes = OVERHEAD_BYTES

    def __init__(
        self,
        rings: Mapping[str, KeyRing],
        *,
        values: ValueTable,
        stored_replay: Mapping[str, bytes],
        utc_s: Callable[[], float | None],
        host: str,
        max_age_s: int | None = None,
    ) -> None:
        """Take the rings by group.

        ``stored_replay`` are the entries of the store's values that the openers left, ``host``
        names this machine by what a copied disk does not carry, ``utc_s`` is a trusted clock or
        None while there is none.
        """
        self._rings = dict(rings)
        self._values = values
        self._utc_s = utc_s
        self._host = host
        self._sealers: dict[tuple[str, int], Sealer] = {}
        self._reserving: dict[tuple[str, int], tuple[Reservation, Pending[bool]]] = {}
        self._openers = {
            group: Opener(ring, stored=stored_replay, max_age_s=max_age_s)
            for group, ring in self._rings.items()
        }

    def has_key(self, group: str) -> bool:
        """Whether something can be sealed for a group."""
        return group in self._rings

    def seal(self, group: str, payload: bytes, *, sender: int, receiver: int) -> bytes:
        """Seal what one of our cards sends to an address.

        Raises:
            SealLaterError: no counter can be given now.
            EncodeError: there is no key, or the payload is too long.
        """
        sealer = self._sealer(group, sender)
        utc_s = self._utc_s()
        self._reserve(sealer, (group, sender), utc_s)
        try:
            return sealer.seal(
                payload, form=Form.CODE, n_bits=8 * len(payload), receiver=receiver, utc_s=utc_s
            )
        except CounterError as error:
            raise SealLaterError(str(error)) from None

    def open(
        self, group: str | None, sealed: bytes, *, sender: int, receivers: Sequence[int]
    ) -> Unsealed:
        """Open what a sender has sealed for one of these addresses.

        Raises:
            DecodeError: it is not genuine, or was opened before.
        """
        opener = None if group is None else self._openers.get(group)
        if opener is None:
            raise DecodeError("sealed by nobody whose key is known")
        opened = opener.open(sealed, sender=sender, receivers=receivers, utc_s=self._utc_s())
        if isinstance(opened, SealRefused):
            raise DecodeError(f"seal refused: {opened.reason}")
        name, value = opened.replay_entry
        self._values.compare_and_set(name, self._values.get(name), value)
        return Unsealed(content=opened.content, key_id=opened.key_id)

    def _sealer(self, group: str, sender: int) -> Sealer:
        ring = self._rings.get(group)
        if ring is None:
            raise EncodeError(f"no key for group {group}")
        sealer = self._sealers.get((group, sender))
        if sealer is None:
            name = f"seal/{sender}/{ring.sending.key_id}"
            kept = self._values.get(name)
            stored = {} if kept is None else {name: kept}
            sealer = Sealer(ring.sending, address=sender, stored=stored, host=self._host)
            self._sealers[group, sender] = sealer
        return sealer

    def _reserve(self, sealer: Sealer, key: tuple[str, int], utc_s: float | None) -> None:
        """Ask for counters, and take those that have become durable."""
        due = sealer.lane.due(utc_s=utc_s)
        if due is not None:
            pending = self._values.compare_and_set(due.name, due.expected, due.value)
            self._reserving[key] = due, pending
        asked = self._reserving.get(key)
        if asked is None:
            return
        reservation, pending = asked
        if not pending.value:
            sealer.lane.refused(self._values.get(reservation.name))
        elif pending.error is not None:
            sealer.lane.failed()
        elif pending.is_durable:
            sealer.lane.granted(reservation)
        else:
            return
        del self._reserving[key]
