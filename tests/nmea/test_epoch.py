"""No fix ever carries anything of another instant, whatever the receiver and the line do."""

import dataclasses
from itertools import cycle, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.model import Fix, FixKind
from bdgw.nmea.epoch import EpochAssembler
from bdgw.nmea.sentence import Gga, Gsa, Gsv, decode
from bdgw.receiver import EpochSeen, ReceiverSession
from tests.nmea.receivers import ORDERS, POSITIONS, SECOND_NS, Moment
from tests.nmea.writer import sealed

TOLERANCE = 1e-4
"""Of metres, metres a second, degrees and seconds alike: fixes are rounded to the fourth decimal,
and neighbouring epochs differ by 0.01 or more, in latitude by 1e-6 degree (compared tighter)."""
POSITION_TOLERANCE_DEG = 1e-9
BURST_S = 0.001
"""From one sentence to the next inside a cycle: 115,200 baud and a read for each."""


@dataclasses.dataclass
class Line:
    moment: Moment
    address: str
    at: float

    def __repr__(self) -> str:
        cold = " cold" if self.moment.is_cold else ""
        return f"{self.address} {self.moment.index}{cold} at {self.at:.3f}"

    @property
    def data(self) -> bytes:
        return self.moment.sentence(self.address)


def cycle_lines(order: list[str], moments: list[Moment], *, has_gaps: bool) -> list[Line]:
    lines = []
    for moment in moments:
        start = moment.index * moment.period_ns / 1e9 if has_gaps else 0.0
        for i, address in enumerate(order):
            lines.append(Line(moment, address, start + (i * BURST_S if has_gaps else 0.0)))
    return lines


def run(lines: list[Line], chunk_sizes: list[int] | None = None) -> list[tuple[Fix, float]]:
    """Give the fixes and when each left; chunks may be cut anywhere inside a cycle."""
    session = ReceiverSession()
    found: list[tuple[Fix, float]] = []

    def drain(now: float) -> None:
        for event in session.events():
            if isinstance(event, EpochSeen):
                found.append((event.fix, now))  # noqa: PERF401

    data = b"".join(line.data for line in lines)
    ends, position = [], 0
    for line in lines:
        position += len(line.data)
        ends.append((position, line.at))
    if chunk_sizes is None:
        cuts = [end for end, _ in ends]
    else:
        # A receiver flushes its buffer at the end of a cycle; no byte waits for the next one.
        cuts = [end for (end, at), (_, after) in pairwise(ends) if after - at > 2 * BURST_S]
        position = 0
        for size in cycle(chunk_sizes):
            position += size
            if position >= len(data):
                break
            cuts.append(position)
        cuts = sorted({*cuts, len(data)} - {0})
    position = 0
    for cut in cuts:
        # A chunk comes when the last line that it has a part of comes.
        now = next(at for end, at in ends if end >= cut)
        while (deadline := session.deadline()) is not None and deadline < now:
            session.tick(now=deadline)
            drain(deadline)
        session.receive(data[position:cut], now=now)
        drain(now)
        position = cut
    end = lines[-1].at if lines else 0.0
    session.receive(b"", now=end)
    drain(end)
    return found


def assert_pure(fix: Fix, moment: Moment) -> None:
    assert fix.kind is moment.quality[2]
    allowed = moment.allowed()
    for name, expected in allowed.items():
        value = getattr(fix, name)
        tolerance = POSITION_TOLERANCE_DEG if name in {"lat_deg", "lon_deg"} else TOLERANCE
        assert value is None or value == pytest.approx(expected, abs=tolerance), (name, moment)
    if fix.kind is FixKind.NONE:
        assert all(getattr(fix, name) is None for name in allowed)
    else:
        assert fix.lat_deg is not None
        assert fix.lon_deg is not None


def check(lines: list[Line], chunk_sizes: list[int] | None = None) -> None:
    fixes = [fix for fix, _ in run(lines, chunk_sizes)]
    spoken = [line.moment for line in lines if line.address[2:] in POSITIONS]
    by_tod = {moment.tod_ns: moment for moment in spoken if moment.tod_ns is not None}
    timed = [fix for fix in fixes if fix.tod_utc_ns is not None]
    assert [fix.tod_utc_ns for fix in timed] == list(by_tod)
    for fix in timed:
        assert fix.tod_utc_ns is not None
        assert_pure(fix, by_tod[fix.tod_utc_ns])
    for fix in fixes:
        if fix.tod_utc_ns is None:
            assert fix.kind is FixKind.NONE
            assert fix.lat_deg is None


