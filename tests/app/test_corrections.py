"""Corrections through the whole gateway: from a caster to the port of a rover, and into its fixes.

Simulated casters and receivers that share no code with the gateway, real sockets and
pseudo-terminals; what is asserted is what comes out of a port, of MQTT and of the REST status.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.correction_rig import (
    FICKLE,
    SHANGHAI,
    age_of,
    assert_passed_on,
    assert_whole,
    base_at,
    correction,
    field,
    from_caster,
    hasten,
    nobody,
    rovers,
    sim_caster,
)
from tests.app.rig import device, head, running, schema
from tests.publish.brokers import Certificates, Subscriber, free_port, until

ROOT = "bdgw/v1/yp-01"
FIX, HEALTH = f"{ROOT}/dev/rover/fix", f"{ROOT}/state/health"


class Watcher:
    """A subscriber, and what it got as values."""

    def __init__(self, port: int) -> None:
        self._subscriber = Subscriber(port, f"{ROOT}/#")
        assert self._subscriber.is_subscribed.wait(10)

    def values(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self._subscriber.payloads(topic)]

    def alarms(self, kind: str) -> list[dict[str, Any]]:
        return self.values(f"{ROOT}/alarm/event/{kind}")

    def last(self, topic: str) -> dict[str, Any]:
        return (self.values(topic) or [{}])[-1]

    def close(self) -> None:
        self._subscriber.close()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.fixture
def watching() -> Iterator[Any]:
    made: list[Watcher] = []

    def watch(port: int) -> Watcher:
        made.append(Watcher(port))
        return made[-1]

    yield watch
    for each in made:
        each.close()


async def test_every_rover_gets_whole_frames_byte_for_byte(
    tmp_path: Path, certificates: Certificates
):
    """Version 1, version 2 in chunks that end inside frames, and TLS; serial lines and a modem."""
    cert, key = certificates.server("good")
    mounts = [base_at(name, msm=7) for name in ("V1", "V2", "TLS")]
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
                lambda: all(len(who.frames()) > 60 for who, _ in heard), "frames at all ports"
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
            health = await run.status_is(lambda s: s["corrections"]["sources"][0]["state"] == "lost")
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
    limit_s = 1.5
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
            await until(lambda: len(late.frames()) > 40 and len(lumpy.frames()) > 40, "frames")
            caster.caster.change("LATE", "late", delay_s=2.5)
            caster.caster.change("LUMPY", "lumpy", hold_s=2.5)
            turned_s = time.monotonic()

            def is_seen(shown: dict[str, Any]) -> bool:
                a, b = (s["dropped"] for s in shown["corrections"]["sources"])
                return bool(a.get("stale", 0) > 20 and b.get("overtaken", 0) > 20)

            shown = await run.status_is(is_seen)
            await until(lambda: lumpy.aged()[-1][0] > turned_s + 5.0, "two lumps")
    for rover in (late, lumpy):
        assert_whole(rover.data)
        # Half a second for two processors that are busy with something else.
        assert max(age_s for _, age_s in rover.aged()) < limit_s + 0.5
    by_name = {source["name"]: source for source in shown["corrections"]["sources"]}
    assert by_name["late"]["state"] == "stale"
    assert re.search(r"no observations newer than [23] s .*limit 1\.5 s", by_name["late"]["reason"])
    assert not [at_s for at_s, _ in late.aged() if at_s > turned_s + 0.5]
    lumps = [at_s for at_s, _ in lumpy.aged() if at_s > turned_s + 0.5]
    assert {round(at_s - lumps[0]) for at_s in lumps} & {2, 3}, "the newest of each lump"
    sent = [each for each in caster.truth["LUMPY"] if each["mono_ns"] > (turned_s + 0.5) * 1e9]
    assert len(lumps) < len(sent) / 2, "and no more of it"


async def test_a_rover_that_takes_nothing_costs_the_others_nothing(tmp_path):
    async with sim_caster(base_at("BASE", msm=7, rate_hz=10.0)) as caster, rovers(20) as all_of_them:
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
            # The kernel takes a second or two of it; what waits then perishes after two more.
            shown = await run.device_is("r0", lambda d: d["write_drops"] > 20)
            again_s = time.monotonic()
            blocked.begin()
            await until(lambda: blocked.timed()[-1][0] > again_s + 1.0, "it reads again")
            after = await run.status()
    assert shown["write_stalled_s"] > 1.0
    assert_whole(blocked.data)
    # What the kernel had taken cannot be called back; whatever comes after it is new.
    late = [(age_of(frame, at_s), frame) for at_s, frame in blocked.timed() if at_s > again_s]
    aged = [(age_s, len(frame)) for age_s, frame in late if age_s is not None]
    n_held = next(n for n, (age_s, _) in enumerate(aged) if age_s < 2.5)
    held, new = aged[:n_held], aged[n_held:]
    assert held, "the kernel held nothing: this shows nothing"
    assert sum(n_bytes for _, n_bytes in held) < 20_000
    assert max(age_s for age_s, _ in new) < 2.5
    assert min(age_s for age_s, _ in held) - max(age_s for age_s, _ in new) > 1.0
    drops = {d["dev"]: d["write_drops"] for d in after["devices"]}
    assert drops.pop("r0") > 20
    assert set(drops.values()) == {0}
    outlets = {each["device"]: each for each in after["corrections"]["devices"]}
    sent = caster.hashes("BASE")
    for n, rover in enumerate(others, start=1):
        assert_whole(rover.data)
        assert_passed_on(rover.hashes(), sent)
        assert max(age_s for _, age_s in rover.aged()) < 0.5
        assert outlets[f"r{n}"]["dropped"] == {}
