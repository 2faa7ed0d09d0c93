"""Positions that the gateway computes itself, through the whole gateway, against the truth.

A rover that sends raw observations over TCP, a base behind a caster: both computed from orbits by
the simulator, which shares no code with the gateway and whose streams RTKLIB fixes to 3 cm.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bdgw.geodesy import ecef_from_geodetic
from fwsim.observation import Antenna
from fwsim.scene import Place, offset
from tests.app.correction_rig import (
    TOPICS,
    base_at,
    correction,
    field,
    from_caster,
    hasten,
    sim_caster,
)
from tests.app.rig import device, head, running, schema
from tests.publish.brokers import free_port, until

FIX = f"{TOPICS}/dev/rover/fix"
BASE = Place(lat_deg=31.31, lon_deg=121.51, alt_hae_m=20.0)
SYSTEMS = "GEC"
CENTIMETRES = 0.05


def rover_place() -> Place:
    lat_deg, lon_deg = offset(BASE, east_m=300.0, north_m=400.0)
    return Place(lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=35.0)


def rover_line(port: int, **keys: Any) -> str:
    place = rover_place()
    values = {
        "name": "rover",
        "port": f"tcp-listen:127.0.0.1:{port}",
        "kind": "base",
        "station": 9,
        "rate_hz": 2,
        "msm": 7,
        "systems": SYSTEMS,
        "position_every_s": 0,
        "ephemeris_every_s": 3,
        "lat_deg": place.lat_deg,
        "lon_deg": place.lon_deg,
        "alt_hae_m": place.alt_hae_m,
        **keys,
    }
    return ",".join(f"{key}={value}" for key, value in values.items())


def base_line_on(port: int, **keys: Any) -> str:
    """A base of this gateway at its place, which says it every second."""
    return rover_line(
        port,
        name="base",
        station=77,
        position_every_s=1,
        lat_deg=BASE.lat_deg,
        lon_deg=BASE.lon_deg,
        alt_hae_m=BASE.alt_hae_m,
        **keys,
    )


def off_m(fix: dict[str, Any]) -> float:
    found = ecef_from_geodetic(fix["lat_deg"], fix["lon_deg"], fix["alt_hae_m"])
    return math.dist(found, Antenna(rover_place()).ecef_m)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


def mount(**keys: Any) -> Any:
    return base_at(
        "BASE",
        station=77,
        rate_hz=2.0,
        systems=SYSTEMS,
        msm=7,
        ephemeris_every_s=3,
        lat_deg=BASE.lat_deg,
        lon_deg=BASE.lon_deg,
        alt_hae_m=BASE.alt_hae_m,
        **keys,
    )


@asynccontextmanager
async def solving(tmp_path: Path, broker: Any, **rover: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Run a gateway that solves a standing rover against a base behind a caster."""
    port = free_port()
    async with (
        sim_caster(mount()) as caster,
        field(rover_line(port, **rover)),
    ):
        text = (
            head(tmp_path, f'url = "{broker.url}"')
            + from_caster("net", caster, "BASE", "epoch = 2000.0", "max_age_s = 2.0")
            + device(
                "rover",
                f"tcp://127.0.0.1:{port}",
                'correction = "nearest"',
                'solve = "gateway"',
                "rtk = { static = true, max_age_s = 2.0 }",
            )
        )
        async with running(text) as run:
            yield run, caster


async def test_a_raw_rover_becomes_fixed_within_centimetres_and_single_without_its_base(
    tmp_path: Path, mosquitto, watching
):
    broker = await mosquitto()
    seen = watching(broker.port)
    async with solving(tmp_path, broker) as (run, caster):
        await until(lambda: seen.last(FIX).get("fix") == "rtk_fixed", "a fixed position")
        fixed = seen.last(FIX)
        shown = await run.device("rover")
        (pid,) = run.gateway.solving.pids()
        os.kill(pid, signal.SIGKILL)
        n_before = len(seen.values(FIX))
        again = await run.device_is(
            "rover",
            lambda d: d["solver"]["worker_restarts"] == 1 and d["solver"]["worker"] == "runs",
        )
        await until(
            lambda: any(f["fix"] == "rtk_fixed" for f in seen.values(FIX)[n_before:]),
            "fixed again",
        )
        (alarm,) = seen.alarms("solver_ended")
        assert alarm["dev"] == "rover"
        caster.caster.change("BASE", "silent")
        await until(lambda: seen.last(FIX).get("fix") == "single", "alone")
        records = seen.values(FIX)
    for record in records:
        schema("fix").validate(record)
        assert record["solver"] == "gateway"
    assert [record["seq"] for record in records] == list(range(len(records)))
    assert fixed["corr"]["name"] == "net"
    assert (fixed["corr"]["mount"], fixed["corr"]["station"]) == ("BASE", 77)
    assert (fixed["frame"], fixed["epoch"]) == ("CGCS2000", 2000.0)
    of_kind = {record["fix"] for record in records}
    assert {"single", "rtk_fixed"} <= of_kind
    for record in records:
        if record["fix"] == "rtk_fixed":
            assert off_m(record) < CENTIMETRES
            assert record["corr"]["age_s"] <= 2.0
        elif record["fix"] == "single":
            assert off_m(record) < 10.0
            assert record["frame"] == "WGS84"
    assert shown["solver"]["kinds"]["rtk_fixed"] >= 1
    assert shown["solver"]["epochs"] >= 1
    assert shown["solver"]["ms_per_epoch"] > 0.0
    assert again["solver"]["ephemerides"] > 10