orders = st.sampled_from(sorted(ORDERS))
rates = st.sampled_from([1, 2, 5, 10, 20])
chunkings = st.one_of(st.none(), st.lists(st.integers(1, 700), min_size=1, max_size=10))


@st.composite
def receivers(draw):
    """Draw an order of sentences and the epochs, cold at first or not."""
    period_ns = SECOND_NS // draw(rates)
    n_cold = draw(st.integers(0, 3))
    n = draw(st.integers(1, 9))
    moments = [Moment(i, period_ns, is_cold=i < n_cold) for i in range(n_cold + n)]
    return ORDERS[draw(orders)], moments, n_cold


@st.composite
def receptions_with_gaps(draw):
    """Draw what comes out of a receiver: any lines lost, some repeated within their cycle."""
    order, moments, _ = draw(receivers())
    lines = cycle_lines(order, moments, has_gaps=True)
    lost = draw(st.sets(st.integers(0, len(lines) - 1), max_size=len(lines)))
    lines = [line for i, line in enumerate(lines) if i not in lost]
    for index, later in draw(
        st.lists(st.tuples(st.integers(0, 200), st.integers(0, 8)), max_size=3)
    ):
        if lines:
            first = lines[index % len(lines)]
            same = [i for i, line in enumerate(lines) if line.moment == first.moment]
            place = min(lines.index(first) + later, same[-1])
            lines.insert(place + 1, dataclasses.replace(first, at=lines[place].at))
    return lines


@st.composite
def receptions_without_gaps(draw):
    """Draw the same as a file has it, where the order is all there is to go by.

    Two cycles come whole, so that the order is known. No cycle's worth of lines is lost in one
    piece: what is left then cannot be told from an undamaged stream by anybody.
    """
    order, moments, n_cold = draw(receivers())
    lines = cycle_lines(order, moments, has_gaps=False)
    whole = (n_cold + 2) * len(order)
    lost: set[int] = set()
    for index in draw(st.lists(st.integers(whole, max(len(lines) - 1, whole)), max_size=6)):
        run = {index}
        while min(run) - 1 in lost:
            run.add(min(run) - 1)
        while max(run) + 1 in lost:
            run.add(max(run) + 1)
        if len(run) < len(order):
            lost.add(index)
    lines = [line for i, line in enumerate(lines) if i not in lost]
    for index in draw(st.lists(st.integers(0, 200), max_size=3)):
        lines.insert(index % len(lines), lines[index % len(lines)])
    return lines


@given(receptions_with_gaps(), chunkings)
def test_every_fix_is_of_one_instant_while_cycles_are_apart(lines, chunk_sizes):
    check(lines, chunk_sizes)


@given(receptions_without_gaps(), chunkings)
def test_every_fix_is_of_one_instant_without_any_gap(lines, chunk_sizes):
    check(lines, chunk_sizes)


