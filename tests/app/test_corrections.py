"""Corrections through the whole gateway: from a caster to the port of a rover, and into its fixes.

Simulated casters and receivers that share no code with the gateway, real sockets and
pseudo-terminals; what is asserted is what comes out of a port, of MQTT and of the REST status.
"""

from __future__ import annotations

import asyncio
import json
import pkgutil
import re
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bdgw import routes
from tests.app.correction_rig import (
    FICKLE,
    SHANGHAI,
    TOPICS,
    Rover,
    age_of,
    assert_passed_on,
    assert_whole,
    base_at,
    correction,
    field,
    from_caster,
    hasten,
    nobody,
    raw_client,
    rovers,
    sim_caster,
)
from tests.app.rig import device, head, running, schema
from tests.publish.brokers import Certificates, free_port, until
from tests.support.gateway_process import environment, fetch
from tests.support.spoken import epoch

FIX, HEALTH = f"{TOPICS}/dev/rover/fix", f"{TOPICS}/state/health"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


async def test_every_rover_gets_whole_frames_byte_for_byte(
    tmp_path: Path, certificates: Certificates
):
    """Version 1, version 2 in chunks that end inside frames, and TLS; serial lines and a modem."""
    cert, key = certificates.server("good")
    mounts = [base_at(name, msm=7, systems="GREC") for name in ("V1", "V2", "TLS")]
    port = free_port()
    async with (
        sim_caster(*mounts, tls_port=0, certificate=cert, key=key) as caster,
        rovers(3) as (plain, chunked, secret),
        field(f"name=dtu,port=tcp:127.0.0.1:{port},registration=DTU-0007,{FICKLE}") as afield,
    ):
        text = (
            nobody(tmp_path)
            + from_caster("one", caster, "V1", 'version = "1"')
            + from_caster("two", caster, "V2", 'version = "2"')
            + correction(
                "tls",
                caster.tls_url,
                'mount = "TLS"',
                f'ca_file = "{certificates.ca}"',
                'gga = { when = "never" }',
            )
            + device("plain", plain.url, 'correction = "one"')
            + device("chunked", chunked.url, 'correction = "two"')
            + device("secret", secret.url, 'correction = "tls"')
            + device(
                "dtu",
                f"tcp-listen://127.0.0.1:{port}",
                'correction = "two"',
                'match = { registration_line = "DTU-0007" }',
            )
        )
        dtu = afield.heard["dtu"]
        async with running(text) as run:
            heard = ((plain, "V1"), (chunked, "V2"), (secret, "TLS"), (dtu, "V2"))
            await until(
                lambda: all(len(who.frames()) > 40 for who, _ in heard), "frames at all ports"
            )
            shown = await run.status()
        for who, mount in heard:
            assert_whole(who.data)
            assert_passed_on(who.hashes(), caster.hashes(mount))
            assert {1005, 1077, 1087, 1097, 1127} <= {f[3] << 4 | f[4] >> 4 for f in who.frames()}
        requests = {each["mount"]: each for each in caster.said("request", outcome="stream")}
        assert requests["V1"]["version"] == 1
        assert requests["V2"]["version"] == requests["TLS"]["version"] == 2
        assert not caster.caster.counters()["offences"]
        for source in shown["corrections"]["sources"]:
            assert source["state"] == "live"
            assert (source["crc_failures"], source["skipped_bytes"]) == (0, 0)
            assert source["dropped"] == {}


