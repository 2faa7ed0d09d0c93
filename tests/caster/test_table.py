import importlib
import math
from typing import Any

from bdgw.caster.content import MessageRate
from bdgw.caster.snapshot import MountSnapshot
from bdgw.caster.spec import CasterSpec, MountKind, MountSpec
from bdgw.caster.table import format_page, format_table
from bdgw.ntrip.sourcetable import parse_sourcetable

BASE = MountSpec(name="BASE", kind=MountKind.LOCAL)
SPEC = CasterSpec(
    host="127.0.0.1", port=2101, mounts=(BASE,), operator="Example; Survey", network="EX"
)
find_mp_distance = importlib.import_module("pygnssutils.helpers").find_mp_distance
REACHED = ("192.0.2.1", 2101)


def mount(name: str = "BASE", **more: Any) -> MountSnapshot:
    values: dict[str, Any] = {
        "kind": MountKind.LOCAL,
        "identifier": "Beijing",
        "country": "CHN",
        "generator": None,
        "is_open": False,
        "is_flowing": True,
        "reason": "data flows",
        **more,
    }
    return MountSnapshot(name=name, **values)


FULL = mount(
    messages=(MessageRate(1005, 10.02), MessageRate(1077, 0.98), MessageRate(1127, 0.2)),
    systems=("GPS", "BDS"),
    carrier=2,
    bits_per_s=15_999.6,
    lat_deg=39.908_72,
    lon_deg=116.397_48,
    frame="CGCS2000",
    frame_epoch_year=2000.0,
)


def table_lines(*mounts: MountSnapshot) -> list[str]:
    return format_table(SPEC, mounts, reached_at=REACHED).decode().split("\r\n")


def test_the_records_are_as_the_standard_orders_their_fields():
    cas, net, stream, end, _ = table_lines(FULL)
    assert cas == 'CAS;192.0.2.1;2101;bdgw;"Example; Survey";0;;;;0.0.0.0;0;'
    assert net.startswith('NET;EX;"Example; Survey";B;N;')
    assert stream == (
        "STR;BASE;Beijing;RTCM 3;1005(10),1077(1),1127(0.2);2;GPS+BDS;EX;CHN;39.9087;116.3975;"
        "0;0;;none;B;N;16000;CGCS2000 at 2000"
    )
    assert end == "ENDSOURCETABLE"


def test_what_is_not_known_is_empty_and_nowhere_is_not_the_gulf_of_guinea():
    stream = table_lines(mount())[2]
    assert stream == "STR;BASE;Beijing;RTCM 3;;;;EX;CHN;;;0;0;;none;B;N;;"
    near = table_lines(mount("NEAR", kind=MountKind.NEAR, is_open=True))[2]
    assert near == "STR;NEAR;Beijing;RTCM 3;;;;EX;CHN;;;1;0;;none;N;N;;"


def test_a_client_that_looks_for_the_nearest_base_survives_an_unknown_place():
    rows = [line.split(";")[1:] for line in table_lines(mount("NOWHERE"), FULL)[2:4]]
    assert find_mp_distance(1.0, 1.0, rows)[0] == "BASE"
    assert math.isclose(find_mp_distance(39.9087, 116.3975, rows)[1], 0.0, abs_tol=0.1)


def test_our_own_reader_reads_back_what_was_written():
    table = parse_sourcetable(format_table(SPEC, (FULL, mount("B")), reached_at=REACHED))
    assert (table.n_damaged, table.n_repaired, table.is_complete) == (0, 0, True)
    full, bare = table.streams
    assert full.details == ((1005, 10.0), (1077, 1.0), (1127, 0.2))
    assert (full.lat_deg, full.lon_deg, full.bitrate) == (39.9087, 116.3975, 16_000)
    assert (bare.lat_deg, bare.carrier, bare.bitrate) == (None, None, None)


def test_a_public_address_goes_before_the_one_reached():
    spec = CasterSpec(host="127.0.0.1", port=2101, mounts=(BASE,), public_host="caster.example.com")
    first = format_table(spec, (), reached_at=REACHED).split(b"\r\n")[0]
    assert first.startswith(b"CAS;caster.example.com;2101;")


def test_the_page_shows_the_mounts_and_escapes_what_was_configured():
    page = format_page(SPEC, (FULL, mount("X", identifier="<script>alert(1)</script>"))).decode()
    assert "BASE" in page
    assert "1077 (1)" in page
    assert "39.9087, 116.3975" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_says_when_the_path_is_no_mount():
    assert b"no mount of that name" in format_page(SPEC, (), is_unknown=True)
