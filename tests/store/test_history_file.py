"""The history in its file: what goes in comes out, by time and by number, until it is forgotten."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgw.history import Cursor, FixQuery, SeqRange, UnknownBootError
from bdgw.hub import FixQuarantined
from bdgw.model import DeviceFix, Fix, FixKind
from bdgw.shortmsg.ledger_store import StoreCorruptError, StoreError, StoreFullError
from bdgw.store.history_backend import HistoryLimits
from bdgw.store.history_file import HistoryFile
from bdgw.store.history_reader import HistoryFileReader
from bdgw.store.history_schema import APPLICATION_ID, MIGRATIONS
from bdgw.timescale import SECOND_NS
from tests.store.disk import disk
from tests.store.history_rig import HEADING, T0_NS, any_fix, fix, headed, in_range, missing_of

NOW_NS = T0_NS
DAY_NS = 86_400 * SECOND_NS


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "history.db")


class Pair:
    """A file and a reader of it."""

    def __init__(self, path: str, **limits: int) -> None:
        self.file = HistoryFile(path, HistoryLimits(**limits))
        self.file.used_bytes()  # opens it
        self.reader = HistoryFileReader(path)

    def keep(self, *fixes: DeviceFix, now_ns: int | None = NOW_NS) -> None:
        written = self.file.write(fixes, trusted_utc_ns=now_ns)
        assert written.n_stored == len(fixes)

    def seqs(self, device: str = "a") -> list[int]:
        return [each.seq for each in all_of(self.reader, FixQuery(device=device))]

    def close(self) -> None:
        self.reader.close()
        self.file.close()


def all_of(reader: HistoryFileReader, query: FixQuery) -> list[DeviceFix]:
    """Page after page, as a client asks."""
    found: list[DeviceFix] = []
    while True:
        page = reader.page(query)
        assert len(page.fixes) <= query.limit
        found += page.fixes
        if not page.has_more:
            return found
        last = page.fixes[-1]
        query = msgspec.structs.replace(query, after=Cursor(last.boot, last.seq))


@settings(max_examples=40)
@given(st.lists(any_fix, max_size=20, unique_by=lambda item: (item.device, item.boot, item.seq)))
def test_a_fix_comes_back_to_the_bit(tmp_path_factory, fixes: list[DeviceFix]):
    pair = Pair(str(tmp_path_factory.mktemp("h") / "history.db"))
    pair.keep(*fixes)
    for item in fixes:
        (found,) = pair.reader.numbered(
            item.device, item.boot, SeqRange(item.seq, item.seq), limit=2
        )
        assert found == item
    pair.close()


@given(st.data())
@settings(max_examples=25)
def test_a_range_gives_what_a_plain_list_gives(tmp_path_factory, data):
    """Numbers with gaps, times that stand still and jump back, several starts and devices."""
    pair = Pair(str(tmp_path_factory.mktemp("h") / "history.db"))
    kept: list[DeviceFix] = []
    for boot in ("b1", "b2"):
        for device in ("a", "b"):
            seqs = data.draw(st.lists(st.integers(0, 1200), unique=True, max_size=60).map(sorted))
            seconds = data.draw(
                st.lists(st.integers(-50, 150), min_size=len(seqs), max_size=len(seqs))
            )
            kept += [
                fix(seq, device=device, boot=boot, second=float(second))
                for seq, second in zip(seqs, seconds, strict=True)
            ]
    at = 0
    while at < len(kept):
        n = data.draw(st.integers(20, 200))
        pair.keep(*kept[at : at + n])
        at += n
    bounds = st.none() | st.integers(-60, 160)
    first, last = data.draw(bounds), data.draw(bounds)
    query = FixQuery(
        device="a",
        from_utc_ns=None if first is None else T0_NS + first * SECOND_NS,
        until_utc_ns=None if last is None else T0_NS + last * SECOND_NS,
        limit=data.draw(st.integers(1, 50)),
    )
    expected = in_range(kept, query)
    assert all_of(pair.reader, query) == expected
    assert pair.reader.count(query) >= len(expected)
    of_device = [each for each in kept if each.device == "a"]
    assert pair.reader.newest("a") == (of_device[-1] if of_device else None)
    for gaps in pair.reader.gaps("a", limit=1000):
        there = {each.seq for each in kept if (each.device, each.boot) == ("a", gaps.boot)}
        assert (gaps.first_seq, gaps.last_seq) == (min(there), max(there))
        ranges = missing_of(there, SeqRange(min(there), max(there)))
        assert list(gaps.missing) == ranges
        assert gaps.n_missing == sum(each.last - each.first + 1 for each in ranges)
        wanted = SeqRange(*sorted(data.draw(st.tuples(*[st.integers(0, 1500)] * 2))))
        missing = pair.reader.missing("a", gaps.boot, wanted, limit=1000)
        assert list(missing.ranges) == missing_of(there, wanted)
    pair.close()


@given(st.data())
@settings(max_examples=15)
def test_what_is_forgotten_is_a_beginning_and_the_rest_stays_right(tmp_path_factory, data):
    pair = Pair(str(tmp_path_factory.mktemp("h") / "history.db"), max_age_ns=DAY_NS)
    kept: list[tuple[int, DeviceFix]] = []
    now_ns = NOW_NS
    seq = 0
    for _ in range(data.draw(st.integers(1, 6))):
        n = data.draw(st.integers(1, 700))
        step = data.draw(st.integers(1, 3))
        batch = [fix(seq + number * step) for number in range(n)]
        seq = batch[-1].seq + 1
        pair.keep(*batch, now_ns=now_ns)
        kept += [(now_ns, item) for item in batch]
        now_ns += data.draw(st.integers(0, DAY_NS))
    while pair.file.retain(trusted_utc_ns=now_ns):
        pass
    seqs = pair.seqs()
    assert seqs == [item.seq for _, item in kept][len(kept) - len(seqs) :]
    # Nothing is deleted too early, and everything once it is older by the grain of the marks.
    for written_ns, item in kept:
        if now_ns - written_ns < DAY_NS:
            assert item.seq in seqs
    there = set(seqs)
    for gaps in pair.reader.gaps("a", limit=10_000):
        assert gaps.first_seq == seqs[0]
        assert list(gaps.missing) == missing_of(there, SeqRange(seqs[0], seqs[-1]))
    wanted = SeqRange(0, seq)
    assert list(pair.reader.missing("a", "b1", wanted, limit=10_000).ranges) == (
        missing_of(there, wanted)
    )
    pair.close()


def test_the_same_number_twice_is_kept_once(path: str):
    pair = Pair(path)
    pair.keep(fix(1), fix(2), fix(2, second=50.0))
    pair.keep(fix(2, second=60.0), fix(3))
    found = all_of(pair.reader, FixQuery(device="a"))
    assert found == [fix(1), fix(2), fix(3)]
    (gaps,) = pair.reader.gaps("a", limit=9)
    assert gaps.n_missing == 0
    pair.close()


def test_age_is_told_by_trusted_time_alone(path: str):
    pair = Pair(path, max_age_ns=DAY_NS)
    pair.keep(fix(1), now_ns=None)  # the clock was not known yet
    pair.keep(fix(2), now_ns=NOW_NS + 900 * DAY_NS)  # and then known wrongly
    pair.keep(fix(3), now_ns=NOW_NS)
    for now_ns in (None, NOW_NS, NOW_NS + DAY_NS - 1):
        assert pair.file.retain(trusted_utc_ns=now_ns) == 0
    assert pair.seqs() == [1, 2, 3]
    assert pair.file.retain(trusted_utc_ns=NOW_NS + DAY_NS) == 3
    assert pair.seqs() == []
    pair.keep(fix(4), now_ns=NOW_NS + 2 * DAY_NS)
    pair.keep(fix(5), now_ns=NOW_NS + 3 * DAY_NS - 1)
    assert pair.file.retain(trusted_utc_ns=NOW_NS + 3 * DAY_NS) == 1
    assert pair.seqs() == [5]
    pair.close()


def test_marks_outlive_all_that_they_marked(path: str):
    """After a long time switched off nothing is left, and what is new is not taken for old."""
    pair = Pair(path, max_age_ns=DAY_NS)
    pair.keep(*map(fix, range(100)), now_ns=NOW_NS)
    pair.keep(fix(100), now_ns=NOW_NS + DAY_NS // 2)
    later_ns = NOW_NS + 10 * DAY_NS
    assert pair.file.retain(trusted_utc_ns=later_ns) == 101
    pair.close()
    pair = Pair(path, max_age_ns=DAY_NS)
    pair.keep(fix(0, boot="b2"), now_ns=later_ns)
    assert pair.file.retain(trusted_utc_ns=later_ns + 1) == 0
    assert pair.seqs() == [0]
    pair.close()


def test_bytes_are_bounded_and_the_newest_stay(path: str):
    limit = 1024 * 1024
    pair = Pair(path, max_bytes=limit)
    n = 25_000
    for start in range(0, n, 1000):
        pair.keep(*map(fix, range(start, start + 1000)))
        for _ in range(3):
            pair.file.retain(trusted_utc_ns=None)
    assert pair.file.used_bytes() <= limit
    seqs = pair.seqs()
    assert seqs == list(range(seqs[0], n))
    assert len(seqs) > limit / 250
    assert Path(path).stat().st_size < limit + 2 * 1024 * 1024
    pair.close()


def test_a_file_above_a_lowered_limit_shrinks_and_goes_on(path: str):
    pair = Pair(path)
    pair.keep(*map(fix, range(30_000)))
    pair.close()
    pair = Pair(path, max_bytes=1024 * 1024)
    while pair.file.retain(trusted_utc_ns=None):
        pass
    assert pair.file.used_bytes() <= 1024 * 1024
    pair.keep(*map(fix, range(30_000, 31_000)))
    assert pair.seqs()[-1] == 30_999
    pair.close()


def test_a_disk_that_is_nearly_full_is_left_to_others(path: str, monkeypatch):
    pair = Pair(path)
    pair.keep(*map(fix, range(20_000)))
    monkeypatch.setattr("bdgw.store.history_file._is_disk_low", lambda _folder: True)
    size = Path(path).stat().st_size
    for start in range(20_000, 35_000, 1000):
        while pair.file.retain(trusted_utc_ns=None):
            pass
        pair.keep(*map(fix, range(start, start + 1000)))
    assert Path(path).stat().st_size <= size + 8 * 1024 * 1024, "the log's own share included"
    assert pair.seqs()[-1] == 34_999
    pair.close()


def test_what_is_kept_back_stands_aside_with_its_reason(path: str):
    pair = Pair(path, max_quarantined=10)
    bad = Fix(kind=FixKind.SINGLE, t_gpst_ns=5, lat_deg=1.0, lon_deg=2.0)
    for number in range(25):
        aside = FixQuarantined(device="a", reason="future", fix=bad, t_rx_utc_ns=number)
        written = pair.file.write((aside,), trusted_utc_ns=None)
        assert (written.n_stored, written.n_quarantined) == (0, 1)
    pair.file.retain(trusted_utc_ns=None)
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT device, reason, t_rx_utc_ns, t_gpst_ns, lat_deg FROM quarantine ORDER BY id"
        ).fetchall()
    connection.close()
    assert rows == [("a", "future", number, 5, 1.0) for number in range(15, 25)]
    assert pair.seqs() == [], "and never among the fixes"
    pair.close()


def test_a_value_that_cannot_be_written_takes_no_other_with_it(path: str):
    pair = Pair(path)
    wrong = msgspec.structs.replace(fix(2), t_rx_utc_ns=1 << 70)
    written = pair.file.write((fix(1), wrong, fix(3)), trusted_utc_ns=None)
    assert (written.n_stored, written.n_refused) == (2, 1)
    assert pair.seqs() == [1, 3]
    pair.close()


def test_a_place_that_is_not_kept_any_more(path: str):
    pair = Pair(path)
    pair.keep(fix(1))
    with pytest.raises(UnknownBootError):
        pair.reader.page(FixQuery(device="a", after=Cursor("gone", 5)))
    assert pair.reader.numbered("a", "gone", SeqRange(0, 9), limit=5) == ()
    assert pair.reader.missing("a", "gone", SeqRange(0, 9), limit=5).n_missing == 10
    assert pair.reader.gaps("nobody", limit=5) == []
    pair.close()


@pytest.mark.parametrize("text", ["", "b1", "b1.", ".5", "b1.x", "b1.-1", "b1.٣", "b1." + "9" * 30])
def test_a_place_that_is_none(text: str):
    with pytest.raises(ValueError, match=r"boot\.seq"):
        Cursor.parse(text)


def test_a_place_survives_its_text():
    assert Cursor.parse(str(Cursor("7f.3a", 12))) == Cursor("7f.3a", 12)


def test_a_large_range_needs_no_sorting(path: str):
    """The order comes from the indexes; else a page would cost what the whole range costs."""
    from bdgw.store import history_reader

    pair = Pair(path)
    pair.keep(fix(1))
    with sqlite3.connect(path) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {history_reader._PAGE}", (1, 0, 0, 1, 0, 0, 1, 5)
        ).fetchall()
    connection.close()
    steps = " / ".join(row[3] for row in plan)
    assert "SCAN" not in steps
    assert "TEMP B-TREE" not in steps
    pair.close()


# Versions of the file.


def made_by_hand(path: str, script: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript((Path(__file__).parent / script).read_text(encoding="utf-8"))
    connection.close()


def test_a_file_of_version_1_is_read_by_this_one(path: str):
    """Made by hand from the tables of version 1: it must always be read."""
    made_by_hand(path, "history_1.sql")
    pair = Pair(path)
    pair.keep(headed(fix(12)), fix(13))
    found = all_of(pair.reader, FixQuery(device="a"))
    assert [item.seq for item in found] == [10, 11, 12, 13]
    assert [item.fix.heading for item in found] == [None, None, HEADING, None]
    assert found[2] == headed(fix(12))
    first = found[0]
    assert (first.fix.kind, first.fix.lat_deg, first.frame) == ("rtk_fixed", 31.5, "CGCS2000")
    assert first.fix.t_gpst_ns == fix(10).fix.t_gpst_ns
    assert first.corr is not None
    assert (first.corr.name, first.corr.age_s) == ("net", 0.8)
    (gaps,) = pair.reader.gaps("a", limit=9)
    assert (gaps.first_seq, gaps.last_seq, gaps.n_missing) == (10, 13, 0)
    pair.close()
    # And once brought up it is opened as one of this version.
    pair = Pair(path)
    assert all_of(pair.reader, FixQuery(device="a")) == found
    pair.close()


def test_a_file_of_version_2_is_read_by_this_one(path: str):
    made_by_hand(path, "history_2.sql")
    pair = Pair(path)
    found = all_of(pair.reader, FixQuery(device="a"))
    assert [item.seq for item in found] == [10, 11]
    assert [item.fix.heading for item in found] == [HEADING, None]
    assert (found[0].fix.course_deg, found[0].fix.corr_station) == (271.3, 1042)
    pair.close()


def test_a_file_that_was_brought_up_has_the_columns_of_a_new_one(path: str, tmp_path: Path):
    columns = []
    for made in (path, str(tmp_path / "new.db")):
        if made == path:
            made_by_hand(path, "history_1.sql")
        Pair(made).close()
        with sqlite3.connect(made) as connection:
            columns.append(connection.execute("PRAGMA table_info(fix)").fetchall())
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
    assert columns[0] == columns[1]


def test_a_reader_waits_for_the_writer_to_bring_a_file_up(path: str):
    made_by_hand(path, "history_1.sql")
    reader = HistoryFileReader(path)
    with pytest.raises(StoreError, match="of this version"):
        reader.page(FixQuery(device="a"))
    HistoryFile(path, HistoryLimits()).used_bytes()
    assert [each.seq for each in reader.page(FixQuery(device="a")).fixes] == [10, 11]
    reader.close()


def test_a_file_that_cannot_be_brought_up_is_left_as_it_was(path: str):
    """A column of that name is there already: the last statement fails, and none of them stays."""
    made_by_hand(path, "history_1.sql")
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE fix ADD COLUMN baseline_m REAL")
    connection.close()
    with pytest.raises(StoreError, match="baseline_m"):
        HistoryFile(path, HistoryLimits()).write((fix(1),), trusted_utc_ns=None)
    with sqlite3.connect(path) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(fix)")]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM fix").fetchone() == (2,)
    connection.close()
    assert "heading_deg" not in names


def test_half_a_heading_is_none(path: str):
    """Somebody wrote into the file, or a number was none when it was kept."""
    made_by_hand(path, "history_2.sql")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE fix SET acc_pitch_deg = NULL")
    connection.close()
    pair = Pair(path)
    assert [each.fix.heading for each in all_of(pair.reader, FixQuery(device="a"))] == [None] * 2
    pair.close()


def test_a_newer_file_or_another_programs_is_left_alone(path: str):
    for application_id, version, error in (
        (APPLICATION_ID, len(MIGRATIONS) + 1, StoreError),
        (0x1234, 1, StoreCorruptError),
    ):
        Path(path).unlink(missing_ok=True)
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE other (x)")
            connection.execute(f"PRAGMA application_id = {application_id}")
            connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        before = Path(path).read_bytes()
        with pytest.raises(error, match=r"another program|newer"):
            HistoryFile(path, HistoryLimits()).write((fix(1),), trusted_utc_ns=None)
        with pytest.raises(StoreError):
            HistoryFileReader(path).page(FixQuery(device="a"))
        assert Path(path).read_bytes() == before


# A disk that fails: nothing is lost that was written, and it goes on when there is room again.


def test_a_full_disk_takes_nothing_and_then_everything(path: str):
    rng = random.Random(5)
    with disk() as failing:
        pair = Pair(path)
        pair.keep(*map(fix, range(500)))
        at = 500
        for _ in range(25):
            batch = [fix(seq) for seq in range(at, at + rng.randint(1, 400))]
            failing.fail_at = rng.randint(0, 30)
            try:
                pair.file.write(batch, trusted_utc_ns=NOW_NS)
            except StoreFullError:
                failing.fail_at = None
                assert pair.seqs() == list(range(at)), "all or nothing"
                pair.keep(*batch)
            failing.fail_at = None
            at = batch[-1].seq + 1
        assert failing.n_failed > 5
        assert pair.seqs() == list(range(at))
        (gaps,) = pair.reader.gaps("a", limit=5)
        assert gaps.n_missing == 0
        pair.close()
