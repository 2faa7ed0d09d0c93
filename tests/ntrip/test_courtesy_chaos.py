"""The real client against the strict simulated caster: 500 faults, no offence, always back.

Both talk over real sockets; time is virtual, so that days of waiting pass in seconds.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bdgw.model import Fix, FixKind
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.courtesy import CourtesyLimits
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.request import NtripVersion
from bdgw.ntrip.runner import NtripClient, NtripClientSpec
from bdgw.ntrip.state import ClientState
from bdgw.rtcm.frame import LEADS, PROTOCOL, frame_rtcm3
from bdgw.wire.splitter import Frame, Splitter
from fwsim.ban import STRICT
from fwsim.caster import SimCaster
from fwsim.caster_frame import dated
from fwsim.caster_spec import CasterSpec, MountSpec
from fwsim.gnss_time import gpst_of_utc_ns
from fwsim.reference_station import ReferenceStation, StationSpec
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
FAULTS = (*REFUSALS, *SILENCES, *DEATHS, *DAMAGES, "no_position")


class LoopClock:
    """The clock of the client: that of the event loop."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc_ns(self) -> int:
        return START_UTC_NS + round(self.monotonic_s() * 1e9)


class Rover:
    """A client, what it has got, and whether it knows where it is."""

    def __init__(
        self,
        port: int,
        mount: str,
        gate: AccountGate,
        seed: int,
        courtesy: CourtesyLimits = CourtesyLimits(),  # noqa: B008 - a frozen value
        version: NtripVersion | None = None,
    ) -> None:
        self.mount = mount
        self.states: list[ClientState] = []
        self.has_position = True
        self.frame_came = asyncio.Event()
        self._frames = Splitter({PROTOCOL: (LEADS, frame_rtcm3)})
        spec = NtripClientSpec(
            address=CasterAddress(host="127.0.0.1", port=port, is_tls=False),
            mount=mount,
            account=Account(f"rover-{mount}", CANARY),
            courtesy=courtesy,
            version=version,
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
        self.task = asyncio.get_running_loop().create_task(self.client.run())

    async def is_back(self) -> None:
        """Wait for the next valid frame."""
        self.frame_came.clear()
        await self.frame_came.wait()

    async def leave(self) -> None:
        """End the client."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def _on_body(self, data: bytes, now: float) -> None:
        self._frames.receive(data, now=now)
        n = sum(isinstance(event, Frame) for event in self._frames.events())
        if n:
            self.client.frames_seen(n, now)
            self.frame_came.set()

    def _position(self) -> Fix | None:
        if not self.has_position:
            return None
        return Fix(kind=FixKind.SINGLE, lat_deg=31.3, lon_deg=121.5, alt_msl_m=8.0)


class Chaos:
    """Lets things go wrong, one after the other, and waits until all is well again."""

    def __init__(self, sim: SimCaster, rovers: list[Rover], seed: int) -> None:
        self.sim = sim
        self.rovers = rovers
        self.done: Counter[str] = Counter()
        self.longest_s = 0.0
        self._seed = seed

    async def run(self, n_faults: int) -> None:
        """First the whole caster, then every mount by itself, its rover leaving when done."""
        n_each = (n_faults - n_faults // 20) // len(self.rovers)
        await self._run(WHOLE, n_faults - n_each * len(self.rovers), self.rovers)
        async with asyncio.TaskGroup() as group:
            for rover in self.rovers:
                group.create_task(self._alone(n_each, rover))

    async def _alone(self, n_faults: int, rover: Rover) -> None:
        await self._run(FAULTS, n_faults, [rover])
        await rover.leave()

    async def _run(self, faults: Sequence[str], n_faults: int, rovers: list[Rover]) -> None:
        """Do it so often; every fault is done before any is done again."""
        rng = random.Random(f"{self._seed}:{rovers[0].mount}:{len(rovers)}")
        plan: list[str] = []
        for _ in range(n_faults):
            plan = plan or rng.sample(faults, len(faults))
            await self._one(plan.pop(), rovers, rng)

    async def _one(self, fault: str, rovers: list[Rover], rng: random.Random) -> None:
        await asyncio.sleep(rng.uniform(0.0, 60.0))
        undo = self._begin(fault, rovers[0], rng)
        await asyncio.sleep(rng.choice((0.5, 5.0, 30.0, 120.0, 400.0)))
        undo()
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for rover in rovers:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await rover.is_back()
            except TimeoutError:
                told = [f"{state.status}: {state.reason}" for state in rover.states[-4:]]
                pytest.fail(f"{rover.mount} not back after {fault}: {told}")
        self.longest_s = max(self.longest_s, loop.time() - begin_s)
        self.done[fault] += 1

    def _begin(self, fault: str, rover: Rover, rng: random.Random) -> Callable[[], None]:
        """Let a fault begin; return what ends it."""
        mount = rover.mount
        place = self.sim.mounts[mount]
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
            place.spec = slow if fault == "slow_reply" else replace(spec, drip_s=0.5)
            self.sim.change(mount, "close")
            return lambda: setattr(place, "spec", spec)
        self.sim.change(mount, fault, **({"p": 1.0} if fault in DAMAGES[2:6] else {}))
        if fault in {*REFUSALS, *SILENCES, *DEATHS} - {"silent"}:
            # Who is inside does not see the answers at the door.
            self.sim.change(mount, rng.choice(("close", "reset")))
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


def describe(stream: Path, mounts: Mapping[str, bool]) -> CasterSpec:
    """A strict caster with mounts that want a position or not, an account each."""
    return CasterSpec(
        mounts=tuple(
            MountSpec(
                name=name,
                capture=stream,
                authentication="basic",
                accounts=(f"rover-{name}",),
                needs_gga=needs_gga,
            )
            for name, needs_gga in mounts.items()
        ),
        accounts={f"rover-{name}": CANARY for name in mounts},
        rules=STRICT,
        start_utc_ns=START_UTC_NS,
        seed="chaos",
    )


def test_500_faults_without_an_offence_and_always_back(stream):
    said: list[dict[str, object]] = []
    spec = describe(stream, {"BASE1": False, "BASE2": False, "VRS1": True, "VRS2": True})

    async def main() -> tuple[SimCaster, Chaos]:
        async with SimCaster(spec, say=said.append) as sim:
            gate = AccountGate()
            rovers = [
                Rover(sim.port, mount.name, gate, seed) for seed, mount in enumerate(spec.mounts)
            ]
            chaos = Chaos(sim, rovers, seed=1)
            try:
                await chaos.run(N_FAULTS)
            finally:
                for rover in rovers:
                    await rover.leave()
            return sim, chaos

    sim, chaos = run_virtual(main())
    counters = sim.counters()
    assert counters["offences_by_kind"] == {}
    assert (counters["offences"], counters["bans"], counters["turned_away"]) == (0, 0, 0)
    assert sum(chaos.done.values()) == N_FAULTS
    assert set(chaos.done) == {*FAULTS, *WHOLE}
    # The faults did reach the client: it was refused and lost its connection again and again.
    assert int(str(counters["failures"])) > N_FAULTS / 3
    assert chaos.longest_s > 60.0
    told = repr([rover.states for rover in chaos.rovers]) + json.dumps(said)
    assert CANARY not in told


def test_the_strict_caster_does_notice_a_client_without_manners(stream):
    """The counter at 0 means something: a client in a hurry does not keep it there."""
    spec = describe(stream, {"BASE": False})

    async def main() -> dict[str, object]:
        async with SimCaster(spec) as sim:
            sim.change("BASE", "dies_after_accept")
            hasty = CourtesyLimits(floor_s=1.0, refused_s=1.0, cap_s=2.0)
            rover = Rover(sim.port, "BASE", AccountGate(1.0), 1, courtesy=hasty)
            await asyncio.sleep(120.0)
            await rover.leave()
            return sim.counters()

    counters = run_virtual(main())
    assert int(str(counters["offences"])) >= 10
    assert counters["bans"] == 1


def test_a_mount_that_was_away_is_not_told_a_position_when_it_is_silent(stream):
    spec = describe(stream, {"BASE": False})

    async def main() -> dict[str, object]:
        async with SimCaster(spec) as sim:
            # An old caster answers with its table, in which the mount is missing now.
            rover = Rover(sim.port, "BASE", AccountGate(), 1, version=NtripVersion.V1)
            await rover.is_back()
            sim.change("BASE", "away")
            await asyncio.sleep(60.0)
            sim.change("BASE", "back")
            await rover.is_back()
            sim.change("BASE", "silent")
            await asyncio.sleep(600.0)
            await rover.leave()
            return sim.counters()

    assert run_virtual(main())["offences_by_kind"] == {}


def test_a_head_that_takes_minutes_does_not_keep_the_client_for_ever(stream):
    spec = describe(stream, {"BASE": False})

    async def main() -> None:
        async with SimCaster(spec) as sim:
            mount = sim.mounts["BASE"]
            mount.spec = replace(mount.spec, drip_s=0.5)
            rover = Rover(sim.port, "BASE", AccountGate(), 1)
            await asyncio.sleep(120.0)
            mount.spec = replace(mount.spec, drip_s=0.0)
            try:
                async with asyncio.timeout(2 * PATIENCE_S):
                    await rover.is_back()
            finally:
                await rover.leave()

    run_virtual(main())
