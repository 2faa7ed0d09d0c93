"""Corrections from every source to every rover: opens streams, hands frames out, raises alarms.

Thin: what goes out is judged by ``source``, who gets it by ``outlet`` and ``choice``, connections
are the client's. Frames are handed out inside the callback that read them, so nothing queues here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from bdgw.corrections.choice import Facts, StreamKey
from bdgw.corrections.herald import Herald
from bdgw.corrections.inflow import Inflow, NewClient
from bdgw.corrections.inflow_table import InflowTable
from bdgw.corrections.layout import Layout
from bdgw.corrections.mount_table import MountTable
from bdgw.corrections.outlet import Outlet, Write
from bdgw.corrections.rover_place import RoverPlaces
from bdgw.corrections.snapshot import CorrectionsSnapshot
from bdgw.corrections.source import Delivery
from bdgw.corrections.spec import Binding, SourceKind, SourceSpec
from bdgw.corrections.table_keeper import FetchTable, keep_table
from bdgw.corrections.timekeeper import Timekeeper
from bdgw.geodesy import Ecef
from bdgw.model import Alarm, Fix, Provenance
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.state import ClientState
from bdgw.ntrip.table_record import Sourcetable

__all__ = ["Clock", "Corrections"]

_TICK_S = 0.25


class Clock(Protocol):
    """Where the time comes from."""

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        ...

    def utc_ns(self) -> int:
        """POSIX nanoseconds of the host."""
        ...


class Corrections:
    """All sources and all receivers of corrections of one gateway."""

    def __init__(
        self,
        specs: Sequence[SourceSpec],
        bindings: Sequence[Binding],
        *,
        write: Callable[[str, bytes, Callable[[bool], None]], bool],
        emit: Callable[[Alarm], None],
        clock: Clock,
        host_gpst_ns: Callable[[float], int | None],
        rng: random.Random,
        new_client: NewClient,
        fetch_table: FetchTable | None = None,
        known_table: Callable[[CasterAddress], Sourcetable | None] = lambda _address: None,
    ) -> None:
        """Check that everything that is named exists; nothing is opened yet.

        ``write`` gets a device, bytes, at once and whole, and whom to tell whether they were really
        written; it says whether the device's link took them and must not block. ``host_gpst_ns``
        gives the host's time in GPST nanoseconds at a monotonic instant, None while it is not set.
        ``fetch_table`` is for sources that are chosen by place; ``known_table`` gives the table
        that is known of a caster without asking.

        Raises:
            ValueError: two sources have one name, or a name is not that of a source.
        """
        self._write = write
        self._clock = clock
        self._host_gpst_ns = host_gpst_ns
        self._rng = rng
        self._fetch_table = fetch_table
        self._known_table = known_table
        self._herald = Herald(emit, utc_ns=clock.utc_ns)
        self._keeper = Timekeeper()
        self._places = RoverPlaces()
        self._tables = {spec.name: MountTable(spec) for spec in specs if spec.is_nearest}
        self._layout = Layout(
            specs,
            tables=self._tables,
            learnt=self._learnt_place,
            may_leave=lambda key: not self._is_refused_for_account(key),
        )
        self._inflows = InflowTable(
            self._layout.specs,
            new_client=new_client,
            on_body=self._received,
            on_state=self._state_seen,
            position=self._position_for,
            on_no_account=lambda inflow, why: self._alarm("no_account", why, inflow.key),
        )
        began_s = clock.monotonic_s()
        self._outlets: dict[str, Outlet] = {}
        for binding in bindings:
            if binding.device in self._outlets:
                raise ValueError(f"device {binding.device!r} is bound to two corrections")
            self._outlets[binding.device] = self._layout.outlet(
                binding.device,
                binding.correction,
                write=self._writer(binding.device),
                began_s=began_s,
                is_device=True,
            )
        self._by_stream: dict[StreamKey, list[Outlet]] = {}
        self._group: asyncio.TaskGroup | None = None
        for spec in specs:
            if spec.kind is SourceKind.LOCAL:
                self._inflows.open(StreamKey(spec.name, spec.mount), began_s)

    # --- what the gateway calls --------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; every connection is closed on return."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name in self._tables:
                group.create_task(
                    keep_table(
                        self._layout.specs[name], self._tables[name], self._fetch_table, self._rng
                    ),
                    name=f"sourcetable {name}",
                )
            while True:
                now = self._clock.monotonic_s()
                self.tick(now)
                await asyncio.sleep(self._pause_s(now))

    def fix_seen(self, device: str, fix: Fix, now: float) -> None:
        """Take a live fix: its place for casters and distances, its time for ages."""
        self._keeper.fix_seen(device, fix, now)
        ecef_m = self._places.fix_seen(device, fix, now)
        outlet = self._outlets.get(device)
        if outlet is not None and ecef_m is not None:
            outlet.rover_m = ecef_m

    def receive_local(self, name: str, data: bytes, now: float) -> None:
        """Take bytes of a base of this gateway, or of one that pushes to its caster.

        Raises:
            KeyError: no local source has this name.
        """
        spec = self._layout.specs[name]
        inflow = self._inflows.get(StreamKey(name, spec.mount))
        if inflow is None or spec.kind is not SourceKind.LOCAL:
            raise KeyError(name)
        self._received(inflow, data, now)

    def listen(self, name: str, callback: Callable[[bytes, float], None]) -> None:
        """Give the frames of a source, or of its standby, to ``callback`` as well.

        It gets whole frames and the monotonic time; it must not block or raise.

        Raises:
            ValueError: no source has this name.
        """

        def write(data: bytes, now: float, done: Callable[[bool], None]) -> bool:
            callback(data, now)
            done(True)
            return True

        listener = f"relay {name} {len(self._outlets)}"
        self._outlets[listener] = self._layout.outlet(
            listener,
            name,
            write=write,
            began_s=self._clock.monotonic_s(),
            is_device=False,
        )

    def provenance(self, device: str, fix: Fix, now: float) -> Provenance | None:
        """Tell where the correction of a fix came from; None where it used none of ours."""
        outlet = self._outlets.get(device)
        return None if outlet is None else outlet.trail.provenance(fix, now)

    def giving(self, device: str) -> Provenance | None:
        """Tell whose frames a device is given now, as its fixes will name it; None where none."""
        outlet = self._outlets.get(device)
        key = None if outlet is None else outlet.current
        if key is None:
            return None
        datum = self._layout.specs[key.source].datum
        return Provenance(
            name=key.source,
            mount=key.mount,
            frame=datum.frame,
            frame_epoch_year=datum.epoch_year,
        )

    def accept_base(self, name: str) -> bool:
        """Believe the new place of a base whose stream is held back; False if none is."""
        named = [inflow for inflow in self._inflows if inflow.spec.name == name]
        return sum(inflow.machine.guard.accept() for inflow in named) > 0

    def snapshots(self, now: float) -> CorrectionsSnapshot:
        """Everything at ``now``."""
        facts = self._facts(now)
        reasons = {inflow.key: inflow.reason(now) for inflow in self._inflows}
        return CorrectionsSnapshot(
            sources=tuple(
                inflow.snapshot(
                    tuple(outlet.name for outlet in self._by_stream.get(inflow.key, ())), now
                )
                for inflow in self._inflows
            ),
            outlets=tuple(
                outlet.snapshot(facts, reasons, now) for outlet in self._outlets.values()
            ),
            tables={name: table.text for name, table in self._tables.items()},
        )

    # --- time ---------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Let timers act, streams be opened and closed, and choices be made. ``run`` calls it."""
        self._keeper.host_seen(self._host_gpst_ns(now), now)
        ranked = dict.fromkeys(self._layout.standing)
        for outlet in self._outlets.values():
            ranked.update(dict.fromkeys(outlet.rank(now)))
        in_use = {outlet.current for outlet in self._outlets.values()}
        self._inflows.keep(ranked, in_use, self._group, now)
        opinions = self._keeper.opinions(now)
        for inflow in self._inflows:
            delivery = inflow.machine.tick(now, opinions)
            self._came_out(inflow, delivery, now)
            self._compare_with_table(inflow)
        self._choose(now)
        self._herald.summarise(now)

    def _compare_with_table(self, inflow: Inflow) -> None:
        """Learn from the sourcetable what a stream promises, and from it where its base is."""
        base, table = inflow.machine.guard.base, self._tables.get(inflow.key.source)
        if table is not None:
            inflow.table_seen(table.table)
            if base is not None:
                table.base_seen(inflow.key, base.ecef_m)
        elif inflow.spec.address is not None:
            inflow.table_seen(self._known_table(inflow.spec.address))

    def _pause_s(self, now: float) -> float:
        deadlines = (inflow.machine.deadline() for inflow in self._inflows)
        next_s = min((at_s for at_s in deadlines if at_s is not None), default=now + _TICK_S)
        return min(_TICK_S, max(0.001, next_s - now))

    def _choose(self, now: float) -> None:
        facts = self._facts(now)
        has_changed = False
        for outlet in self._outlets.values():
            before = outlet.current
            if outlet.choose(facts, now):
                has_changed = True
                self._herald.chosen(outlet.name, outlet.current, before)
            for key, why in outlet.frame_news(now):
                self._alarm("frame_mix_refused", why, key, outlet=outlet)
        if has_changed:
            self._by_stream = {}
            for outlet in self._outlets.values():
                if outlet.current is not None:
                    self._by_stream.setdefault(outlet.current, []).append(outlet)

    def _facts(self, now: float) -> dict[StreamKey, Facts]:
        return {inflow.key: inflow.machine.facts(now) for inflow in self._inflows}

    # --- bytes --------------------------------------------------------------------------------

    def _state_seen(self, inflow: Inflow, state: ClientState) -> None:
        now = self._clock.monotonic_s()
        if inflow.state_seen(state):
            self._came_out(inflow, inflow.machine.restart(now, self._keeper.opinions(now)), now)
        self._herald.state_seen(inflow.key, inflow.label, state, now)

    def _received(self, inflow: Inflow, data: bytes, now: float) -> None:
        machine = inflow.machine
        before = machine.n_frames
        self._keeper.host_seen(self._host_gpst_ns(now), now)
        delivery = machine.receive(data, now, self._keeper.opinions(now))
        if inflow.client is not None and machine.n_frames > before:
            inflow.client.frames_seen(machine.n_frames - before, now)
        self._came_out(inflow, delivery, now)

    def _came_out(self, inflow: Inflow, delivery: Delivery | None, now: float) -> None:
        """Hand out what may go out, and say what there is to say."""
        machine = inflow.machine
        if delivery is not None:
            datum = inflow.spec.datum
            for outlet in self._by_stream.get(inflow.key, ()):
                outlet.forward(delivery, datum, now, handover=lambda: machine.handover(now))
        for news in machine.news():
            # Why a stream is lost the connection knows best.
            text = inflow.reason(now) if news.kind == "correction_lost" else news.text
            self._alarm(news.kind, text, inflow.key, fields=news.fields)

    def _writer(self, device: str) -> Write:
        return lambda data, _now, done: self._write(device, data, done)

    # --- small things -------------------------------------------------------------------------

    def _position_for(self, inflow: Inflow) -> Fix | None:
        """Where the caster is told that the rover is."""
        if inflow.spec.position is not None:
            return inflow.spec.position
        if inflow.key.device is not None:
            return self._places.of(inflow.key.device)
        served = [name for name, outlet in self._outlets.items() if inflow.key in outlet.wanted()]
        return self._places.speaker(served, self._clock.monotonic_s())

    def _learnt_place(self, key: StreamKey) -> Ecef | None:
        inflow = self._inflows.get(key)
        base = None if inflow is None else inflow.machine.guard.base
        return None if base is None else base.ecef_m

    def _is_refused_for_account(self, key: StreamKey) -> bool:
        inflow = self._inflows.get(key)
        return inflow is not None and inflow.is_refused_for_account

    def _alarm(
        self,
        kind: str,
        text: str,
        key: StreamKey,
        *,
        outlet: Outlet | None = None,
        fields: dict[str, str | int | float] | None = None,
    ) -> None:
        if outlet is None and key.device is not None:
            outlet = self._outlets.get(key.device)
        device = outlet.name if outlet is not None and outlet.is_device else None
        self._herald.alarm(kind, text, key, device=device, fields=fields)
