"""Where a vehicle points, through the whole gateway: two receivers with antennas 1.5 m apart."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fwsim.scene import offset
from tests.app.correction_rig import TOPICS, field, hasten
from tests.app.rig import device, head, running, schema
from tests.app.test_solving import BASE, rover_line
from tests.publish.brokers import free_port, until

FIX = f"{TOPICS}/dev/bow/fix"
EAST_M, NORTH_M = -1.2, 0.9
LENGTH_M = math.hypot(EAST_M, NORTH_M)
HEADING_DEG = math.degrees(math.atan2(EAST_M, NORTH_M)) % 360.0


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


async def test_a_heading_is_published_beside_a_single_point(tmp_path: Path, mosquitto, watching):
    broker = await mosquitto()
    seen = watching(broker.port)
    bow, stern = free_port(), free_port()
    lat_deg, lon_deg = offset(BASE, east_m=EAST_M, north_m=NORTH_M)
    height_m = BASE.alt_hae_m
    places = {
        "bow": {"station": 1, "lat_deg": lat_deg, "lon_deg": lon_deg, "alt_hae_m": height_m},
        "stern": {
            "station": 2,
            "lat_deg": BASE.lat_deg,
            "lon_deg": BASE.lon_deg,
            "alt_hae_m": height_m,
        },
    }
    async with (
        field(rover_line(bow, name="bow", **places["bow"])),
        field(rover_line(stern, name="stern", **places["stern"])),
    ):
        text = (
            head(tmp_path, f'url = "{broker.url}"')
            + device(
                "bow",
                f"tcp://127.0.0.1:{bow}",
                'solve = "gateway"',
                f'heading = {{ from = "stern", baseline_m = {LENGTH_M:.3f} }}',
            )
            + device("stern", f"tcp://127.0.0.1:{stern}")
        )
        async with running(text) as run:
            await until(lambda: "heading_deg" in seen.last(FIX), "a heading")
            shown = await run.device_is("bow", lambda d: d["solver"]["vectors"]["rtk_fixed"] >= 3)
    told = [fix for fix in seen.values(FIX) if "heading_deg" in fix]
    assert len(told) >= 2
    for fix in told:
        schema("fix").validate(fix)
        assert fix["fix"] == "single"
        off_deg = (fix["heading_deg"] - HEADING_DEG + 180.0) % 360.0 - 180.0
        assert abs(off_deg) < 0.5
        assert abs(fix["baseline_m"] - LENGTH_M) < 0.01
        assert 0.0 < fix["acc_heading_deg"] < 1.0
        assert abs(fix["pitch_deg"]) < 1.0
    assert shown["solver"]["vectors"]["rtk_fixed"] >= 3