@pytest.mark.parametrize(
    ("language", "measured", "told"),
    [("ubx", "RXM-RAWX", "RXM-SFRBX"), ("unicore", "OBSVM", "BDSEPH")],
)
async def test_a_rover_that_speaks_its_own_language_becomes_fixed_within_centimetres(
    language: str, measured: str, told: str, tmp_path: Path, mosquitto, watching
):
    """Raw measurements and broadcast data, beside sentences that are not believed."""
    broker = await mosquitto()
    seen = watching(broker.port)
    spoken = {"output": f"nmea+{language}", "quality": "single", "sky_every_s": 3600}
    async with solving(tmp_path, broker, **spoken) as (run, _):
        await until(lambda: seen.last(FIX).get("fix") == "rtk_fixed", "a fixed position")
        shown = await run.device("rover")
        records = seen.values(FIX)
    fixed = [record for record in records if record["fix"] == "rtk_fixed"]
    assert {record["time_quality"] for record in records} == {"gnss"}
    assert all(off_m(record) < CENTIMETRES for record in fixed)
    assert shown["solver"]["language"] == language
    assert shown["stream"]["events"][measured] > 2
    assert shown["stream"]["events"][told] > 5
    assert shown["stream"]["bad_checksum"] == 0


async def test_with_both_the_receiver_is_checked_every_epoch(tmp_path: Path, mosquitto, watching):
    """The receiver says that it is fixed; its observations show it 5 m farther east at last.

    The base is one of this gateway.
    """
    broker = await mosquitto()
    seen = watching(broker.port)
    port = free_port()
    spoken = "output=nmea+rtcm,quality=rtk_fixed,sky_every_s=3600,move=7:5:0:0"
    base_port = free_port()
    base_line = base_line_on(base_port)
    async with field(rover_line(port) + f",{spoken}", base_line):
        text = (
            head(tmp_path, f'url = "{broker.url}"')
            + correction("site", "device://base")
            + device("base", f"tcp://127.0.0.1:{base_port}", 'role = "base"')
            + device("rover", f"tcp://127.0.0.1:{port}", 'correction = "site"', 'solve = "both"')
        )
        async with running(text) as run:
            await until(lambda: seen.alarms("solvers_disagree"), "the alarm")
            shown = await run.device("rover")
            alarm = seen.alarms("solvers_disagree")[0]
            records = seen.values(FIX)
    epochs = [record["t_fix"] for record in records]
    assert epochs == sorted(set(epochs)), "one record an epoch, in their order"
    assert [record["seq"] for record in records] == list(range(len(records)))
    for record in records:
        schema("fix").validate(record)
    schema("alarm").validate(alarm)
    checked = [record for record in records if record.get("check", {}).get("fix") == "rtk_fixed"]
    agreed = [record for record in checked if record["check"]["agrees"]]
    doubted = [record for record in checked if not record["check"]["agrees"]]
    assert len(agreed) > 5
    assert {record["fix"] for record in agreed} == {"rtk_fixed"}
    assert {record["solver"] for record in checked} == {"receiver"}
    assert max(record["check"]["diff_h_m"] for record in agreed) < CENTIMETRES
    # Nobody saw the move but the observations: what the receiver calls fixed is not believed.
    assert {record["fix"] for record in doubted} == {"rtk_float"}
    assert all(abs(record["check"]["diff_h_m"] - 5.0) < CENTIMETRES for record in doubted)
    assert (alarm["dev"], len(doubted)) == ("rover", 3)
    assert abs(alarm["diff_h_m"] - 5.0) < CENTIMETRES
    assert shown["solver"]["compared"]["disagreed"] >= 3
    assert shown["solver"]["is_disagreeing"] is True


@pytest.mark.parametrize("mode", ["gateway", "both"])
async def test_nothing_is_fixed_against_a_base_that_stands_elsewhere(
    mode: str, tmp_path: Path, mosquitto, watching
):
    """It says 30 m east of its antenna from the beginning; the receiver believes it."""
    broker = await mosquitto()
    seen = watching(broker.port)
    port, base_port = free_port(), free_port()
    spoken = "output=nmea+rtcm,quality=rtk_fixed,sky_every_s=3600"
    base_line = base_line_on(base_port, move="0:30:0:0", move_is_told_only="true")
    async with field(rover_line(port) + f",{spoken}", base_line):
        text = (
            head(tmp_path, f'url = "{broker.url}"')
            + correction("site", "device://base")
            + device("base", f"tcp://127.0.0.1:{base_port}", 'role = "base"')
            + device("rover", f"tcp://127.0.0.1:{port}", 'correction = "site"', f'solve = "{mode}"')
        )
        async with running(text) as run:
            await until(lambda: seen.alarms("base_misplaced"), "the alarm")
            n_before = len(seen.values(FIX))
            await until(lambda: len(seen.values(FIX)) > n_before + 8, "epochs after it")
            shown = await run.device("rover")
            records = seen.values(FIX)[n_before + 2 :]
            (alarm,) = seen.alarms("base_misplaced")
    schema("alarm").validate(alarm)
    assert (alarm["dev"], alarm["correction"], alarm["station"]) == ("rover", "site", 77)
    assert abs(alarm["off_east_m"] - 30.0) < 3.0
    assert abs(alarm["off_north_m"]) < 3.0
    assert "rtk_float" in {record["fix"] for record in records}
    assert "rtk_fixed" not in {record["fix"] for record in records}
    assert shown["solver"]["base_check"]["is_misplaced"] is True
