"""The real client against the strict simulated caster: 500 faults, no offence, always back.

Both talk over real sockets; time is virtual, so that days of waiting pass in seconds.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from bdgw.model import Fix, FixKind
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.runner import NtripClient, NtripClientSpec
from bdgw.ntrip.state import ClientState
from fwsim.ban import STRICT
from fwsim.caster import SimCaster
from fwsim.caster_frame import dated
from fwsim.caster_spec import CasterSpec, MountSpec
from fwsim.gnss_time import gpst_of_utc_ns
from fwsim.reference_station import ReferenceStation, StationSpec
from fwsim.rtcm_frame import FrameReader
from fwsim.scene import Place
from tests.support.virtual_loop import run_virtual

N_FAULTS = 500
START_UTC_NS = 1_795_348_800_000_000_000
CANARY = "canary-5f1e"
# The client's longest wait is 15 minutes; the rest is its turn after other clients of the caster.
PATIENCE_S = 900.0 + 120.0

REFUSALS = (
    "sourcetable_v1",
    "sourcetable_v2",
    "sourcetable_hybrid",
    "unauthorised_v1",
    "unauthorised_v2",
    "unauthorised_table",
    "bad_password",
    "forbidden",
    "not_found",
    "invalid_mount",
    "taken",
    "already_connected",
    "unavailable",
    "html",
    "away",
)
SILENCES = ("no_reply", "silent", "v1_only", "v2_only", "slow_reply", "dripping_reply")
DEATHS = ("closes_at_once", "dies_after_accept", "close", "reset")
DAMAGES = ("lumpy", "late", "flip", "cut", "false_preamble", "stray_text", "duplicate")
WHOLE = ("refuse", "restart")
FAULTS = (*REFUSALS, *SILENCES, *DEATHS, *DAMAGES, *WHOLE, "no_position")


class LoopClock:
    """The clock of the client: that of the event loop."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc_ns(self) -> int:
        return START_UTC_NS + round(self.monotonic_s() * 1e9)


class Rover:
    """A client, what it has got, and whether it knows where it is."""

    def __init__(self, port: int, mount: str, gate: AccountGate, seed: int) -> None:
        self.mount = mount
        self.states: list[ClientState] = []
        self.has_position = True
        self.frame_came = asyncio.Event()
        self._frames = FrameReader()
        spec = NtripClientSpec(
            address=CasterAddress(host="127.0.0.1", port=port, is_tls=False),
            mount=mount,
            account=Account(f"rover-{mount}", CANARY),
        )
        self.client = NtripClient(
            spec,
            on_body=self._on_body,
            on_state=self.states.append,
            position=self._position,
            clock=LoopClock(),
            rng=random.Random(seed),
            gate=gate,
        )

    async def is_back(self) -> None:
        """Wait for the next valid frame."""
        self.frame_came.clear()
        await self.frame_came.wait()

    def _on_body(self, data: bytes, now: float) -> None:
        n = len(self._frames.feed(data))
        if n:
            self.client.frames_seen(n, now)
            self.frame_came.set()

    def _position(self) -> Fix | None:
        if not self.has_position:
            return None
        return Fix(kind=FixKind.SINGLE, lat_deg=31.3, lon_deg=121.5, alt_msl_m=8.0)


