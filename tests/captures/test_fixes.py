"""The fixes of recorded captures against a reading by pynmeagps, and against gpsd's own output."""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from bdgw.offline import fixes
from bdgw.publish.payload import FixPayload
from tests.captures.reading import positions_of, tpv_of
from tests.conftest import SHARED, read_capture, shared_data

pytestmark = pytest.mark.capture

SAME_PLACE_DEG = 2e-9
"""pynmeagps and bdgw round the same field to the tenth decimal: 0.2 mm is room for both."""
SAME_TPV_DEG = 6e-9
"""gpsd prints nine decimals: half a unit of the last and one of rounding, 0.7 mm."""

# Each is here for something that the others do not have.
CAPTURES = {
    "gpsd/beidou-gb.log": "GB talkers, GNS beside GGA, fix won in the middle",
    "gpsd/gpsdf.log": "BD talkers, from before NMEA 4.11",
    "gpsd/quectel-eg25-g.log": "PQ talker; satellites ahead of the position; times come and go",
    "gpsd/quectel-l76k-nmea.log": "BD talker with system ids, five epochs a second",
    "gpsd/quectelLC79D.log": "BD talker among GP and GA",
    "gpsd/skytraq-dgps.log": "BD talkers, differential",
    "gpsd/skytraq.log": "BD talkers, no fix at all",
    "gpsd/telit-pls83-w.log": "BD talker with signal ids; two talkers of GGA and of RMC",
    "gpsd/ublox-f9p-hpnmea.log": "seven decimals of a minute",
    "gpsd/ublox-zed-f9p_hpg1.11.log.gz": "eleven minutes of NMEA between UBX",
    "gpsd/ericsson-gru04-02-70sec.log": "GNS and GLL with the date in ZDA alone",
    "gpsd/bundg_zeus_9.log": "GGA, RMC and GLL of one second that differ; lines twice",
    "gpsd/cat-ms352.log": "two epochs a second",
    "gpsd/eXplorist110.log": "two instants a cycle, 4 ms and 0.7 s apart",
    "gpsd/gp-320fw-2019-04-07-coldboot.log": "cold start with lines run into each other",
    "gpsd/ublox-lea-4h.log": "cold start: first no time, then no date",
    "gpsd/ublox-lea-5q.log": "begins inside a cycle, no fix at all",
    "gpsd/tcp-torture.log": "delays and cuts on purpose",
    "gpsd/triton400.log": "a sentence cut short by the next",
    "gpsd/garmin48.log": "NMEA 2.0, GLL ahead",
    "gpsd/tr737A+.log": "an old receiver without modes",
    "gpsd/mr-350p.log": "ZDA of the next second ahead of GGA",
    "gpsd/ais-nmea.log": "positions of a ship between AIS sentences",
    "gpsd/april6_2019.log": "week rollover, and a date that is in no calendar",
    "nmea/TrimbleR1_20160310-165531.txt": "BDGNS beside GPGNS and GLGNS; sentences without time",
    "nmea/gps.log.gz": "twenty minutes of GGA and RMC",
    "nmea/nmea1.log.gz": "a long start without a time, and an outage",
    "nmea/putty_nmea_netr9.log": "GGA alone: never a date",
    "rtcm3/pygpsdata-rtcm3.log.gz": "NMEA 4.11 between RTCM and UBX frames",
    "rtk/jdesbonnet-20181004-static/rover-20181004-1237.ubx.gz": "RTK, quality changes, in UBX",
}
# Epochs that pynmeagps reads and bdgw does not, by time of day, with the reason.
REFUSED = {
    "gpsd/april6_2019.log": {
        "00:02:31.099": "its RMC has the date 2208-1, which is in no calendar: nothing of a"
        " sentence with a good checksum and an impossible field is believed",
    },
}


@dataclasses.dataclass(frozen=True)
class Difference:
    """Why gpsd says something else, and how far off it may be."""

    reason: str
    largest_deg: float = 0.0
    skips: frozenset[str] = frozenset()


COARSE_RMC = (
    "gpsd takes the position of each sentence as it comes, and this RMC has one decimal less"
)
TPV_DIFFERENCES = {
    "ac12_binary.log": Difference(COARSE_RMC, 1e-4 / 60),
    "tcp-test.log": Difference(COARSE_RMC, 1e-4 / 60),
    "udp-test.log": Difference(COARSE_RMC, 1e-4 / 60),
    "bundg_zeus_9.log": Difference(
        "RMC, GGA and GLL of one whole second were taken at different moments of it; gpsd ends"
        " with GLL, bdgw publishes GGA: at 3 m/s less than a second apart",
        5e-5,
    ),
    "ericsson-gru04-02-70sec.log": Difference(
        "twice gpsd replaces the fix by the surveyed position of a PERC sentence, which bdgw"
        " does not read",
        2e-4,
    ),
    "ublox8-uniqid-monhw.log": Difference(
        "gpsd takes UBX-NAV-PVT beside it, with two more decimals than NMEA has, and goes on with"
        " it where the NMEA sentences end",
        1e-5 / 60,
        skips=frozenset({"2024-03-24T20:42:27.000Z", "2024-03-24T20:42:28.000Z"}),
    ),
    "tcp-torture.log": Difference(
        "gpsd moves the year 2007 on by 1,024 weeks because it was built later; without a host"
        " clock bdgw keeps what the receiver says",
        skips=frozenset({"2027-08-08T19:32:21.000Z"}),
    ),
}


