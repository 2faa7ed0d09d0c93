"""One stream as it is run: its machine, its client, its account. The I/O is the client's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from bdgw.corrections.account_pool import AccountPool
from bdgw.corrections.base_guard import BaseGuard
from bdgw.corrections.choice import StreamKey
from bdgw.corrections.mount_table import place_of
from bdgw.corrections.snapshot import BaseSnapshot, SourceSnapshot
from bdgw.corrections.source import SourceState, SourceStream, StreamLimits
from bdgw.corrections.spec import SessionPolicy, SourceKind, SourceSpec
from bdgw.geodesy import chord_m
from bdgw.model import Fix
from bdgw.ntrip.refusal import RefusalKind
from bdgw.ntrip.runner import NtripClientSpec
from bdgw.ntrip.state import ClientState, ClientStatus
from bdgw.ntrip.table_record import Sourcetable, StreamRecord

__all__ = ["Client", "Inflow", "NewClient", "SeenClient"]

_SPEAKING = (ClientStatus.UNPROVEN, ClientStatus.STREAMING)
_ACCOUNT_CAUSES = (
    RefusalKind.NEEDS_ACCOUNT,
    RefusalKind.BAD_ACCOUNT,
    RefusalKind.FORBIDDEN,
    RefusalKind.ALREADY_CONNECTED,
)
NO_ACCOUNT = "no free account"
_FAR_FROM_TABLE_M = 20_000.0
"""Tables give hundredths of a degree, and some only the town."""


class SeenClient(Protocol):
    """What the status needs of a client's snapshot."""

    @property
    def n_lost(self) -> Mapping[str, int]:
        """Ends by cause."""
        ...

    @property
    def next_attempt_in_s(self) -> float | None:
        """Seconds to the next attempt."""
        ...


class Client(Protocol):
    """What is needed of an NTRIP client."""

    async def run(self) -> None:
        """Serve until cancelled."""
        ...

    def frames_seen(self, n: int, now: float) -> None:
        """Take note of valid frames."""
        ...

    def snapshot(self, now: float | None = None) -> SeenClient:
        """The client at ``now``."""
        ...


class NewClient(Protocol):
    """Makes a client of one stream; clock, chance, gate and TLS are the maker's."""

    def __call__(
        self,
        spec: NtripClientSpec,
        *,
        on_body: Callable[[bytes, float], None],
        on_state: Callable[[ClientState], None],
        position: Callable[[], Fix | None],
    ) -> Client:
        """Make it; it does nothing before ``run``."""
        ...


