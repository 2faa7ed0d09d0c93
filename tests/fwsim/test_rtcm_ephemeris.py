"""Ephemerides: a real 1042 byte for byte, and all of ours as pyrtcm reads them."""

import json
import math

import pytest
from pyrtcm import RTCMReader

from fwsim import rtcm_ephemeris
from fwsim.broadcast import constellation
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.orbit import GlonassEphemeris, KeplerEphemeris
from tests.conftest import shared_data

NOW_NS = gpst_of_utc_ns(1_795_348_800 * NS_PER_S)
SC = math.pi


def test_a_real_1042_is_written_as_it_was():
    rows = json.loads(shared_data("vectors", "rtcm3.json").read_text())["frames"]
    row = next(row for row in rows if row["name"].startswith("1042"))
    told = row["decode"]
    eph = KeplerEphemeris(
        system=System.BEIDOU,
        prn=told["prn"],
        week=told["week"],
        toe_s=told["toe"],
        toe_gpst_ns=0,
        issue=0,
        sqrt_a=told["sqrta"],
        eccentricity=told["e"],
        i0=told["i0"] * SC,
        omega0=told["omega0"] * SC,
        omega=told["omega"] * SC,
        m0=told["m0"] * SC,
        delta_n=told["dn"] * SC,
        omega_dot=told["omegadot"] * SC,
        idot=told["idot"] * SC,
        cuc=told["cuc"],
        cus=told["cus"],
        crc=told["crc"],
        crs=told["crs"],
        cic=told["cic"],
        cis=told["cis"],
        a0_s=told["a0"],
        a1=told["a1"],
        a2=told["a2"],
        delays_s=(told["tgd1"] * 1e-9, told["tgd2"] * 1e-9),
    )
    written = rtcm_ephemeris.beidou(eph)
    theirs, ours = bytes.fromhex(row["hex"]), RTCMReader.parse(written)
    # Only the ages of the data differ (ours is always an hour).
    assert (told["aode"], told["aodc"]) == (3, 2)
    assert (ours.DF492, ours.DF497) == (1, 1)
    bits = int.from_bytes(written[3:-3], "big") ^ int.from_bytes(theirs[3:-3], "big")
    size = 8 * len(written[3:-3])
    differing = {size - 1 - place for place in range(size) if bits >> place & 1}
    aode, aodc = range(49, 54), range(128, 133)
    assert differing
    assert differing <= {*aode, *aodc}


# Attribute of the ephemeris: field of the message and factor from field to attribute.
LNAV = {
    "idot": SC, "a2": 1, "a1": 1, "a0_s": 1, "crs": 1, "delta_n": SC, "m0": SC, "cuc": 1,
    "eccentricity": 1, "cus": 1, "sqrt_a": 1, "toe_s": 1, "cic": 1, "omega0": SC, "cis": 1,
    "i0": SC, "crc": 1, "omega": SC, "omega_dot": SC,
}  # fmt: skip
FIELDS = {
    number: dict(zip(LNAV, (f"DF{field:03d}" for field in fields), strict=True))
    for number, fields in {
        "1019": (79, *range(82, 85), *range(86, 101)),
        "1044": (450, *range(431, 434), *range(435, 450)),
        "1042": (491, *range(494, 497), *range(498, 513)),
        "1046": (292, *range(294, 312)),
    }.items()
}
FIELDS["1045"] = FIELDS["1046"]
WRITERS = {
    "1019": (System.GPS, rtcm_ephemeris.gps),
    "1044": (System.QZSS, rtcm_ephemeris.qzss),
    "1042": (System.BEIDOU, rtcm_ephemeris.beidou),
    "1045": (System.GALILEO, lambda eph: rtcm_ephemeris.galileo(eph, is_inav=False)),
    "1046": (System.GALILEO, lambda eph: rtcm_ephemeris.galileo(eph, is_inav=True)),
}
NUMBER = {"1019": "DF009", "1044": "DF429", "1042": "DF488", "1045": "DF252", "1046": "DF252"}
TOC = {"1019": "DF081", "1044": "DF430", "1042": "DF493", "1045": "DF293", "1046": "DF293"}
# What GPS week 2446 is called, and the group delays.
WEEK = {"1019": ("DF076", 2446 % 1024), "1044": ("DF452", 2446 % 1024), "1042": ("DF489", 1090)}
DELAYS = {
    "1019": (("DF101", 1),),
    "1044": (("DF455", 1),),
    "1042": (("DF513", 1e-9), ("DF514", 1e-9)),
    "1045": (("DF312", 1),),
    "1046": (("DF312", 1), ("DF313", 1)),
}


@pytest.mark.parametrize("number", list(WRITERS))
def test_the_exact_values_come_back(number):
    system, write = WRITERS[number]
    satellites = constellation([system], seed="1")
    assert len(satellites) >= 4
    for satellite in satellites:
        eph = satellite.ephemeris(NOW_NS)
        assert isinstance(eph, KeplerEphemeris)
        parsed = RTCMReader.parse(write(eph))
        assert parsed.identity == number
        assert getattr(parsed, NUMBER[number]) == satellite.prn
        assert getattr(parsed, TOC[number]) == eph.toe_s
        field, week = WEEK.get(number, ("DF289", 2446 - 1024))
        assert getattr(parsed, field) == week
        for attribute, factor in LNAV.items():
            expected = getattr(eph, attribute)
            if number == "1045" and attribute == "a0_s":
                expected = eph.a0_fnav_s
            found = getattr(parsed, FIELDS[number][attribute]) * factor
            assert found == pytest.approx(expected, rel=1e-14, abs=0.0), attribute
        for (field, factor), delay_s in zip(DELAYS[number], eph.delays_s, strict=False):
            assert getattr(parsed, field) * factor == pytest.approx(delay_s, rel=1e-12)


def test_glonass():
    for satellite in constellation([System.GLONASS], seed="1"):
        eph = satellite.ephemeris(NOW_NS)
        assert isinstance(eph, GlonassEphemeris)
        parsed = RTCMReader.parse(rtcm_ephemeris.glonass(eph))
        assert (satellite.prn, satellite.channel) == (parsed.DF038, parsed.DF040 - 7)
        # 12:00 UTC is 15:00 in Moscow: the quarter past, day 1057 of the term that began in 2024.
        assert parsed.DF110 == 15 * 4 + 1
        assert (parsed.DF107 >> 7, parsed.DF107 >> 1 & 63) == (15, 15)
        assert (parsed.DF129, parsed.DF132, parsed.DF134) == (1057, 1057, 8)
        velocity = (parsed.DF111, parsed.DF114, parsed.DF117)
        position = (parsed.DF112, parsed.DF115, parsed.DF118)
        assert [1000 * v for v in velocity] == pytest.approx(eph.velocity0_m_s, rel=1e-14)
        assert [1000 * x for x in position] == pytest.approx(eph.position0_m, rel=1e-14)
        assert pytest.approx(eph.tau_n_s, rel=1e-14) == parsed.DF124 * 2.0**-30
        assert pytest.approx(eph.gamma_n, rel=1e-14) == parsed.DF121 * 2.0**-40
