"""The whole of the room with its edges in the test's hands: time, receivers, casters."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

from bdgw.corrections import Binding, Corrections, SourceKind, SourceSpec
from bdgw.model import Alarm, Fix, FixKind, TimeQuality
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.runner import NtripClientSpec
from bdgw.ntrip.state import ClientSnapshot, ClientState, ClientStatus
from tests.corrections.material import SECOND_NS, as_station, at_ecef, number_of, str17

CASTER = CasterAddress(host="caster.example.com")
BEARING = (1006, 1008, 1033, 1077, 1087, 1097, 1117, 1127, 1230, 1013)
"""Messages of the capture that name their station."""
STROMLO = (-4467102.3061, 2683039.5304, -3666949.9820)
STROMLO_DEG = (-35.3155, 149.0101)


def epoch_bytes(index, *, station=None, ecef_m=None):
    """One second of the capture; as that of another base where asked for."""
    frames = []
    for frame in str17()[index][1]:
        if number_of(frame) == 1006 and ecef_m is not None:
            frame = at_ecef(frame, ecef_m)
        if station is not None and number_of(frame) in BEARING:
            frame = as_station(frame, station)
        frames.append(frame)
    return b"".join(frames)


def position_frame(*, station=None, ecef_m=None):
    frame = next(f for _, group in str17() for f in group if number_of(f) == 1006)
    frame = frame if ecef_m is None else at_ecef(frame, ecef_m)
    return frame if station is None else as_station(frame, station)


def rover_fix(now, *, lat_deg=STROMLO_DEG[0], lon_deg=STROMLO_DEG[1], **rest):
    """A fix of a rover; epoch i of the capture is i seconds."""
    return Fix(
        kind=rest.pop("kind", FixKind.SINGLE),
        t_gpst_ns=str17()[0][0] + round(now * SECOND_NS),
        time_quality=TimeQuality.GNSS,
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        alt_hae_m=760.0,
        **rest,
    )


class FakeClient:
    """Stands where the network would be; the test speaks for the caster."""

    def __init__(self, spec, *, on_body, on_state, position):
        self.spec: NtripClientSpec = spec
        self.on_body = on_body
        self.on_state = on_state
        self.position = position
        self.n_frames = 0
        self.is_running = False
        self.was_cancelled = False

    async def run(self):
        self.is_running = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.is_running = False
            self.was_cancelled = True

    def frames_seen(self, n, now):
        self.n_frames += n

    def snapshot(self, now=None):
        return ClientSnapshot(
            caster=str(self.spec.address),
            mount=self.spec.mount,
            state=ClientState(status=ClientStatus.STREAMING, reason=""),
            state_age_s=0.0,
            peer="",
            next_attempt_in_s=None,
            n_attempts=1,
            n_accepted=1,
            n_good=0,
            n_failures=0,
            n_lost={"closed": 2},
            bytes_in=0,
            bytes_out=0,
            n_frames=self.n_frames,
            n_positions=0,
            sends_position=False,
            position_rule="",
            last_byte_age_s=None,
            last_frame_age_s=None,
            write_stalled_s=None,
            n_write_drops=0,
            dialect=None,
        )


class Rig:
    """Corrections with a clock that the test moves; sources and devices by name."""

    def __init__(self, specs, bindings, *, tables=None):
        self.now = 0.0
        self.host_error_s = 0.0
        self.has_host_time = True
        self.written: dict[str, list[bytes]] = defaultdict(list)
        self.blocked: set[str] = set()
        self.alarms: list[Alarm] = []
        self.clients: list[FakeClient] = []
        self.tables = tables or {}
        self.corrections = Corrections(
            specs,
            [Binding(device=device, correction=name) for device, name in bindings],
            write=self._write,
            emit=self.alarms.append,
            clock=self,
            host_gpst_ns=self._host_gpst_ns,
            rng=random.Random(1),
            new_client=self._new_client,
            fetch_table=self._fetch_table,
            known_table=self.tables.get,
        )

    def monotonic_s(self):
        return self.now

    def utc_ns(self):
        return 1_790_000_000 * SECOND_NS + round(self.now * SECOND_NS)

    def tick(self, now):
        self.now = now
        self.corrections.tick(now)

    def give(self, name, data, now):
        self.now = now
        self.corrections.receive_local(name, data, now)

    def kinds(self):
        return [alarm.kind for alarm in self.alarms]

    def client(self, mount):
        """The latest client of a mount."""
        return next(c for c in reversed(self.clients) if c.spec.mount == mount)

    def outlet(self, device):
        snapshot = self.corrections.snapshots(self.now)
        return next(outlet for outlet in snapshot.outlets if outlet.device == device)

    def source(self, name, mount=None):
        snapshot = self.corrections.snapshots(self.now)
        return next(s for s in snapshot.sources if s.name == name and mount in (None, s.mount))

    def _write(self, device, data, done):
        if device in self.blocked:
            return False
        self.written[device].append(data)
        done(True)
        return True

    def _host_gpst_ns(self, now):
        if not self.has_host_time:
            return None
        return str17()[0][0] + round((now + self.host_error_s) * SECOND_NS)

    def _new_client(self, spec, *, on_body, on_state, position):
        client = FakeClient(spec, on_body=on_body, on_state=on_state, position=position)
        self.clients.append(client)
        return client

    async def _fetch_table(self, address, *, account):
        return self.tables[address]


def local(name, **rest):
    rest.setdefault("frame", "CGCS2000")
    return SourceSpec(name=name, kind=SourceKind.LOCAL, **rest)


def ntrip(name, mount, **rest):
    rest.setdefault("frame", "CGCS2000")
    return SourceSpec(name=name, address=CASTER, mount=mount, **rest)