class Inflow:
    """One stream of corrections that is kept open."""

    def __init__(
        self,
        key: StreamKey,
        spec: SourceSpec,
        *,
        began_s: float,
        is_virtual: bool = False,
    ) -> None:
        self.key = key
        self.spec = spec
        self.machine = SourceStream(
            datum=spec.datum,
            limits=StreamLimits(
                max_age_s=spec.max_age_s,
                alarm_s=spec.alarm_s,
                announced=spec.announced,
            ),
            guard=BaseGuard(
                jump=spec.base_jump,
                is_virtual_expected=is_virtual or spec.session is SessionPolicy.PER_DEVICE,
            ),
            began_s=began_s,
        )
        self._table: Sourcetable | None = None
        self._record: StreamRecord | None = None
        self.client: Client | None = None
        self.task: asyncio.Task[None] | None = None
        self.client_state: ClientState | None = None
        self.unused_since_s: float | None = None
        self.is_without_account = False
        self.is_alarmed_account = False

    @property
    def label(self) -> str:
        """Its name for people and tasks."""
        made_for = "" if self.key.device is None else f" for {self.key.device}"
        return f"{self.key}{made_for}"

    @property
    def is_refused_for_account(self) -> bool:
        """Whether another mount of the same caster would be refused as well."""
        state = self.client_state
        return self.is_without_account or (
            state is not None
            and (
                state.cause in _ACCOUNT_CAUSES
                or state.status
                in (ClientStatus.WAITING_FOR_ACCOUNT, ClientStatus.WAITING_FOR_POSITION)
            )
        )

    def dial(self, pool: AccountPool) -> NtripClientSpec | None:
        """Say what to dial, with an account; None when there is none to be had."""
        spec, mount = self.spec, self.key.mount
        if spec.address is None or mount is None:
            raise ValueError(f"{self.key} is not dialled")
        account = None if pool.is_open else pool.take(self.label)
        self.is_without_account = account is None and not pool.is_open
        if self.is_without_account:
            return None
        return NtripClientSpec(
            address=spec.address,
            mount=mount,
            account=account,
            version=spec.version,
            gga=spec.gga,
            needs_gga=spec.needs_gga,
            sessions_per_account=spec.sessions_per_account,
        )

    def table_seen(self, table: Sourcetable | None) -> None:
        """Learn what the caster's sourcetable promises of this mount."""
        if table is None or table is self._table or self.key.mount is None:
            return
        self._table = table
        self._record = table.find(self.key.mount)
        if self._record is not None and not self.spec.announced:
            self.machine.announced = self._record.details

    def state_seen(self, state: ClientState) -> bool:
        """Take the client's state; True when a connection has just ended."""
        before, self.client_state = self.client_state, state
        return before is not None and before.status in _SPEAKING and state.status not in _SPEAKING

    def reason(self, now: float) -> str:
        """Why it gives nothing, or that it does, in plain words."""
        if self.is_without_account:
            return f"{NO_ACCOUNT}: {len(self.spec.accounts)} in the configuration are all in use"
        if self.machine.facts(now).is_live or self.client_state is None:
            return self.machine.reason(now)
        if self.client_state.status in _SPEAKING:
            return self.machine.reason(now)
        return self.client_state.reason

    def snapshot(self, devices: tuple[str, ...], now: float) -> SourceSnapshot:
        """The stream at ``now``."""
        machine, health = self.machine, self.machine.health
        seen = None if self.client is None else self.client.snapshot(now)
        return SourceSnapshot(
            name=self.spec.name,
            kind=self.spec.kind.value,
            mount=self.key.mount,
            device=self.key.device,
            state=machine.state,
            reason=self.reason(now),
            remarks=self._remarks(now),
            frame=self.spec.datum.frame,
            epoch_year=self.spec.datum.epoch_year,
            bytes_in=machine.stream.bytes_in,
            n_frames=machine.n_frames,
            frames=dict(sorted(health.counts.items())),
            rates_hz=health.rates_hz(now),
            crc_failures=machine.stream.crc_failures,
            skipped_bytes=machine.stream.skipped_bytes,
            dropped=dict(machine.dropped),
            inspection_failures=machine.inspection_failures,
            last_failure=machine.last_failure,
            epoch_age_s=machine.age_s(now),
            age_basis=machine.age_basis,
            delay_s=machine.freshness.delay_s,
            gaps=health.gaps,
            longest_gap_s=health.longest_gap_s,
            station=health.station,
            base=self._base(now),
            satellites=health.satellites(),
            signals=health.signals(),
            connection=self._connection(),
            reconnects={} if seen is None else dict(seen.n_lost),
            next_attempt_in_s=None if seen is None else seen.next_attempt_in_s,
            devices=devices,
        )

    def _remarks(self, now: float) -> tuple[str, ...]:
        if self.machine.state is SourceState.WAITING:
            return ()
        remarks = self.machine.remarks(now)
        record, base = self._record, self.machine.guard.base
        place_m = None if record is None or record.is_network else place_of(record)
        if base is None or base.is_virtual or place_m is None:
            return remarks
        away_m = chord_m(place_m, base.ecef_m)
        if away_m <= _FAR_FROM_TABLE_M:
            return remarks
        text = (
            f"the base says that it is {away_m / 1000.0:.0f} km from where the sourcetable has it"
        )
        return (*remarks, text)

    def _connection(self) -> str | None:
        if self.spec.kind is SourceKind.LOCAL:
            return None
        return "not dialled" if self.client_state is None else self.client_state.reason

    def _base(self, now: float) -> BaseSnapshot | None:
        guard = self.machine.guard
        base = guard.base
        if base is None:
            return None
        place = base.place
        return BaseSnapshot(
            station=base.station,
            lat_deg=place.lat_deg,
            lon_deg=place.lon_deg,
            height_m=place.height_m,
            is_virtual=base.is_virtual,
            age_s=max(0.0, now - base.at_s),
            n_moves=guard.n_moves,
            last_move=guard.last_move,
        )
