"""Bytes of a receiver in, dated fixes out: dates, order, and the contract of a session."""

from hypothesis import given
from hypothesis import strategies as st

from bdgw.model import Fix, FixKind, TimeQuality
from bdgw.receiver import CaptureSession, EpochSeen, FramesSeen, ReceiverSession
from bdgw.timescale import format_utc
from bdgw.wire.splitter import Frame, Skipped
from tests.nmea.test_dating import gpst
from tests.nmea.writer import sealed

STATION = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")  # a real 1005


def gga(clock: str, quality: int = 1) -> bytes:
    if quality == 0:
        return sealed(f"GPGGA,{clock},,,,,0,00,99.9,,,,,,")
    return sealed(f"GPGGA,{clock},3100.0,N,12100.0,E,{quality},05,2.0,10.0,M,8.0,M,,")


def rmc(clock: str, date: str, status: str = "A") -> bytes:
    return sealed(f"GPRMC,{clock},{status},3100.0,N,12100.0,E,1.0,2.0,{date},,")


def zda(clock: str, day: str) -> bytes:
    return sealed(f"GPZDA,{clock},{day},00,00")


def seen(data: list[bytes], session: ReceiverSession | None = None) -> list[Fix]:
    session = session or ReceiverSession()
    for chunk in [*data, b""]:
        session.receive(chunk, now=0.0)
    return [event.fix for event in session.events() if isinstance(event, EpochSeen)]


def dated(fixes: list[Fix]) -> list[tuple[str | None, TimeQuality]]:
    return [
        (None if fix.t_gpst_ns is None else format_utc(fix.t_gpst_ns), fix.time_quality)
        for fix in fixes
    ]


def test_an_epoch_takes_its_date_from_its_own_rmc():
    assert dated(seen([gga("235959.00"), rmc("235959.00", "130324")])) == [
        ("2024-03-13T23:59:59.000Z", TimeQuality.GNSS)
    ]


def test_midnight_is_passed_without_a_date():
    clocks = ["235958", "235959", "000000", "000001"]
    lines = [rmc("235957", "311223"), *map(gga, clocks)]
    assert dated(seen(lines)) == [
        ("2023-12-31T23:59:57.000Z", TimeQuality.GNSS),
        ("2023-12-31T23:59:58.000Z", TimeQuality.GNSS),
        ("2023-12-31T23:59:59.000Z", TimeQuality.GNSS),
        ("2024-01-01T00:00:00.000Z", TimeQuality.GNSS),
        ("2024-01-01T00:00:01.000Z", TimeQuality.GNSS),
    ]


def test_the_date_of_an_rmc_that_is_not_valid_is_not_believed():
    lines = [gga("000005", 0), rmc("000005", "060180", "V"), gga("120000"), gga("120001")]
    fixes = seen(lines)
    assert [fix.kind for fix in fixes] == [FixKind.NONE, FixKind.SINGLE, FixKind.SINGLE]
    assert {quality for _, quality in dated(fixes)} == {TimeQuality.NONE}
    assert fixes[1].tod_utc_ns == 43_200 * 10**9


def test_a_plausible_default_date_of_a_cold_receiver_is_not_believed_either():
    """An old firmware starts at its own build date, which no rule of years can refuse."""
    lines = [
        gga("000005", 0),
        rmc("000005", "010116", "V"),
        zda("000005", "01,01,2016"),
        gga("000006", 0),
        zda("000006", "01,01,2016"),
        gga("120000"),
        gga("120001"),
        zda("120001", "13,03,2024"),
        gga("120002"),
        gga("120003"),
    ]
    # A day heard before the first fix counts for nothing; the first one behind it dates the rest.
    assert [text for text, _ in dated(seen(lines))] == [
        None,
        None,
        None,
        None,
        "2024-03-13T12:00:02.000Z",
        "2024-03-13T12:00:03.000Z",
    ]