class Chaos:
    """Lets things go wrong, one after the other, and waits until all is well again."""

    def __init__(self, sim: SimCaster, rovers: dict[str, Rover], seed: int) -> None:
        self.sim = sim
        self.rovers = rovers
        self.done: Counter[str] = Counter()
        self.longest_s = 0.0
        self._rng = random.Random(seed)

    async def run(self, n_faults: int) -> None:
        """Do it so often; every fault is done before any is done again."""
        plan: list[str] = []
        for _ in range(n_faults):
            plan = plan or self._rng.sample(FAULTS, len(FAULTS))
            await self._one(plan.pop(), self._rng.choice(sorted(self.rovers)))

    async def _one(self, fault: str, mount: str) -> None:
        await asyncio.sleep(self._rng.uniform(0.0, 60.0))
        undo = self._begin(fault, mount)
        await asyncio.sleep(self._rng.choice((0.5, 5.0, 30.0, 120.0, 1500.0)))
        undo()
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for rover in self.rovers.values():
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await rover.is_back()
            except TimeoutError:
                told = [f"{state.status}: {state.reason}" for state in rover.states[-4:]]
                pytest.fail(f"{rover.mount} not back after {fault} on {mount}: {told}")
        self.longest_s = max(self.longest_s, loop.time() - begin_s)
        self.done[fault] += 1

    def _begin(self, fault: str, mount: str) -> Callable[[], None]:
        """Let a fault begin; return what ends it."""
        rover, place = self.rovers[mount], self.sim.mounts[mount]
        spec = place.spec
        if fault in WHOLE:
            self.sim.change("*", fault)
            return lambda: self.sim.change("*", "accept")
        if fault == "no_position":
            rover.has_position = False
            self.sim.change(mount, "reset")
            return lambda: setattr(rover, "has_position", True)
        if fault in {"slow_reply", "dripping_reply"}:
            slow = replace(spec, reply_delay_s=14.0)
            place.spec = slow if fault == "slow_reply" else replace(spec, drip_s=0.05)
            self.sim.change(mount, "close")
            return lambda: setattr(place, "spec", spec)
        self.sim.change(mount, fault, **({"p": 1.0} if fault in DAMAGES[2:6] else {}))
        if fault in {*REFUSALS, *SILENCES, *DEATHS} - {"silent"}:
            # Who is inside does not see the answers at the door.
            self.sim.change(mount, self._rng.choice(("close", "reset")))
        return lambda: self.sim.change(mount, "none")


@pytest.fixture
def stream(tmp_path):
    """A short stream of one epoch in 5 s: what the client does is the point, not the load."""
    station = ReferenceStation(
        StationSpec(place=Place(lat_deg=31.3, lon_deg=121.5, alt_hae_m=20.0), ephemeris_every_s=0)
    )
    begin_ns = gpst_of_utc_ns(START_UTC_NS)
    epoch = [frame for frame in station.frames(begin_ns) if len(frame) < 150][:3]
    observation = station.frames(begin_ns)[-1]
    path = tmp_path / "base.rtcm3"
    with path.open("wb") as file:
        for i in range(12):
            file.write(b"".join(epoch) + dated(observation, begin_ns // 1_000_000 + 5000 * i))
    return path


def test_500_faults_without_an_offence_and_always_back(stream):
    said: list[dict[str, object]] = []
    mounts = tuple(
        MountSpec(
            name=name,
            capture=stream,
            authentication="basic",
            accounts=(f"rover-{name}",),
            needs_gga=needs_gga,
        )
        for name, needs_gga in (("BASE", False), ("VRS", True))
    )
    accounts = {f"rover-{mount.name}": CANARY for mount in mounts}
    spec = CasterSpec(
        mounts=mounts, accounts=accounts, rules=STRICT, start_utc_ns=START_UTC_NS, seed="chaos"
    )

    async def main() -> tuple[SimCaster, Chaos]:
        async with SimCaster(spec, say=said.append) as sim:
            gate = AccountGate()
            rovers = {
                mount.name: Rover(sim.port, mount.name, gate, seed)
                for seed, mount in enumerate(mounts)
            }
            chaos = Chaos(sim, rovers, seed=1)
            tasks = [asyncio.create_task(rover.client.run()) for rover in rovers.values()]
            try:
                async with asyncio.timeout(PATIENCE_S):
                    for rover in rovers.values():
                        await rover.is_back()
                await chaos.run(N_FAULTS)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            return sim, chaos

    sim, chaos = run_virtual(main())
    counters = sim.counters()
    assert counters["offences_by_kind"] == {}
    assert (counters["offences"], counters["bans"], counters["turned_away"]) == (0, 0, 0)
    assert sum(chaos.done.values()) == N_FAULTS
    assert set(chaos.done) == set(FAULTS)
    # The faults did reach the client: it was refused and lost its connection again and again.
    assert int(str(counters["failures"])) > N_FAULTS / 3
    assert chaos.longest_s > 60.0
    told = repr([rover.states for rover in chaos.rovers.values()]) + json.dumps(said)
    assert CANARY not in told
