"""The streams that are open: opened when somebody may need them, closed when nobody has.

A stream that is being left serves until the new one delivers, unless both need the same account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping

from bdgw.corrections.account_pool import AccountPool
from bdgw.corrections.choice import StreamKey
from bdgw.corrections.inflow import NO_ACCOUNT, Inflow, NewClient
from bdgw.corrections.spec import SourceKind, SourceSpec
from bdgw.model import Fix
from bdgw.ntrip.state import ClientState

__all__ = ["InflowTable"]

_LINGER_S = 60.0
"""A stream of a base that nobody uses any more is closed after so long."""


class InflowTable:
    """All open streams by their key.

    ``on_body``, ``on_state`` and ``position`` are the client's, with the stream before them;
    ``on_no_account`` is called once when a stream cannot be dialled for want of an account.
    """

    def __init__(
        self,
        specs: Mapping[str, SourceSpec],
        *,
        new_client: NewClient,
        on_body: Callable[[Inflow, bytes, float], None],
        on_state: Callable[[Inflow, ClientState], None],
        position: Callable[[Inflow], Fix | None],
        on_no_account: Callable[[Inflow, str], None],
    ) -> None:
        self._specs = specs
        self._new_client = new_client
        self._on_body = on_body
        self._on_state = on_state
        self._position = position
        self._on_no_account = on_no_account
        self._pools = {
            spec.name: AccountPool(spec.accounts, sessions_per_account=spec.sessions_per_account)
            for spec in specs.values()
        }
        self._inflows: dict[StreamKey, Inflow] = {}

    def __iter__(self) -> Iterator[Inflow]:
        return iter(tuple(self._inflows.values()))

    def get(self, key: StreamKey) -> Inflow | None:
        """The stream if it is open."""
        return self._inflows.get(key)

    def open(self, key: StreamKey, now: float) -> Inflow:
        """Begin a stream; a client is given to it by ``keep``."""
        spec = self._specs[key.source]
        inflow = Inflow(key, spec, began_s=now, is_virtual=bool(spec.needs_gga))
        self._inflows[key] = inflow
        return inflow

    def keep(
        self,
        ranked: Collection[StreamKey],
        in_use: Collection[StreamKey | None],
        group: asyncio.TaskGroup | None,
        now: float,
    ) -> None:
        """Open and dial what is ranked, close what is neither ranked nor in use for a while.

        Without a ``group`` nothing is dialled.
        """
        for key in ranked:
            inflow = self._inflows.get(key) or self.open(key, now)
            inflow.unused_since_s = None
            is_dialled = inflow.task is not None or inflow.spec.kind is not SourceKind.NTRIP
            if group is not None and not is_dialled:
                self._dial(inflow, ranked, group)
        for inflow in self:
            if inflow.key in ranked or inflow.spec.kind is SourceKind.LOCAL:
                continue
            if inflow.key in in_use or inflow.unused_since_s is None:
                inflow.unused_since_s = now
            if now - inflow.unused_since_s >= _LINGER_S:
                self._close(inflow)

    def _dial(
        self, inflow: Inflow, ranked: Collection[StreamKey], group: asyncio.TaskGroup
    ) -> None:
        """Start the client of a stream, with an account where one is needed."""
        pool = self._pools[inflow.spec.name]
        wanted = inflow.dial(pool)
        if wanted is None and (left := self._left_behind(inflow, ranked)) is not None:
            # The account is with a stream that is being left: that one must end first.
            self._close(left)
            wanted = inflow.dial(pool)
        if wanted is None:
            if not inflow.is_alarmed_account:
                inflow.is_alarmed_account = True
                n_accounts = len(inflow.spec.accounts)
                self._on_no_account(inflow, f"{NO_ACCOUNT}: all {n_accounts} are in use")
            return
        inflow.is_alarmed_account = False
        inflow.client = self._new_client(
            wanted,
            on_body=lambda data, now: self._on_body(inflow, data, now),
            on_state=lambda state: self._on_state(inflow, state),
            position=lambda: self._position(inflow),
        )
        inflow.task = group.create_task(inflow.client.run(), name=f"ntrip {inflow.label}")

    def _left_behind(self, inflow: Inflow, ranked: Collection[StreamKey]) -> Inflow | None:
        return next(
            (
                other
                for other in self
                if other.key not in ranked
                and other.key.source == inflow.key.source
                and other.task is not None
            ),
            None,
        )

    def _close(self, inflow: Inflow) -> None:
        if inflow.task is not None:
            inflow.task.cancel()
        self._pools[inflow.spec.name].give_back(inflow.label)
        del self._inflows[inflow.key]