def test_a_receiver_that_tells_the_day_by_zda_alone_is_dated():
    ahead = [
        part
        for i in range(3)
        for part in (zda(f"23595{i + 7}", "31,12,2023"), gga(f"23595{i + 7}"))
    ]
    behind = [
        part
        for i in range(3)
        for part in (gga(f"23595{i + 7}"), zda(f"23595{i + 7}", "31,12,2023"))
    ]
    expected = [
        ("2023-12-31T23:59:57.000Z", TimeQuality.GNSS),
        ("2023-12-31T23:59:58.000Z", TimeQuality.GNSS),
        ("2023-12-31T23:59:59.000Z", TimeQuality.GNSS),
    ]
    assert dated(seen(ahead)) == expected
    assert dated(seen(behind)) == expected


def test_a_missing_date_is_the_hosts_and_says_so():
    session = ReceiverSession(host_gpst_ns=lambda _now: gpst("2026-11-22T08:00:03"))
    assert dated(seen([gga("080000"), gga("080001")], session)) == [
        ("2026-11-22T08:00:00.000Z", TimeQuality.HOST_DATE),
        ("2026-11-22T08:00:01.000Z", TimeQuality.HOST_DATE),
    ]


def test_without_any_date_the_time_of_day_is_what_is_known():
    (fix,) = seen([gga("080000.25")])
    assert (fix.t_gpst_ns, fix.time_quality) == (None, TimeQuality.NONE)
    assert fix.tod_utc_ns == 28_800_250_000_000


def test_a_receiver_two_decades_behind_is_put_right_by_the_host():
    session = ReceiverSession(host_gpst_ns=lambda _now: gpst("2026-11-22T08:00:03"))
    assert dated(seen([rmc("080000", "080407")], session)) == [
        ("2026-11-22T08:00:00.000Z", TimeQuality.GNSS_WEEK_RESOLVED)
    ]


def test_a_date_from_the_future_is_marked():
    session = ReceiverSession(host_gpst_ns=lambda _now: gpst("2026-11-22T08:00:03"))
    assert dated(seen([rmc("080000", "010127")], session)) == [
        ("2027-01-01T08:00:00.000Z", TimeQuality.IMPLAUSIBLE)
    ]


def test_a_replayed_recording_keeps_its_date_beside_the_clock_of_today():
    session = ReceiverSession(host_gpst_ns=lambda _now: gpst("2026-11-22T08:00:03"))
    assert dated(seen([rmc("225704", "100316")], session)) == [
        ("2016-03-10T22:57:04.000Z", TimeQuality.GNSS)
    ]


def test_a_leap_second_goes_through():
    lines = [rmc("235959", "311216"), rmc("235960", "311216"), rmc("000000", "010117")]
    fixes = seen(lines)
    assert [text for text, _ in dated(fixes)] == [
        "2016-12-31T23:59:59.000Z",
        "2016-12-31T23:59:60.000Z",
        "2017-01-01T00:00:00.000Z",
    ]
    times = [fix.t_gpst_ns or 0 for fix in fixes]
    assert times[1] - times[0] == times[2] - times[1] == 10**9


def test_an_epoch_without_a_fix_says_that_its_time_is_not_verified():
    fixes = seen([rmc("120000", "130324"), gga("120001", 0)])
    assert dated(fixes)[1] == ("2024-03-13T12:00:01.000Z", TimeQuality.UNVERIFIED)


def test_a_year_of_four_digits_at_the_end_of_the_calendar_does_no_harm():
    lines = [zda("235959", "31,12,9999"), gga("235959"), gga("000000"), gga("000001")]
    assert [text for text, _ in dated(seen(lines))] == [None, None, None]


def whole_recording() -> bytes:
    parts = [b"# noise at first\r\n"]
    for i in range(12):
        second = 86_395 + i
        clock = f"{second // 3600 % 24:02d}{second // 60 % 60:02d}{second % 60:02d}"
        day = "31,12,2023" if second < 86_400 else "01,01,2024"
        parts += [zda(clock, day), gga(clock, 4), sealed("PASHR,1"), STATION, b"\x00\xd3\x00"]
    return b"".join(parts)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_epochs_and_their_dates_do_not_depend_on_the_reads(sizes):
    data = whole_recording()
    chunks: list[bytes] = []
    position = 0
    while position < len(data):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(data[position : position + size])
        position += size
    expected = seen([data])
    assert len(expected) == 12
    assert expected[-1].t_gpst_ns is not None
    assert seen(chunks) == expected