async def test_a_fix_tells_which_correction_it_used(tmp_path, mosquitto, watching):
    broker = await mosquitto()
    seen = watching(broker.port)
    port = f"pty:{tmp_path}/rover"
    async with (
        sim_caster(base_at("BASE", station=77)) as caster,
        field(f"name=rover,port={port},{SHANGHAI},{FICKLE}") as afield,
    ):
        text = (
            head(tmp_path, f'url = "{broker.url}"')
            + from_caster("net", caster, "BASE", "epoch = 2000.0", "max_age_s = 2.0")
            + device(
                "rover",
                f"serial://{tmp_path}/rover",
                'correction = "net"',
                # What the receiver's own coordinates refer to while nothing corrects them.
                'frame = "WGS84"',
                "epoch = 2020.5",
            )
        )
        async with running(text) as run:
            await until(lambda: seen.last(FIX).get("fix") == "rtk_fixed", "a fixed position")
            caster.caster.change("BASE", "silent")
            await until(lambda: seen.last(FIX).get("fix") == "single", "alone again")
            await until(lambda: seen.alarms("correction_lost"), "the alarm")
            health = await run.status_is(
                lambda s: s["corrections"]["sources"][0]["state"] == "lost"
            )
            await until(lambda: seen.values(HEALTH)[-1]["corrections"], "a health message")
            shown = await run.device("rover")
    truth = {row["t_utc"]: row for row in afield.truth["rover"]}
    fixes = seen.values(FIX)
    kinds = [fix["fix"] for fix in fixes]
    assert kinds[0] == kinds[-1] == "single"
    assert {"dgnss", "rtk_float", "rtk_fixed"} <= set(kinds)
    for fix in fixes:
        schema("fix").validate(fix)
        row = truth[fix["t_fix"]]
        assert fix["fix"] == row["fix"]
        if fix["fix"] == "single":
            assert "corr" not in fix
            assert (fix["frame"], fix["epoch"]) == ("WGS84", 2020.5)
            continue
        corr = fix["corr"]
        assert corr == {
            "name": "net",
            "mount": "BASE",
            "station": 77,
            "age_s": pytest.approx(row["age_s"]),
            "frame": "CGCS2000",
            "epoch": 2000.0,
        }
        assert (fix["frame"], fix["epoch"]) == ("CGCS2000", 2000.0)
    assert max(fix["corr"]["age_s"] for fix in fixes if "corr" in fix) > 1.0
    for message in seen.values(HEALTH):
        schema("health").validate(message)
    (alarm,) = seen.alarms("correction_lost")
    schema("alarm").validate(alarm)
    assert (alarm["correction"], alarm["mount"]) == ("net", "BASE")
    assert shown["fix_counts"]["rtk_fixed"] == kinds.count("rtk_fixed")
    (source,) = health["corrections"]["sources"]
    assert source["reason"].startswith("no fresh epoch for")


async def test_nothing_old_reaches_a_port_however_the_stream_comes(tmp_path):
    """A stream that turns late, and one that comes in lumps; ages are those inside the frames."""
    limit_s = 1.0
    clock = f"name=clock,port=pty:{tmp_path}/clock,rate_hz=5,sentences=GGA+RMC"
    async with (
        sim_caster(base_at("LATE"), base_at("LUMPY")) as caster,
        rovers(2) as (late, lumpy),
        field(clock),
    ):
        text = (
            nobody(tmp_path)
            + from_caster("late", caster, "LATE", f"max_age_s = {limit_s}")
            + from_caster("lumpy", caster, "LUMPY", f"max_age_s = {limit_s}")
            + device("a", late.url, 'correction = "late"')
            + device("b", lumpy.url, 'correction = "lumpy"')
            # Whether or not this host's clock is kept by anybody: a receiver knows the time.
            + device("clock", f"serial://{tmp_path}/clock")
        )
        async with running(text) as run:
            await until(lambda: len(late.frames()) > 20 and len(lumpy.frames()) > 20, "frames")
            caster.caster.change("LATE", "late", delay_s=1.8)
            caster.caster.change("LUMPY", "lumpy", hold_s=1.5)
            turned_s = time.monotonic()

            def is_seen(shown: dict[str, Any]) -> bool:
                a, b = (s["dropped"] for s in shown["corrections"]["sources"])
                return bool(a.get("stale", 0) > 10 and sum(b.values()) > 10)

            shown = await run.status_is(is_seen)
            await until(lambda: lumpy.aged()[-1][0] > turned_s + 3.1, "two lumps")
    for rover in (late, lumpy):
        assert_whole(rover.data)
        # Half a second for two processors that are busy with something else.
        assert max(age_s for _, age_s in rover.aged()) < limit_s + 0.5
    by_name = {source["name"]: source for source in shown["corrections"]["sources"]}
    assert by_name["late"]["state"] == "stale"
    assert re.search(r"no observations newer than [12] s .*limit 1 s", by_name["late"]["reason"])
    assert not [at_s for at_s, _ in late.aged() if at_s > turned_s + 0.5]
    lumps = [at_s for at_s, _ in lumpy.aged() if at_s > turned_s + 0.5]
    assert max(b - a for a, b in pairwise(lumps)) > 1.0, "the newest of each lump"


