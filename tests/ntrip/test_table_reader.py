"""A table is read in steps of bounded work, and the steps do not show in what was read."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.asking import fetch_sourcetable
from bdgw.ntrip.client import ClientSession, TableReceived
from bdgw.ntrip.request import Request
from bdgw.ntrip.table_reader import (
    STEP_BYTES,
    STEP_LINES,
    STEP_RECORDS,
    TABLE_MAX_BYTES,
    TableReader,
    parse_sourcetable,
)
from tests.ntrip.rig import RealTime, Visit, playing

HEAD = b"SOURCETABLE 200 OK\r\n\r\n"
ROW = b"STR;M%d;x;RTCM3;1005(10);2;GPS;N;FRA;48.8;2.3;0;0;g;none;N;N;9600;\r\n"
HOSTILE = {
    "tiny rows": b"STR;a\n" * (TABLE_MAX_BYTES // 6),
    "rows of separators": b"STR;a" + b";" * 900 + b"\n",
    "blank lines": b"STR;a\n" + b"\n" * TABLE_MAX_BYTES,
    "lines that are none": b"STR;a\n" + b"x\n" * (TABLE_MAX_BYTES // 2),
    "one line": b"STR;" + b"a;" * (TABLE_MAX_BYTES // 2),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_step_is_bounded_whatever_the_table(data):
    if len(data) < 2000:
        data *= TABLE_MAX_BYTES // len(data)
    reader = TableReader()
    reader.feed(data)
    reader.close()
    n_bytes, n_records = len(reader._waiting), 0
    assert n_bytes <= TABLE_MAX_BYTES
    while reader.has_more:
        n_lines = reader.step()
        assert n_lines <= STEP_LINES
        left = len(reader._waiting)
        assert n_bytes - left <= STEP_BYTES
        assert reader.n_records - n_records <= STEP_RECORDS
        assert n_lines or left < n_bytes, "each step comes further"
        n_bytes, n_records = left, reader.n_records
    assert n_records <= 20_000
    assert not reader.table().is_complete


@given(
    st.lists(
        st.sampled_from(
            [
                ROW % 1,
                ROW % 2,
                b"CAS;h;2101;i;o;0;FRA;1;2;0.0.0.0;0;\n",
                b"NET;n;o;B;N;;;;\r",
                b"# remark\r\n",
                b"no record\r\n",
                b"\r\n",
                b"STR;" + b"y;" * 12_000 + b"\r\n",
                b"STR;" + b"z" * 40_000 + b"\r\n",
                b"ENDSOURCETABLE\r\n",
                b"STR;half",
            ]
        ),
        max_size=12,
    ),
    st.lists(st.integers(1, 30_000), max_size=12),
)
def test_cuts_do_not_show(lines, sizes):
    data = b"".join(lines)
    reader, position = TableReader(), 0
    for size in [*sizes, len(data)]:
        reader.feed(data[position : position + size])
        position += size
        reader.step()
    reader.close()
    while reader.has_more:
        reader.step()
    assert reader.table() == parse_sourcetable(data)


def test_a_line_without_end_is_one_record_and_its_rest_is_none():
    table = parse_sourcetable(b"STR;" + b"A" * (STEP_BYTES - 4) + b"STR;B;\r\n" + ROW % 7)
    assert [record.mount[:2] for record in table.streams] == ["AA", "M7"]
    assert table.n_damaged == 0


def request(account: Account | None = None) -> Request:
    return Request(address=CasterAddress(host="h"), mount=None, account=account)


@pytest.mark.parametrize("written", ["Gr33n-Harbour", "gr33n-harbour", "GR33N-HARBOUR"])
def test_a_secret_in_a_table_is_hidden_whatever_its_letters(written):
    session = ClientSession(request(Account("crew", "Gr33n-Harbour")), now=0.0)
    row = (ROW % 1).replace(b";x;", b";pw %s;" % written.encode())
    session.receive(HEAD + row + b"ENDSOURCETABLE\r\n", now=0.0)
    (event,) = session.events()
    assert isinstance(event, TableReceived)
    assert event.table.streams[0].identifier == "pw ***"


@pytest.mark.parametrize("end", [b"ENDSOURCETABLE\r\n", b""])
async def test_others_have_their_turn_while_a_long_table_is_read(end):
    """Counted in turns of the loop: one at least for each step."""
    rows = b"".join(ROW % number for number in range(3000))

    async def script(visit: Visit) -> None:
        visit.say(HEAD + rows + end)

    n_turns = 0

    async def others() -> None:
        nonlocal n_turns
        while True:
            await asyncio.sleep(0)
            n_turns += 1

    async with playing(script) as caster:
        counting = asyncio.create_task(others())
        table = await fetch_sourcetable(caster.address, clock=RealTime())
        counting.cancel()
    assert len(table.streams) == 3000
    assert table.is_complete is bool(end)
    assert n_turns >= 3000 // STEP_RECORDS


async def test_a_connection_that_is_given_up_reads_on_no_table():
    """Cancelled in the middle of the reading: nothing is left that ticks."""

    async def script(visit: Visit) -> None:
        visit.say(HEAD + b"STR;a\n" * 300_000)

    async with playing(script) as caster:
        fetching = asyncio.create_task(fetch_sourcetable(caster.address, clock=RealTime()))
        await asyncio.sleep(0.05)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