def test_a_day_long_recording_with_a_date_in_zda_alone_is_dated_in_one_piece():
    """A date heard later must not be taken for what came before it in the same read."""
    lines = []
    for hour in range(60):
        day = f"{1 + hour // 24:02d},03,2024"
        clock = f"{hour % 24:02d}0000"
        lines += [gga(clock), zda(clock, day)]
    texts = [text for text, _ in dated(seen([b"".join(lines)]))]
    assert texts == [f"2024-03-{1 + h // 24:02d}T{h % 24:02d}:00:00.000Z" for h in range(60)]


def test_rtcm_frames_travel_on_as_they_came_between_the_epochs():
    session = ReceiverSession()
    session.receive(gga("120000") + STATION + b"zz" + gga("120001"), now=1.0)
    session.receive(b"", now=2.0)
    events = list(session.events())
    assert [event.data for event in events if isinstance(event, Frame)] == [STATION]
    assert sum(event.count for event in events if isinstance(event, FramesSeen)) == 3
    assert [event.data for event in events if isinstance(event, Skipped)] == [b"zz"]
    assert len([event for event in events if isinstance(event, EpochSeen)]) == 2
    assert session.stats.epochs == 2
    assert session.data_to_send() == b""


def test_the_deadline_is_the_earlier_of_the_held_bytes_and_the_open_epoch():
    session = ReceiverSession(idle_s=2.0)
    assert session.deadline() is None
    session.receive(gga("120000"), now=10.0)
    assert session.deadline() == 12.0
    session.receive(b"$GPGGA,1200", now=11.0)
    assert session.deadline() == 12.0
    session.tick(now=12.0)
    assert [type(e) for e in session.events() if not isinstance(e, FramesSeen)] == [EpochSeen]
    assert session.deadline() == 13.0
    session.tick(now=13.0)
    assert [type(event) for event in session.events()] == [Skipped]
    assert session.deadline() is None


parts = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([gga("120000"), rmc("120000", "130324"), zda("120000", "13,03,2024"), STATION]),
)


@given(st.lists(parts, max_size=20))
def test_any_bytes_are_survived_and_counted(chunks):
    session = ReceiverSession()
    now = 0.0
    for chunk in [*filter(None, chunks), b""]:
        session.receive(chunk, now=now)
        now += 0.4
        session.tick(now=now)
    stats = session.stats
    assert stats.decoded_bytes + stats.skipped_bytes == stats.bytes_in == sum(map(len, chunks))
    assert all(event is not None for event in session.events())


@given(st.lists(st.tuples(st.integers(1, 400), st.floats(0.0, 20.0)), min_size=1, max_size=30))
def test_a_replay_says_what_reading_the_file_says_however_it_is_played(parts):
    data = whole_recording()
    session = CaptureSession(host_gpst_ns=lambda _now: gpst("2026-11-22T08:00:03"))
    now = 0.0
    position = i = 0
    found: list[Fix] = []
    while position < len(data):
        size, pause_s = parts[i % len(parts)]
        session.receive(data[position : position + size], now=now)
        session.tick(now=now)
        assert session.deadline() is None
        played = [event for event in session.events() if isinstance(event, EpochSeen)]
        assert all(event.rx_s == now for event in played)
        found += [event.fix for event in played]
        position += size
        now += pause_s
        i += 1
    session.receive(b"", now=now)
    found += [event.fix for event in session.events() if isinstance(event, EpochSeen)]
    assert found == seen([data])


def test_nothing_is_carried_over_to_another_session():
    assert seen([rmc("120000", "130324")])[0].t_gpst_ns is not None
    (fix,) = seen([gga("120001")])
    assert fix.t_gpst_ns is None