async def test_a_rover_that_takes_nothing_costs_the_others_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(routes, "_CORRECTION_LIFETIME_S", 1.0)
    async with (
        sim_caster(base_at("BASE", msm=7, rate_hz=10.0, systems="GREC")) as caster,
        rovers(20) as all_of_them,
    ):
        blocked, *others = all_of_them
        text = (
            nobody(tmp_path)
            + from_caster("net", caster, "BASE")
            + "".join(
                device(f"r{n}", rover.url, 'correction = "net"', "silence_s = 600")
                for n, rover in enumerate(all_of_them)
            )
        )
        async with running(text) as run:
            await until(lambda: all(len(r.frames()) > 20 for r in all_of_them), "all get frames")
            blocked.stop()
            # The kernel takes a second or two of it; what waits then perishes after another.
            shown = await run.device_is("r0", lambda d: d["write_perished"] > 8)
            again_s = time.monotonic()
            blocked.begin()
            await until(lambda: blocked.timed()[-1][0] > again_s + 0.5, "it reads again")
            after = await run.status()
    assert shown["write_stalled_s"] > 1.0
    assert_whole(blocked.data)
    # What the kernel had taken cannot be called back; whatever comes after it is new.
    late = [(age_of(frame, at_s), frame) for at_s, frame in blocked.timed() if at_s > again_s]
    aged = [(age_s, len(frame)) for age_s, frame in late if age_s is not None]
    n_held = next(n for n, (age_s, _) in enumerate(aged) if age_s < 1.5)
    held, new = aged[:n_held], aged[n_held:]
    assert held, "the kernel held nothing: this shows nothing"
    assert sum(n_bytes for _, n_bytes in held) < 40_000
    assert max(age_s for age_s, _ in new) < 1.5
    assert min(age_s for age_s, _ in held) - max(age_s for age_s, _ in new) > 0.3
    drops = {d["dev"]: d["write_drops"] + d["write_perished"] for d in after["devices"]}
    assert drops.pop("r0") > 8
    assert set(drops.values()) == {0}
    outlets = {each["device"]: each for each in after["corrections"]["devices"]}
    sent = caster.hashes("BASE")
    for n, rover in enumerate(others, start=1):
        assert_whole(rover.data)
        assert_passed_on(rover.hashes(), sent)
        # Far below what waits for the blocked one, and not so near that a busy machine decides.
        assert max(age_s for _, age_s in rover.aged()) < 2.5
        assert outlets[f"r{n}"]["dropped"] == {}


def places_of(rover: Rover) -> list[bytes]:
    return [frame for frame in rover.frames() if frame[3] << 4 | frame[4] >> 4 == 1005]


async def test_a_base_that_jumps_stops_its_stream_until_somebody_believes_it(
    tmp_path, mosquitto, watching, monkeypatch
):
    """One source is held back, one goes on: the configuration says which; both raise the alarm."""
    monkeypatch.setenv("BDGW_TEST_OPS", "a-token-of-the-operators")
    broker = await mosquitto()
    seen = watching(broker.port)
    async with sim_caster(base_at("STOP"), base_at("GO", station=9)) as caster, rovers(2) as (a, b):
        text = (
            head(tmp_path, f'url = "{broker.url}"')
            + 'tokens = [{ name = "ops", role = "operate", secret = { env = "BDGW_TEST_OPS" } }]\n'
            + from_caster("stop", caster, "STOP")
            + from_caster("go", caster, "GO", 'base_jump = "alarm"')
            + device("a", a.url, 'correction = "stop"')
            + device("b", b.url, 'correction = "go"')
        )
        async with running(text) as run:
            await until(lambda: len(a.frames()) > 12 and len(b.frames()) > 12, "frames")
            for name in ("STOP", "GO"):
                caster.caster.change(name, "moved", east_m=300.0)
            await until(lambda: len(seen.alarms("base_moved")) == 2, "both alarms")
            shown = await run.status_is(
                lambda s: s["corrections"]["sources"][0]["dropped"].get("base_held", 0) > 10
            )
            held = len(a.data)
            goes_on = len(b.frames())
            await until(lambda: len(b.frames()) > goes_on + 10, "the other stream goes on")
            assert len(a.data) == held
            url = f"{run.gateway.api_url}/api/v1/corrections/stop/accept-base"
            code, _, _ = await asyncio.to_thread(fetch, url, "a-token-of-the-operators", "POST")
            assert code == 200
            await until(lambda: len(set(places_of(a))) == 2, "the new place is believed")
            code, _, _ = await asyncio.to_thread(fetch, url, "a-token-of-the-operators", "POST")
            assert code == 409, "nothing is held any more"
    stop, go = shown["corrections"]["sources"]
    assert (stop["state"], go["state"]) == ("held", "live")
    assert "has jumped 300.00 m" in stop["reason"]
    alarms = {alarm["correction"]: alarm for alarm in seen.alarms("base_moved")}
    for name, station in (("stop", 1042), ("go", 9)):
        schema("alarm").validate(alarms[name])
        assert alarms[name]["station"] == station
        # 300 m along the ground: the chord is as long to the centimetre.
        assert alarms[name]["moved_m"] == pytest.approx(300.0, abs=0.01)
        assert alarms[name]["mount"] == name.upper()
    # Not a frame of the time between, neither its new place nor observations from it.
    assert_whole(a.data)
    places = places_of(a)
    assert places == sorted(places, key=[places[0], places[-1]].index), (
        "first the old, then the new"
    )


