"""Tracks and gaps in the words of the API, over a real history file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from bdgw import archive as archive_module
from bdgw.archive import Archive
from bdgw.history import Cursor, History, RangeTooLargeError, UnknownBootError
from bdgw.model import DeviceFix, Fix, FixKind
from bdgw.publish.loss import FixRange, Losses
from bdgw.publish.payload import device_fix_payload
from bdgw.timescale import SECOND_NS
from tests.store.history_of import history_of
from tests.store.history_rig import T0_NS, fix, headed

N = 2500


def archive(history: History, *, next_seq: int = 0, losses: Losses | None = None) -> Archive:
    return Archive(
        history,
        gateway="gw",
        boot="b2",
        next_seq=lambda _device: next_seq,
        losses=losses or Losses(),
    )


async def text_of(kept: Archive, form: str, **wanted: Any) -> str:
    question = {"from_utc_ns": None, "until_utc_ns": None, "after": None, "limit": None}
    track = await kept.track("a", form=form, **{**question, **wanted})
    return b"".join([chunk async for chunk in track.chunks]).decode()


async def test_json_has_the_records_as_they_were_published(tmp_path: Path):
    fixes = [fix(seq) for seq in range(N)]
    async with history_of(tmp_path, *fixes) as history:
        value = json.loads(await text_of(archive(history), "json"))
        assert value.keys() == {"dev", "fixes"}
        assert value["fixes"] == [json.loads(device_fix_payload("gw", item)) for item in fixes]


@pytest.mark.parametrize("limit", [1, 999, 1000, 1001, 2000])
async def test_page_by_page_gives_the_whole(tmp_path: Path, limit: int):
    first = [fix(seq) for seq in range(1200)]
    second = [fix(seq, boot="b2", second=500.0 + seq) for seq in range(800)]
    async with history_of(tmp_path, *first, *second) as history:
        found: list[tuple[str, int]] = []
        after = None
        for _ in range(3 if limit == 1 else 9):
            value = json.loads(await text_of(archive(history), "json", limit=limit, after=after))
            found += [(each["boot"], each["seq"]) for each in value["fixes"]]
            if "next_after" not in value:
                break
            after = Cursor.parse(value["next_after"])
        whole = [(item.boot, item.seq) for item in first + second]
        assert found == whole[: len(found)]
        assert len(found) == (3 if limit == 1 else len(whole))


async def test_a_heading_is_in_every_format_that_has_a_place_for_it(tmp_path: Path):
    values = {
        "heading_deg": 193.065,
        "acc_heading_deg": 0.035,
        "pitch_deg": -1.25,
        "acc_pitch_deg": 0.07,
        "baseline_m": 0.9907,
    }
    async with history_of(tmp_path, headed(fix(0)), fix(1)) as history:
        kept = archive(history)
        told, plain = json.loads(await text_of(kept, "json"))["fixes"]
        assert values.items() <= told.items()
        assert values.keys().isdisjoint(plain)
        collection = json.loads(await text_of(kept, "geojson"))
        told, plain = (each["properties"] for each in collection["features"])
        assert values.items() <= told.items()
        assert values.keys().isdisjoint(plain)
        told, plain = csv.DictReader(io.StringIO(await text_of(kept, "csv")))
        assert {name: told[name] for name in values} == {
            name: str(value) for name, value in values.items()
        }
        assert {plain[name] for name in values} == {""}
        assert [*told][-6:] == ["hdop", *values], "what was there keeps its place"


async def test_the_other_formats_have_the_same_fixes(tmp_path: Path):
    blind = DeviceFix(
        device="a", boot="b1", seq=N, via=fix(0).via, t_rx_utc_ns=T0_NS, fix=Fix(kind=FixKind.NONE)
    )
    async with history_of(tmp_path, *map(fix, range(N)), blind) as history:
        kept = archive(history)
        rows = list(csv.DictReader(io.StringIO(await text_of(kept, "csv"))))
        assert [int(row["seq"]) for row in rows] == list(range(N + 1))
        assert (rows[0]["boot"], rows[-1]["lat_deg"]) == ("b1", "")
        collection = json.loads(await text_of(kept, "geojson"))
        assert [each["properties"]["seq"] for each in collection["features"]] == list(range(N))
        root = ElementTree.fromstring(await text_of(kept, "gpx"))
        points = root.findall(".//{http://www.topografix.com/GPX/1/1}trkpt")
        assert [float(point.attrib["lat"]) for point in points] == [
            fix(seq).fix.lat_deg for seq in range(N)
        ]


@pytest.mark.parametrize("form", ["json", "csv", "geojson", "gpx"])
async def test_a_range_without_fixes_is_an_empty_whole(tmp_path: Path, form: str):
    async with history_of(tmp_path, fix(1)) as history:
        text = await text_of(archive(history), form, from_utc_ns=T0_NS + 900 * SECOND_NS)
    if form == "gpx":
        assert ElementTree.fromstring(text) is not None
    elif form == "csv":
        assert text.count("\n") == 1
    else:
        value = json.loads(text)
        assert value.get("fixes", value.get("features")) == []


async def test_too_much_is_refused_before_anything_is_sent(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(archive_module, "FIXES_MAX", 500)
    async with history_of(tmp_path, *map(fix, range(1000))) as history:
        kept = archive(history)
        with pytest.raises(RangeTooLargeError, match="limit and after"):
            await text_of(kept, "csv")
        assert json.loads(await text_of(kept, "json", limit=600))["next_after"] == "b1.599"
        some = await text_of(kept, "json", until_utc_ns=T0_NS + 10 * SECOND_NS)
        assert len(json.loads(some)["fixes"]) == 100
        with pytest.raises(UnknownBootError):
            await text_of(kept, "json", after=Cursor("gone", 3))


async def test_a_track_is_read_while_it_is_written(tmp_path: Path):
    """No more than a page is in memory, and a client that goes away ends the reading."""
    async with history_of(tmp_path, *map(fix, range(N))) as history:
        track = await archive(history).track(
            "a", form="json", from_utc_ns=None, until_utc_ns=None, after=None, limit=None
        )
        sizes = [len(chunk) async for chunk in track.chunks]
        one = len(device_fix_payload("gw", fix(1)))
        assert max(sizes) < 1100 * one
        assert len(sizes) == 4


async def test_gaps_of_this_start_reach_to_what_was_numbered_last(tmp_path: Path):
    there = [seq for seq in range(600) if seq not in (0, 7, 8, 300, 599)]
    other = [fix(seq, boot="b2", second=900.0) for seq in there]
    async with history_of(tmp_path, fix(4), *other) as history:
        losses = Losses()
        losses.add(FixRange("a", "b1", 3, 4), "full")
        value = await archive(history, next_seq=603, losses=losses).gaps("a")
        before, now = value["starts"]
        assert (before["boot"], before["is_current"], before["n_missing"]) == ("b1", False, 0)
        assert now["missing"] == [
            {"from_seq": 7, "to_seq": 8},
            {"from_seq": 300, "to_seq": 300},
            {"from_seq": 599, "to_seq": 602},
        ]
        assert (now["is_current"], now["n_missing"], now["first_seq"]) == (True, 7, 1)
        assert value["undelivered"] == [
            {"boot": "b1", "from_seq": 3, "to_seq": 4, "reason": "full"}
        ]
        assert value["n_undelivered"] == 2


async def test_a_start_of_which_nothing_is_kept(tmp_path: Path):
    async with history_of(tmp_path) as history:
        assert (await archive(history).gaps("a"))["starts"] == []
        (start,) = (await archive(history, next_seq=5).gaps("a"))["starts"]
        assert start["missing"] == [{"from_seq": 0, "to_seq": 4}]


def test_a_record_of_the_history_fits_its_schema():
    from bdgw.publish.payload import stamp_historical, stamp_published
    from tests.app.rig import schema

    record = stamp_published(stamp_historical(device_fix_payload("gw", fix(1))), T0_NS)
    schema("fix").validate(msgspec.json.decode(record))
