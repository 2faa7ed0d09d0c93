"""Navigation files: full times, health, data sources, and records that are passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError
from bdgw.positioning.ephemeris import EphemerisStore, GlonassOrbit, KeplerOrbit
from bdgw.positioning.satellite import satellite_id
from bdgw.rinex.navigation import read_navigation

WEEK_S = 604_800
S_NS = 1_000_000_000
# Records of the recording rtk/matrtklib-static, as the receiver's maker wrote them.
NAV = """\
     3.04           N: GNSS NAV DATA    M: MIXED            RINEX VERSION / TYPE
GPSA   1.8626E-08  2.2352E-08 -1.1921E-07 -5.9605E-08       IONOSPHERIC CORR
GPSB   1.2902E+05  1.6384E+05 -1.9661E+05 -2.6214E+05       IONOSPHERIC CORR
                                                            END OF HEADER
C01 2024 06 24 08 00 00 9.039411088452E-04 2.186695269302E-12 0.000000000000E+00
     1.000000000000E+00 3.987812500000E+02 1.168655822063E-08-7.785119710056E-01
     1.305714249611E-05 2.352053998038E-04-1.721968874335E-05 6.493358730316E+03
     1.152000000000E+05 3.771856427193E-08-1.376223151778E+00-3.306195139885E-08
     6.493194956776E-02 5.192812500000E+02 5.103894865136E-01-1.047865076358E-08
     2.235807416067E-10 0.000000000000E+00 9.640000000000E+02 0.000000000000E+00
     2.000000000000E+00 0.000000000000E+00-4.900000000000E-09-1.000000000000E-08
     1.152276000000E+05 0.000000000000E+00
R01 2024 06 24 08 15 00 8.934084326029E-05 9.094947017729E-13 1.152000000000E+05
    -1.373688769531E+04-1.554378509521E+00 9.313225746155E-10 0.000000000000E+00
    -3.309238281250E+03-2.458472251892E+00 1.862645149231E-09 1.000000000000E+00
     2.124241259766E+04-1.386628150940E+00-1.862645149231E-09 0.000000000000E+00
E04 2024 06 24 08 00 00-4.288260824978E-04-9.166001291305E-12 0.000000000000E+00
     6.500000000000E+01-1.331562500000E+02 2.712612991219E-09 1.450514434286E+00
    -6.210058927536E-06 3.254675539210E-04 1.124665141106E-05 5.440636682510E+03
     1.152000000000E+05-1.862645149231E-09-2.626136897440E+00 2.980232238770E-08
     9.617908215797E-01 1.019375000000E+02-1.068999055553E+00-5.213788603794E-09
     4.478757986819E-10 5.170000000000E+02 2.320000000000E+03
     3.120000000000E+00 0.000000000000E+00-1.629814505577E-09-2.328306436539E-09
     1.160750000000E+05
"""


def orbit(name: str) -> KeplerOrbit | GlonassOrbit:
    found = read_navigation(NAV.splitlines())
    (one,) = [one for one in found.orbits if one.satellite == satellite_id(name)]
    return one


def test_beidou_times_are_of_bdt() -> None:
    one = orbit("C01")
    assert isinstance(one, KeplerOrbit)
    assert one.toe_s == 115_200.0
    assert one.toe_gpst_ns == (2320 * WEEK_S + 115_200 + 14) * S_NS
    assert one.toc_gpst_ns == one.toe_gpst_ns
    assert one.tgd_s == (-4.9e-9, -1.0e-8)


def test_glonass_times_are_of_utc() -> None:
    one = orbit("R01")
    assert isinstance(one, GlonassOrbit)
    assert one.toe_gpst_ns == (2320 * WEEK_S + 86_400 + 29_700 + 18) * S_NS
    assert one.position_m[0] == -13_736_887.69531
    assert one.channel == 1


def test_galileo_says_where_its_data_are_from() -> None:
    one = orbit("E04")
    assert isinstance(one, KeplerOrbit)
    assert not one.is_fnav
    f_nav = NAV.replace(" 5.170000000000E+02 2.32", " 2.580000000000E+02 2.32")
    (other,) = [o for o in read_navigation(f_nav.splitlines()).orbits if o.satellite >= 200][:1]
    assert isinstance(other, KeplerOrbit)


def test_the_ionosphere_of_the_header() -> None:
    found = read_navigation(NAV.splitlines())
    assert found.ion_gps is not None
    assert found.ion_gps.alpha[0] == 1.8626e-8
    assert found.ion_bds is None


def test_a_store_gives_what_is_young_and_healthy() -> None:
    store = EphemerisStore()
    store.extend(read_navigation(NAV.splitlines()).orbits)
    at = (2320 * WEEK_S + 116_400) * S_NS
    assert store.choose(satellite_id("R01"), at) is not None
    assert store.choose(satellite_id("R01"), at + 2000 * S_NS) is None
    assert store.choose(satellite_id("C01"), at + 20_000 * S_NS) is not None
    assert store.choose(satellite_id("C01"), at + 22_000 * S_NS) is None
    sick = NAV.replace(
        " 2.000000000000E+00 0.000000000000E+00-4.9", " 2.000000000000E+00 1.000000000000E+00-4.9"
    )
    ill = EphemerisStore()
    ill.extend(read_navigation(sick.splitlines()).orbits)
    assert ill.choose(satellite_id("C01"), at) is None


def test_other_files_are_refused() -> None:
    with pytest.raises(DecodeError):
        read_navigation(["anything"])


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=90)))
def test_no_body_raises(body: list[str]) -> None:
    found = read_navigation([*NAV.splitlines(), *body])
    assert len(found.orbits) >= 2