async def test_the_nearest_base_and_one_of_its_own_for_each_rover(tmp_path):
    """By the sourcetable and live positions; nobody is told a place before it is known."""
    near = base_at("NEAR", lat_deg=31.25, lon_deg=121.45, station=11)
    far = base_at("FAR", lat_deg=30.90, lon_deg=121.10, station=12)
    vrs = base_at("VRS", is_virtual=True, needs_gga=True, station=100)
    places = {"here": (31.30, 121.50), "there": (31.10, 121.20)}
    lines = [
        f"name={name},port=pty:{tmp_path}/{name},rate_hz=5,sentences=GGA+RMC,acquire_s=1.5,"
        f"lat_deg={lat},lon_deg={lon}"
        for name, (lat, lon) in places.items()
    ]
    lines.append(f"name=third,port=pty:{tmp_path}/third,acquire_s=1.5,rate_hz=5,{SHANGHAI}")
    async with sim_caster(near, far) as public, sim_caster(vrs) as network, field(*lines) as afield:
        text = (
            nobody(tmp_path)
            + correction("free", public.url, "nearest = true")
            + correction("net", network.url, 'mount = "VRS"', 'session = "per_device"')
            + device("here", f"serial://{tmp_path}/here", 'correction = "net"')
            + device("there", f"serial://{tmp_path}/there", 'correction = "net"')
            + device("third", f"serial://{tmp_path}/third", 'correction = "free"')
        )
        async with running(text) as run:

            def is_waiting(shown: dict[str, Any]) -> bool:
                outlets = {each["device"]: each for each in shown["corrections"]["devices"]}
                return all("waiting for a position" in each["reason"] for each in outlets.values())

            await run.status_is(is_waiting)
            assert not network.said("gga")
            assert not network.said("request", mount="VRS")
            assert not public.said("request", outcome="stream")
            shown = await run.status_is(
                lambda s: all(each.get("n_frames", 0) > 10 for each in s["corrections"]["devices"])
            )
    outlets = {each["device"]: each for each in shown["corrections"]["devices"]}
    assert (outlets["third"]["source"], outlets["third"]["mount"]) == ("free", "NEAR")
    assert outlets["third"]["baseline_m"] == pytest.approx(7_340, abs=50)
    assert {each["mount"] for each in public.said("request", outcome="stream")} == {"NEAR"}
    assert not public.said("gga"), "a mount whose record says no is told nothing"
    assert not public.caster.counters()["offences"]
    told = network.said("gga")
    assert len({each["session"] for each in told}) == 2
    for name, (lat_deg, lon_deg) in places.items():
        first = next(t for t in told if t["lat_deg"] == pytest.approx(lat_deg, abs=1e-6))
        assert first["lon_deg"] == pytest.approx(lon_deg, abs=1e-6)
        assert (first["talker"], first["quality"]) == ("GP", 1)
        source = next(s for s in shown["corrections"]["sources"] if s.get("device") == name)
        base = source["base"]
        assert (base["lat_deg"], base["lon_deg"]) == pytest.approx((lat_deg, lon_deg), abs=1e-5)
        assert_whole(afield.heard[name].data)
    assert all(each["has_gga"] for each in network.said("request", outcome="stream"))