def read_fixes(path: Path) -> list[FixPayload]:
    return list(fixes([read_capture(path)]))


def clock_of(fix: FixPayload) -> str | None:
    if fix.t_fix is not None:
        return fix.t_fix[11:23]
    if fix.tod_utc_s is None:
        return None
    moment = dt.datetime.fromisoformat("2000-01-02") + dt.timedelta(
        milliseconds=int(fix.tod_utc_s * 1000 + 0.5)
    )
    return moment.strftime("%H:%M:%S.%f")[:12]


def rounded(time: dt.time) -> str:
    moment = dt.datetime.combine(dt.date(2000, 1, 2), time) + dt.timedelta(microseconds=500)
    return moment.strftime("%H:%M:%S.%f")[:12]


def test_there_are_at_least_twenty_captures_of_each_sort():
    assert len(CAPTURES) >= 20


@pytest.mark.parametrize("name", CAPTURES)
def test_every_epoch_equals_an_independent_reading(name):
    path = shared_data("gnss", *name.split("/"))
    ours = read_fixes(path)
    theirs = [
        position
        for position in positions_of(read_capture(path))
        if rounded(position.time) not in REFUSED.get(name, {})
    ]
    assert theirs
    timed = [fix for fix in ours if clock_of(fix) is not None]
    assert [clock_of(fix) for fix in timed] == [rounded(position.time) for position in theirs]
    for fix, position in zip(timed, theirs, strict=True):
        assert fix.fix == position.fix
        if position.lat_deg is None:
            assert (fix.lat_deg, fix.lon_deg) == (None, None)
        else:
            assert fix.lat_deg == pytest.approx(position.lat_deg, abs=SAME_PLACE_DEG)
            assert fix.lon_deg == pytest.approx(position.lon_deg, abs=SAME_PLACE_DEG)
        if position.date is not None and position.fix != "none":
            assert fix.t_fix is not None
            assert fix.t_fix.startswith(str(position.date))
    for fix in ours:
        if clock_of(fix) is None:
            assert (fix.fix, fix.lat_deg) == ("none", None)


def gpsd_logs() -> list[str]:
    root = SHARED / "gnss" / "gpsd"
    return sorted(path.name for path in root.glob("*.log*") if ".chk" not in path.name)


def report_beside(path: Path) -> Path | None:
    plain = path.name.removesuffix(".gz")
    candidates = (path.with_name(plain + end) for end in (".chk", ".chk.gz"))
    return next((found for found in candidates if found.exists()), None)


@pytest.mark.parametrize("name", gpsd_logs())
def test_gpsd_reports_the_same_place_at_the_same_time(name):
    path = shared_data("gnss", "gpsd", name)
    report = report_beside(path)
    by_time = {fix.t_fix: fix for fix in read_fixes(path) if fix.t_fix is not None}
    if report is None or not by_time:
        assert name == "ublox-zed-f9p_hpg1.11.log.gz" or not by_time
        return
    difference = TPV_DIFFERENCES.get(name, Difference(""))
    reported = tpv_of(read_capture(report).decode("utf-8", "replace"))
    places = [
        tpv
        for tpv in reported
        if tpv.get("mode", 0) >= 2 and "time" in tpv and "lat" in tpv and "lon" in tpv
    ]
    largest = 0.0
    for tpv in places:
        if tpv["time"] in difference.skips:
            continue
        fix = by_time[tpv["time"]]
        assert fix.lat_deg is not None, tpv["time"]
        assert fix.lon_deg is not None
        off = max(abs(fix.lat_deg - tpv["lat"]), abs(fix.lon_deg - tpv["lon"]))
        assert off <= max(difference.largest_deg, SAME_TPV_DEG), tpv["time"]
        largest = max(largest, off)
    if difference.largest_deg:
        assert largest > SAME_TPV_DEG, "the difference is gone: take it off the list"
    # gpsd has no place at these times, so bdgw has none either.
    without = {tpv["time"] for tpv in reported if tpv.get("mode") == 1 and "time" in tpv}
    for time in without - {tpv["time"] for tpv in places}:
        if time in by_time:
            assert by_time[time].fix == "none"


def test_gpsd_and_bdgw_have_much_to_compare():
    """The comparison above must not pass for want of anything that matches."""
    shared_data("gnss")
    compared = 0
    for name in gpsd_logs():
        path = SHARED / "gnss" / "gpsd" / name
        report = report_beside(path)
        if report is not None:
            times = {fix.t_fix for fix in read_fixes(path) if fix.lat_deg is not None}
            for tpv in tpv_of(read_capture(report).decode("utf-8", "replace")):
                compared += tpv.get("mode", 0) >= 2 and tpv.get("time") in times
    assert compared > 3000