@pytest.mark.parametrize("name", sorted(ORDERS))
@pytest.mark.parametrize("rate", [1, 5, 10, 20])
def test_a_fix_leaves_with_the_last_sentence_once_two_cycles_have_ended_alike(name, rate):
    order = ORDERS[name]
    moments = [Moment(i, SECOND_NS // rate) for i in range(8)]
    lines = cycle_lines(order, moments, has_gaps=True)
    left_at = {fix.tod_utc_ns: at for fix, at in run(lines)}
    for moment in moments[2:]:
        # The cycle ends with the sentence that ended the two before: no waiting for the next.
        last = max(line.at for line in lines if line.moment == moment)
        assert left_at[moment.tod_ns] == last


def test_without_a_pause_in_the_stream_the_end_is_learned_just_the_same():
    moments = [Moment(i, SECOND_NS) for i in range(5)]
    lines = cycle_lines(ORDERS["u-blox"], moments, has_gaps=False)
    session = ReceiverSession()
    counts = []
    for line in lines:
        session.receive(line.data, now=0.0)
        fixes = [e.fix for e in session.events() if isinstance(e, EpochSeen)]
        counts.append((line.moment.index, line.address, len(fixes)))
    assert [entry[:2] for entry in counts if entry[2]] == [
        (1, "GNRMC"),
        (2, "GNRMC"),
        (2, "GNGLL"),
        (3, "GNGLL"),
        (4, "GNGLL"),
    ]


def test_a_quiet_time_gives_out_the_open_epoch_at_its_deadline_and_not_before():
    session = ReceiverSession(idle_s=1.0)
    for address in ("GNGGA", "GNRMC"):
        session.receive(Moment(3, SECOND_NS).sentence(address), now=50.0)
    assert session.deadline() == 51.0
    session.tick(now=50.999)
    assert not [e for e in session.events() if isinstance(e, EpochSeen)]
    session.tick(now=51.0)
    (seen,) = [e for e in session.events() if isinstance(e, EpochSeen)]
    assert_pure(seen.fix, Moment(3, SECOND_NS))
    assert seen.rx_s == 50.0
    assert session.deadline() is None


def texts(*bodies: str) -> list[bytes]:
    return [sealed(body) for body in bodies]


def fixes_of(lines: list[bytes], *, now_of=lambda i: 0.0) -> list[Fix]:
    session = ReceiverSession()
    for i, line in enumerate(lines):
        session.receive(line, now=now_of(i))
    session.receive(b"", now=now_of(len(lines)))
    return [event.fix for event in session.events() if isinstance(event, EpochSeen)]


def test_two_gga_of_one_instant_make_one_fix_with_the_position_of_the_combined_one():
    (fix,) = fixes_of(
        texts(
            "BDGGA,120000.00,3100.0,N,12100.0,E,1,05,2.0,10.0,M,8.0,M,,",
            "GNGGA,120000.00,3130.0,N,12130.0,E,4,15,0.6,11.0,M,8.0,M,1.0,0007",
        )
    )
    assert (fix.lat_deg, fix.lon_deg, fix.kind, fix.hdop) == (31.5, 121.5, FixKind.RTK_FIXED, 0.6)
    assert (fix.corr_age_s, fix.corr_station) == (1.0, 7)


def test_an_invalid_sentence_of_the_same_instant_takes_the_position_away():
    gga = "GPGGA,120000,3100.0,N,12100.0,E,1,05,2.0,10.0,M,8.0,M,,"
    for bad in (
        "GPRMC,120000,V,3100.0,N,12100.0,E,0,0,130324,,,N",
        "GPRMC,120000,A,3100.0,N,12100.0,E,0,0,130324,,,N",
        "GPGLL,3100.0,N,12100.0,E,120000,V,N",
    ):
        (fix,) = fixes_of(texts(gga, bad))
        assert fix.kind is FixKind.NONE
        assert fix.lat_deg is None


def test_the_status_of_a_second_without_time_is_not_put_on_the_second_before():
    first, second = fixes_of(
        texts(
            "GPGGA,120000,3100.0,N,12100.0,E,1,05,2.0,10.0,M,8.0,M,,",
            "GPRMC,,V,,,,,,,,,,N",
            "GPGGA,,,,,,0,00,99.99,,,,,,",
            "GPRMC,,V,,,,,,,,,,N",
        )
    )
    assert first.kind is FixKind.SINGLE
    assert first.tod_utc_ns == 12 * 3600 * SECOND_NS
    assert second.kind is FixKind.NONE
    assert second.tod_utc_ns is None


def test_an_epoch_opened_by_gst_alone_is_not_lost_when_it_is_closed_too_early():
    session = ReceiverSession(idle_s=1.0)
    gst, gga = texts(
        "GPGST,120000,1,2,3,4,0.3,0.4,0.5",
        "GPGGA,120000,3100.0,N,12100.0,E,1,05,2.0,10.0,M,8.0,M,,",
    )
    session.receive(gst, now=0.0)
    session.tick(now=1.0)
    session.receive(gga, now=1.2)
    session.receive(b"", now=1.2)
    assert [e.fix.lat_deg for e in session.events() if isinstance(e, EpochSeen)] == [31.0]


def test_a_receiver_without_fractions_of_a_second_gives_each_of_its_epochs():
    lines = texts(
        *(f"GPGGA,120000,31{i:02d}.0,N,12100.0,E,1,05,2.0,10.0,M,8.0,M,," for i in range(5))
    )
    assert [fix.lat_deg for fix in fixes_of(lines)] == [
        pytest.approx(31 + i / 60, abs=POSITION_TOLERANCE_DEG) for i in range(5)
    ]


def test_a_speed_behind_damaged_bytes_is_not_taken():
    """The bytes between may have held the beginning of the next epoch."""

    def lines(gap: bytes) -> list[bytes]:
        cycles = []
        for i in range(5):
            gga = sealed(f"GPGGA,12000{i},3100.0,N,12100.0,E,1,05,2.0,10.0,M,8.0,M,,")
            cycles += [gga, gap if i == 4 else b"", sealed(f"GPVTG,1{i},T,,M,{i + 1},N,,K,A")]
        return [line for line in cycles if line]

    knot = 1852 / 3600
    whole = [fix.speed_m_s for fix in fixes_of(lines(b""))]
    assert whole[-1] == pytest.approx(5 * knot, abs=TOLERANCE)
    damaged = fixes_of(lines(b"$GPVTG,14,T,,M,5,N,,$GPGGA,120005,3100.0,N*00\r\n"))
    assert damaged[-1].speed_m_s is None
    assert damaged[-1].lat_deg == 31.0


def lead(i: int) -> list[bytes]:
    gga = f"GPGGA,1200{i:02d},3100.0,N,12100.0,E,1,05,2.0,10.0,M,8.0,M,,"
    return texts(f"GPVTG,{i},T,,M,{i + 1},N,,K,A", gga)


def test_a_speed_sent_ahead_counts_once_quiet_times_have_shown_the_order():
    lines = [line for i in range(8) for line in lead(i)]
    fixes = fixes_of(lines, now_of=lambda i: (i // 2) + (i % 2) * 0.01)
    assert len(fixes) == 8
    for i, fix in enumerate(fixes):
        assert fix.course_deg in {None, float(i)}
    assert [fix.course_deg for fix in fixes[4:]] == [4.0, 5.0, 6.0, 7.0]


def test_a_speed_whose_position_was_lost_is_not_given_to_the_next_epoch():
    lines = [line for i in range(8) for line in lead(i)]
    del lines[11]  # the position of the sixth epoch
    ats = [(i // 2) + (i % 2) * 0.01 for i in range(16)]
    del ats[11]
    fixes = fixes_of(lines, now_of=lambda i: ats[min(i, len(ats) - 1)])
    assert [fix.course_deg for fix in fixes[4:]] == [4.0, 6.0, 7.0]


def test_satellites_used_are_counted_beyond_twelve_only_where_gga_stops_counting():
    gga = "GNGGA,12000{},3100.0,N,12100.0,E,1,{},2.0,10.0,M,8.0,M,,"
    gsa = "GNGSA,A,3,{},1.0,1.0,1.0,{}"
    gps = gsa.format("1,2,3,4,5,6,7,8,9,10,11,12", 1)
    bds = gsa.format("19,20,21,,,,,,,,,", 4)
    lines = [
        *texts(gga.format(0, "12"), gps, bds),
        *texts(gga.format(1, "12"), gps, bds),
        *texts(gga.format(2, "09"), gps, bds),
        *texts(gga.format(3, "13"), gps, bds),
    ]
    # In the first cycle it is not known yet that these belong to what is before them.
    assert [fix.sats_used for fix in fixes_of(lines)] == [12, 15, 9, 13]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_receiver_whose_clock_stands_still_needs_no_memory(is_damaged):
    assembler = EpochAssembler()
    gsv = decode(sealed("GPGSV,1,1,01,05,45,180,40"))
    gsa = decode(sealed("GPGSA,A,3,5,,,,,,,,,,,,1.0,1.0,1.0"))
    gga = decode(sealed("GPGGA,120000,3100.0,N,12100.0,E,1,05,2.0,10.0,M,8.0,M,,"))
    assert isinstance(gsv, Gsv)
    assert isinstance(gsa, Gsa)
    assert isinstance(gga, Gga)
    assembler.add(gga, now=0.0)
    most = 0
    for i in range(1000):
        if is_damaged:
            assembler.damage()
        assembler.add(gsv if i % 2 else gsa, now=0.0)
        held = [assembler._leading, assembler._neighbours]
        if assembler._open is not None:
            held += [assembler._open.sentences, assembler._open.neighbours]
        most = max(most, *(len(sentences) for sentences in held))
    assert most <= 128