class _Fault:
    """Stands before a function and can be told to raise."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.is_on = False
        self.n_calls = 0

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        if self.is_on:
            self.n_calls += 1
            raise TypeError("a mistake in a decoder")
        return self.inner(*arguments, **more)


def _faulty(patch: pytest.MonkeyPatch, *targets: str) -> list[_Fault]:
    faults = []
    for target in targets:
        room, _, name = target.rpartition(".")
        faults.append(_Fault(pkgutil.resolve_name(f"{room}:{name}")))
        patch.setattr(target, faults[-1])
    return faults


def _relayed(own: int) -> str:
    return (
        f'[caster]\nlisten = "127.0.0.1:{own}"\n'
        'mounts = [{ name = "AGAIN", source = "correction:net", is_open = true }]\n'
    )


@pytest.mark.parametrize(
    "targets",
    [
        # What is in a frame: the base position, on the way to rovers and in the own caster.
        ("bdgw.corrections.source.read_position", "bdgw.caster.station.read_position"),
        # What every frame is asked: its number, station and epoch.
        ("bdgw.corrections.source.read_head", "bdgw.caster.content.read_head"),
    ],
    ids=["contents", "heads"],
)
async def test_a_mistake_in_a_decoder_stops_no_frame(targets, tmp_path, monkeypatch):
    faults = _faulty(monkeypatch, *targets)
    for fault in faults:
        # Without heads there are no epochs: nobody could say that such a stream is fresh.
        fault.is_on = fault.inner.__name__ == "read_position"
    own = free_port()
    async with sim_caster(base_at("BASE")) as caster, rovers(2) as (first, second):
        text = (
            nobody(tmp_path)
            + from_caster("net", caster, "BASE")
            + _relayed(own)
            + device("first", first.url, 'correction = "net"')
            + device("second", second.url, 'correction = "net"')
        )
        async with running(text) as run, raw_client(own, "AGAIN") as client:
            everybody = (first, second, client)
            await until(lambda: min(len(r.frames()) for r in everybody) > 10, "frames")
            for fault in faults:
                fault.is_on = True
            n_before = max(len(r.frames()) for r in everybody)
            await until(lambda: min(len(r.frames()) for r in everybody) > n_before + 20, "goes on")
            shown = await run.status()
        sent = caster.hashes("BASE")
    for who in everybody:
        assert_whole(who.data)
        assert_passed_on(who.hashes(), sent)
    (source,) = shown["corrections"]["sources"]
    assert source["inspection_failures"] >= 1
    assert source["last_failure"] == "TypeError: a mistake in a decoder"
    assert all(fault.n_calls for fault in faults)


def test_a_replay_asks_no_caster_and_opens_none(tmp_path):
    """Nor does it need the account of one: a recording is given no corrections."""
    recording = tmp_path / "three.nmea"
    recording.write_bytes(b"".join(epoch(second) for second in range(3)))
    own = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        port = other.getsockname()[1]
        file = tmp_path / "gateway.toml"
        file.write_text(
            head(tmp_path, 'url = "embedded"')
            + correction(
                "net",
                f"ntrip://127.0.0.1:{port}",
                'mount = "BASE"',
                'username = "yp-01"',
                'password = { env = "BDGW_TEST_NOT_SET" }',
            )
            + correction("free", f"ntrip://127.0.0.1:{port}", "nearest = true")
            + f'[caster]\nlisten = "127.0.0.1:{own}"\n'
            + 'mounts = [{ name = "AGAIN", source = "correction:net", is_open = true }]\n'
            + device("rover", f"serial://{tmp_path}/rover", 'correction = "net"')
        )
        with socket.create_server(("127.0.0.1", own)):  # taken: opening it would be seen
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "bdgw", "replay", "-c", file),
                    "--speed",
                    "max",
                    recording,
                ],
                capture_output=True,
                text=True,
                env=environment(),
                timeout=30,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        with pytest.raises(BlockingIOError):
            other.accept()
    told = json.loads(done.stdout)
    assert (told["fixes"], told["delivered"] >= 3) == (3, True)
    assert "caster_" not in done.stderr.replace(str(tmp_path), "")
