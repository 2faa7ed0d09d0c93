"""The peer groups of a gateway: which keys seal for whom, for every card that it sends with. Pure.

One object for all groups, because nonces and replay entries are named by key id: an id, and a
key, belong to one group only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bdgw.errors import ConfigError, EncodeError
from bdgw.shortmsg.key import KeyRing
from bdgw.shortmsg.nonce import CounterTrouble, Reservation
from bdgw.shortmsg.seal import Opened, Opener, Sealer, SealRefusal, SealRefused, is_sealed
from bdgw.shortmsg.vocabulary import Form

__all__ = ["CARDS_MAX", "PeerGroups"]

CARDS_MAX = 1024
_KEY_ID_AT = 2


class PeerGroups:
    """Seals and opens for all groups of one gateway.

    What it gives as ``due`` must be written durably by compare-and-set and answered with
    ``granted``, ``refused`` or ``failed``; what it gives with an opened message must be durable
    before the message is acted on.
    """

    def __init__(
        self,
        rings: Mapping[str, KeyRing],
        *,
        stored: Mapping[str, bytes],
        host: str,
        max_age_s: int | None = None,
    ) -> None:
        """Take the keys by group and the stored values (others in the mapping do not matter).

        Raises:
            ConfigError: an id or a key stands in two groups.
            ValueError: a stored value is damaged.
        """
        self._rings = dict(rings)
        self._stored = dict(stored)
        self._host = host
        self._group_by_key: dict[int, str] = {}
        keys: set[bytes] = set()
        for group, ring in self._rings.items():
            for key in ring.all_keys():
                if key.key_id in self._group_by_key:
                    raise ConfigError(f"key id {key.key_id} stands in two groups")
                if key.reveal() in keys:
                    raise ConfigError(f"key {key.key_id} of {group!r} is also of another group")
                keys.add(key.reveal())
                self._group_by_key[key.key_id] = group
        self._openers = {
            group: Opener(
                ring,
                stored={
                    name: value
                    for name, value in stored.items()
                    if self._group_of_entry(name) == group
                },
                max_age_s=max_age_s,
            )
            for group, ring in self._rings.items()
        }
        self._sealers: dict[tuple[str, int], Sealer] = {}
        self._waiting: dict[str, Sealer] = {}
        self.n_refused: Counter[SealRefusal] = Counter()

    def _group_of_entry(self, name: str) -> str | None:
        words = name.split("/")
        if words[0] != "replay" or not words[-1].isdecimal():
            return None
        return self._group_by_key.get(int(words[-1]))

    def _sealer(self, group: str, address: int) -> Sealer:
        sealer = self._sealers.get((group, address))
        if sealer is None:
            ring = self._rings.get(group)
            if ring is None:
                raise EncodeError(f"there is no key of {group!r}")
            if len(self._sealers) >= CARDS_MAX:
                raise EncodeError(f"more than {CARDS_MAX} cards and groups")
            sealer = Sealer(ring.sending, address=address, stored=self._stored, host=self._host)
            self._sealers[group, address] = sealer
        return sealer

    def names(self) -> tuple[str, ...]:
        """Give the groups."""
        return tuple(self._rings)

    def prepare(self, group: str, address: int) -> None:
        """Say that a card, by the address that it gives itself, will seal for a group.

        Raises:
            EncodeError: there is no such group, or no room for it.
            ValueError: the stored counter is damaged.
        """
        self._sealer(group, address)

    def due(self, *, utc_s: float | None) -> tuple[Reservation, ...]:
        """Give what must become durable now, for all prepared cards."""
        found: list[Reservation] = []
        for sealer in self._sealers.values():
            reservation = sealer.lane.due(utc_s=utc_s)
            if reservation is not None:
                self._waiting[reservation.name] = sealer
                found.append(reservation)
        return tuple(found)

    def granted(self, reservation: Reservation) -> None:
        """Take a reservation that is durable."""
        self._waiting.pop(reservation.name).lane.granted(reservation)

    def refused(self, reservation: Reservation, current: bytes | None) -> None:
        """Learn that another value stands there.

        Raises:
            ValueError: it is damaged.
        """
        self._waiting.pop(reservation.name).lane.refused(current)

    def failed(self, reservation: Reservation) -> None:
        """Learn that the store could not tell; it will be due again."""
        self._waiting.pop(reservation.name).lane.failed()

    def trouble(self, group: str, address: int) -> CounterTrouble | None:
        """Tell what stops a card from sealing until people act; None too for an unknown one."""
        sealer = self._sealers.get((group, address))
        return None if sealer is None else sealer.lane.trouble

    def adopt(self, group: str, address: int) -> None:
        """Go on after an operator has said that the host of the stored counter seals no more."""
        self._sealer(group, address).lane.adopt()

    def seal(
        self, group: str, payload: bytes, *, sender: int, receiver: int, utc_s: float | None
    ) -> bytes:
        """Seal bytes that go from one of our cards to an address of a group.

        Raises:
            CounterError: no counter yet, or none any more.
            EncodeError: there is no such group, or the payload is empty or too long.
        """
        return self._sealer(group, sender).seal(
            payload, form=Form.CODE, n_bits=8 * len(payload), receiver=receiver, utc_s=utc_s
        )

    def open(
        self,
        group: str | None,
        sealed: bytes,
        *,
        sender: int,
        receivers: Sequence[int],
        utc_s: float | None,
    ) -> Opened | SealRefused:
        """Open what came from a sender; ``group`` is the only one that it may belong to, if known.

        A message from one of our own addresses is a clone's unless we have sealed it; either way
        it is opened for its counter and the sealer is told.
        """
        key_id = sealed[_KEY_ID_AT] if is_sealed(sealed) and len(sealed) > _KEY_ID_AT else None
        of_key = None if key_id is None else self._group_by_key.get(key_id)
        if key_id is not None and (of_key is None or group not in (None, of_key)):
            result: Opened | SealRefused = SealRefused(
                reason=SealRefusal.UNKNOWN_KEY, key_id=key_id
            )
        elif of_key is None:
            result = SealRefused(reason=SealRefusal.NOT_SEALED)
        else:
            opener = self._openers[of_key]
            result = opener.open(sealed, sender=sender, receivers=receivers, utc_s=utc_s)
            own = self._sealers.get((of_key, sender))
            if own is not None and isinstance(result, Opened) and own.key_id == result.key_id:
                own.lane.witness(result.counter)
        if isinstance(result, SealRefused):
            self.n_refused[result.reason] += 1
        return result
