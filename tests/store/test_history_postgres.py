"""The history in a real PostgreSQL server: the same answers as from the file, and its absences."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bdgw.history import Cursor, FixQuery, SeqRange, UnknownBootError
from bdgw.hub import FixQuarantined
from bdgw.model import DeviceFix, Fix, FixKind
from bdgw.shortmsg.ledger_store import StoreError
from bdgw.store.history import StoredHistory
from bdgw.store.history_backend import HistoryLimits
from bdgw.store.history_postgres import PostgresHistory, PostgresServer
from bdgw.store.history_postgres_reader import PostgresHistoryReader
from bdgw.timescale import SECOND_NS
from tests.publish.brokers import until
from tests.store.history_rig import HEADING, T0_NS, any_fix, fix, headed, in_range, missing_of
from tests.store.postgres import PASSWORD, PostgresProcess

_names = itertools.count()


@pytest.fixture(scope="module")
def process() -> Iterator[PostgresProcess]:
    made = PostgresProcess()
    made.start()
    yield made
    made.remove()


class Pair:
    """A writer and a reader in a database of their own."""

    def __init__(self, process: PostgresProcess, *, gateway: str = "gw", database: str = ""):
        self.database = database or f"t{next(_names)}"
        if not database:
            process.create(self.database)
        self.url = process.url(self.database)
        server = PostgresServer(self.url, PASSWORD, name="bdgw test")
        self.store = PostgresHistory(
            server, gateway, HistoryLimits(max_age_ns=3600 * SECOND_NS, max_quarantined=5)
        )
        self.reader = PostgresHistoryReader(server, gateway)

    def run(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, password=PASSWORD, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def keep(self, *fixes: DeviceFix) -> None:
        assert self.store.write(fixes, trusted_utc_ns=None).n_stored == len(fixes)

    def all_of(self, query: FixQuery) -> list[DeviceFix]:
        found: list[DeviceFix] = []
        while True:
            page = self.reader.page(query)
            found += page.fixes
            if not page.has_more:
                return found
            last = page.fixes[-1]
            query = msgspec.structs.replace(query, after=Cursor(last.boot, last.seq))

    def seqs(self) -> list[int]:
        return [each.seq for each in self.all_of(FixQuery(device="a"))]

    def close(self) -> None:
        self.store.close()
        self.reader.close()


@pytest.fixture
def pair(process: PostgresProcess) -> Iterator[Pair]:
    made = Pair(process)
    yield made
    made.close()


@pytest.fixture(scope="module")
def lasting(process: PostgresProcess) -> Iterator[Pair]:
    """For properties: a new boot each time is as good as a new database."""
    made = Pair(process)
    yield made
    made.close()


_boots = itertools.count()


@settings(max_examples=20)
@given(st.lists(any_fix, max_size=20, unique_by=lambda item: (item.device, item.boot, item.seq)))
def test_a_fix_comes_back_to_the_bit(lasting: Pair, fixes: list[DeviceFix]):
    run = next(_boots)
    fixes = [msgspec.structs.replace(each, boot=f"{each.boot}-{run}") for each in fixes]
    lasting.keep(*fixes)
    for item in fixes:
        wanted = SeqRange(item.seq, item.seq)
        assert lasting.reader.numbered(item.device, item.boot, wanted, limit=2) == (item,)


@given(st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_ranges_and_gaps_are_those_of_a_plain_list(lasting: Pair, data):
    device = f"d{next(_boots)}"
    kept: list[DeviceFix] = []
    for boot in ("b1", "b2"):
        seqs = data.draw(st.lists(st.integers(0, 400), unique=True, max_size=60).map(sorted))
        seconds = data.draw(st.lists(st.integers(-50, 150), min_size=len(seqs), max_size=len(seqs)))
        kept += [
            fix(seq, device=device, boot=boot, second=float(second))
            for seq, second in zip(seqs, seconds, strict=True)
        ]
    half = len(kept) // 2
    lasting.keep(*kept[:half])
    lasting.keep(*kept[half:])
    bounds = st.none() | st.integers(-60, 160)
    first, last = data.draw(bounds), data.draw(bounds)
    query = FixQuery(
        device=device,
        from_utc_ns=None if first is None else T0_NS + first * SECOND_NS,
        until_utc_ns=None if last is None else T0_NS + last * SECOND_NS,
        limit=data.draw(st.integers(1, 50)),
    )
    expected = in_range(kept, query)
    assert lasting.all_of(query) == expected
    assert lasting.reader.count(query) >= len(expected)
    assert lasting.reader.newest(device) == (kept[-1] if kept else None)
    for gaps in lasting.reader.gaps(device, limit=1000):
        there = {each.seq for each in kept if each.boot == gaps.boot}
        assert (gaps.first_seq, gaps.last_seq) == (min(there), max(there))
        assert list(gaps.missing) == missing_of(there, SeqRange(min(there), max(there)))
        wanted = SeqRange(*sorted(data.draw(st.tuples(*[st.integers(0, 500)] * 2))))
        missing = lasting.reader.missing(device, gaps.boot, wanted, limit=1000)
        ranges = missing_of(there, wanted)
        assert list(missing.ranges) == ranges
        assert missing.n_missing == sum(each.last - each.first + 1 for each in ranges)


def test_the_same_number_twice_is_kept_once(pair: Pair):
    pair.keep(fix(1), fix(2), fix(2, second=50.0))
    pair.keep(fix(2, second=60.0), fix(3))
    assert pair.all_of(FixQuery(device="a")) == [fix(1), fix(2), fix(3)]


def test_gateways_side_by_side_see_their_own(process: PostgresProcess, pair: Pair):
    other = Pair(process, gateway="other", database=pair.database)
    pair.keep(fix(1), fix(2))
    other.keep(fix(7))
    assert (pair.seqs(), other.seqs()) == ([1, 2], [7])
    assert pair.run("SELECT gateway, device, boot, seq FROM bdgw.fixes ORDER BY seq") == [
        ("gw", "a", "b1", 1),
        ("gw", "a", "b1", 2),
        ("other", "a", "b1", 7),
    ]
    other.close()


def test_what_people_read_in_the_view(pair: Pair):
    pair.keep(fix(5))
    rows = pair.run(
        "SELECT to_char(t AT TIME ZONE 'UTC', 'HH24:MI:SS.MS'), fix, frame, lat_deg FROM bdgw.fixes"
    )
    assert rows == [("08:00:00.500", "rtk_fixed", "CGCS2000", fix(5).fix.lat_deg)]


_HEADING_OF_VIEW: LiteralString = (
    "SELECT seq, heading_deg, acc_heading_deg, pitch_deg, acc_pitch_deg, baseline_m "
    "FROM bdgw.fixes ORDER BY seq"
)


def columns_of_view(pair: Pair) -> list[str]:
    rows = pair.run(
        """SELECT column_name FROM information_schema.columns
           WHERE table_schema = 'bdgw' AND table_name = 'fixes' ORDER BY ordinal_position"""
    )
    return [name for (name,) in rows]


def test_tables_of_version_1_are_brought_up_with_what_is_in_them(pair: Pair):
    """Made by hand from the tables of version 1: they must always be read."""
    script = Path(__file__).parent / "history_postgres_1.sql"
    with psycopg.connect(pair.url, password=PASSWORD, autocommit=True) as connection:
        connection.execute(script.read_bytes())
    before = columns_of_view(pair)
    pair.keep(headed(fix(12)), fix(13))
    found = pair.all_of(FixQuery(device="a"))
    assert [each.seq for each in found] == [10, 11, 12, 13]
    assert [each.fix.heading for each in found] == [None, None, HEADING, None]
    assert found[2:] == [headed(fix(12)), fix(13)]
    assert (found[0].fix.lat_deg, found[0].fix.t_gpst_ns) == (31.5, fix(10).fix.t_gpst_ns)
    assert pair.run(_HEADING_OF_VIEW) == [
        (10, *[None] * 5),
        (11, *[None] * 5),
        (12, 193.065, 0.035, -1.25, 0.07, 0.9907),
        (13, *[None] * 5),
    ]
    # What others have built on the view stands where it stood.
    after = columns_of_view(pair)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 5
    assert pair.run("SELECT speed_m_s FROM public.speeds ORDER BY seq") == [
        (1.4,),
        (1.4,),
        (1.42,),
        (1.42,),
    ]
    # And once brought up they are as new ones.
    assert pair.run("SELECT number FROM bdgw.version") == [(2,)]
    pair.close()
    assert pair.all_of(FixQuery(device="a")) == found


def test_age_is_told_by_the_server(pair: Pair):
    pair.keep(*map(fix, range(10)))
    assert pair.store.retain(trusted_utc_ns=None) == 0
    pair.run("UPDATE bdgw.fix SET stored_at = now() - interval '2 hours' WHERE seq < 4")
    again = PostgresHistory(pair.store._server, "gw", pair.store._limits)
    assert again.retain(trusted_utc_ns=None) == 4
    assert again.retain(trusted_utc_ns=None) == 0
    assert pair.seqs() == list(range(4, 10))
    again.close()


def test_what_is_kept_back_stands_aside(pair: Pair):
    bad = Fix(kind=FixKind.SINGLE, t_gpst_ns=5)
    for number in range(9):
        aside = FixQuarantined(device="a", reason="future", fix=bad, t_rx_utc_ns=number)
        assert pair.store.write((aside,), trusted_utc_ns=None).n_quarantined == 1
    pair.store.retain(trusted_utc_ns=None)
    rows = pair.run("SELECT t_rx_utc_ns, reason FROM bdgw.quarantine ORDER BY id")
    assert rows == [(number, "future") for number in range(4, 9)]


def test_a_value_that_cannot_be_written_takes_no_other_with_it(pair: Pair):
    wrong = msgspec.structs.replace(fix(2), t_rx_utc_ns=1 << 70)
    written = pair.store.write((fix(1), wrong, fix(3)), trusted_utc_ns=None)
    assert (written.n_stored, written.n_refused) == (2, 1)
    assert pair.seqs() == [1, 3]


def test_a_place_that_is_not_kept(pair: Pair):
    pair.keep(fix(1))
    with pytest.raises(UnknownBootError):
        pair.reader.page(FixQuery(device="a", after=Cursor("gone", 5)))
    assert pair.reader.missing("a", "gone", SeqRange(0, 9), limit=5).n_missing == 10


def test_newer_tables_are_left_alone(pair: Pair):
    pair.keep(fix(1))
    pair.run("UPDATE bdgw.version SET number = 99")
    pair.store.close()
    with pytest.raises(StoreError, match="newer"):
        pair.store.write((fix(2),), trusted_utc_ns=None)


@pytest.mark.parametrize("password", ["wrong-canary", None])
def test_a_refusal_shows_no_password(process: PostgresProcess, password: str | None):
    server = PostgresServer(process.url(), password, name="bdgw test")
    with pytest.raises(StoreError, match="password") as refused:
        server.connect()
    assert "canary" not in str(refused.value)
    assert "canary" not in repr(vars(refused.value))


def has_stored(history: StoredHistory, count: int) -> bool:
    return history.state().stored == count


async def test_fixes_wait_while_the_server_is_away(process: PostgresProcess, pair: Pair):
    history = StoredHistory(
        pair.store, pair.reader, trusted_utc_ns=lambda: None, commit_s=0.01, backoff_s=(0.02, 0.1)
    )
    history.start()
    history.offer(fix(0))
    await history.flush()
    seq = 1
    for end in (process.stop, process.kill):
        end()
        for _ in range(100):
            history.offer(fix(seq))
            seq += 1
        await until(lambda: history.state().error is not None, "it is noticed")
        assert history.state().waiting > 0
        process.start()
        await until(partial(has_stored, history, seq), "all are kept")
        assert history.state().error is None
    page = await history.page(FixQuery(device="a"))
    assert [each.seq for each in page.fixes] == list(range(seq))
    assert history.state().dropped == 0
    await history.close()
