"""Corrections through the whole gateway: from a caster to the port of a rover, and into its fixes.

Simulated casters and receivers that share no code with the gateway, real sockets and
pseudo-terminals; what is asserted is what comes out of a port, of MQTT and of the REST status.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.correction_rig import (
    FICKLE,
    SHANGHAI,
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
            + from_caster("net", caster, "BASE", "epoch = 2000.0")
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
    assert [a for a, b in zip(kinds, ["", *kinds], strict=False) if a != b] == [
        *("single", "dgnss", "rtk_float", "rtk_fixed"),
        *("rtk_float", "dgnss", "single"),
    ]
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
