"""Every recorded capture goes through, with every byte and every message accounted for."""

import io
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest
from pyrtcm import RTCMReader

from bdgw.nmea.sentence import Malformed
from bdgw.nmea.sentence import decode as decode_sentence
from bdgw.stream import Decoded, StreamDecoder
from bdgw.wire.splitter import Skipped
from tests.captures.reading import lines_of
from tests.conftest import SHARED, read_capture, shared_data

pytestmark = pytest.mark.capture

FOLDERS = ("gpsd", "corrupt", "nmea", "rtcm3")
UNDERSTOOD = {"GGA", "RMC", "GNS", "GLL", "GST", "VTG", "ZDA", "GSA", "GSV"}
PYRTCM_MAX_BYTES = 300_000
"""pyrtcm takes 4 s for a megabyte; the two longer streams are held against the table instead."""
N_GPSD_LOGS = 115
# pyrtcm 1.2.1 has no definition of these and does not give them out.
UNKNOWN_TO_PYRTCM = {1072, 1082, 1092, 1112, 1122, 1302}
# The table counts lines; these whole sentences begin in the middle of a line that was cut short.
INSIDE_LINES = {
    "gpsd/gp-320fw-2019-04-07-coldboot.log": Counter(GPGSA=5, GPRMC=4, GPGGA=1),
    "gpsd/isync.log": Counter(PTNTA=1),
    "gpsd/triton400.log": Counter(GPGLL=1),
}


def captures(folder: str) -> list[Path]:
    root = SHARED / "gnss" / folder
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and ".chk" not in path.name and not path.name.endswith(".expected")
    )


ALL = [path for folder in FOLDERS for path in captures(folder)]


def name_of(path: Path) -> str:
    return str(path.relative_to(SHARED / "gnss"))


def of_table(row: str, word: str) -> Counter[str]:
    """Counts of one language in a row of the captures' own table, `` RTCM3 1005:3 1077:12;``."""
    match = re.search(rf"\b{word} ((?:[\w.]+:\d+[ ;|]*)+)", row)
    counts: Counter[str] = Counter()
    for name, count in re.findall(r"([\w.]+):(\d+)", match[1] if match else ""):
        counts[name.split(".")[0]] += int(count)
    return counts


@lru_cache(1)
def table() -> dict[str, str]:
    rows: dict[str, str] = {}
    folder = ""
    text = shared_data("gnss", "README.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("## "):
            folder = line.removeprefix("## ").strip()
        elif line.startswith("| ") and not line.startswith("| file"):
            rows[f"{folder}/{line.split('|')[1].strip()}"] = line
    return rows


def test_the_captures_are_all_there():
    shared_data("gnss")
    assert len(captures("gpsd")) == N_GPSD_LOGS
    assert len(ALL) > 250


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_byte_and_every_sentence_and_every_frame_is_accounted_for(path):
    data = read_capture(path)
    decoder = StreamDecoder()
    offset = 0
    malformed: Counter[str] = Counter()
    for start in range(0, len(data), 4096):
        decoder.receive(data[start : start + 4096], now=0.0)
        offset, more = walk(decoder, data, offset)
        malformed += more
    decoder.receive(b"", now=0.0)
    offset, more = walk(decoder, data, offset)
    malformed += more
    stats = decoder.stats
    assert offset == len(data) == stats.bytes_in == stats.decoded_bytes + stats.skipped_bytes

    ours = Counter({name: n for name, n in stats.events.items() if name in UNDERSTOOD})
    theirs = Counter(formatter for line in lines_of(data) if (formatter := formatter_of(line)))
    assert ours + malformed == theirs

    rtcm = Counter(stats.rtcm)
    if len(data) <= PYRTCM_MAX_BYTES and b"\xd3" in data:
        known = {n: count for n, count in rtcm.items() if n not in UNKNOWN_TO_PYRTCM}
        assert known == pyrtcm_counts(data)


def walk(decoder: StreamDecoder, data: bytes, offset: int) -> tuple[int, Counter[str]]:
    malformed: Counter[str] = Counter()
    for item in decoder.events():
        if isinstance(item, Decoded):
            start, piece = item.frame.offset, item.frame.data
        else:
            start, piece = item.offset, item.data
        assert start == offset
        assert data[start : start + len(piece)] == piece
        offset += len(piece)
        if isinstance(item, Skipped) and item.reason == "malformed":
            sentence = decode_sentence(piece)
            assert isinstance(sentence, Malformed)
            malformed[sentence.name] += 1
    return offset, malformed


def formatter_of(line: bytes) -> str | None:
    """The formatter of a sentence that the gateway understands; proprietary ones have none."""
    address = line[1:].split(b",")[0].split(b"*")[0].decode()
    is_proprietary = address.startswith("P") and not address.startswith("PQ")
    if len(address) != 5 or is_proprietary or address[2:] not in UNDERSTOOD:
        return None
    return address[2:]


def pyrtcm_counts(data: bytes) -> dict[int | None, int]:
    counts: Counter[int | None] = Counter()
    for raw, _ in RTCMReader(io.BytesIO(data), quitonerror=0):
        if raw[0] == 0xD3:
            counts[(raw[3] << 4 | raw[4] >> 4) if len(raw) > 7 else None] += 1
    return dict(counts)


@pytest.mark.parametrize("path", captures("rtcm3"), ids=name_of)
def test_rtcm_numbers_equal_the_table_of_the_captures(path):
    row = table().get(name_of(path))
    if row is None:
        pytest.skip("the table has one row for the whole folder")
    decoder = StreamDecoder()
    decoder.receive(read_capture(path), now=0.0)
    decoder.receive(b"", now=0.0)
    decoder.events()
    assert Counter({str(n): count for n, count in decoder.stats.rtcm.items()}) == of_table(
        row, "RTCM3"
    )


def test_ubx_messages_equal_the_table_of_the_captures():
    n_compared = 0
    for path in [p for folder in ("gpsd", "corrupt", "ubx", "rtk") for p in captures(folder)]:
        row = table().get(name_of(path), "")
        match = re.search(r"\bUBX ((?:[0-9A-F]{2}-[0-9A-F]{2}:\d+[ ;|]*)+)(…?)", row)
        if match is None:
            continue
        listed = {k: int(n) for k, n in re.findall(r"([0-9A-F]{2}-[0-9A-F]{2}):(\d+)", match[1])}
        decoder = StreamDecoder()
        decoder.receive(read_capture(path), now=0.0)
        decoder.receive(b"", now=0.0)
        decoder.events()
        stats = decoder.stats
        ours = {name[4:]: n for name, n in stats.unsupported.items() if name.startswith("UBX-")}
        raw = {"02-15": stats.binary["RXM-RAWX"], "02-13": stats.binary["RXM-SFRBX"]}
        ours |= {kind: n for kind, n in raw.items() if n}
        if match[2]:  # the row names the first kinds only
            ours = {kind: ours.get(kind, 0) for kind in listed}
        assert ours == listed, name_of(path)
        n_compared += 1
    assert n_compared > 20


@pytest.mark.parametrize("path", captures("gpsd"), ids=name_of)
def test_sentences_of_the_gpsd_logs_equal_the_table_of_the_captures(path):
    row = table()[name_of(path)]
    decoder = StreamDecoder(protocols=("nmea",))
    decoder.receive(read_capture(path), now=0.0)
    decoder.receive(b"", now=0.0)
    ours: Counter[str] = Counter()
    for item in decoder.events():
        data = item.frame.data if isinstance(item, Decoded) else item.data
        if isinstance(item, Decoded) or item.reason == "malformed":
            ours[data[1:].split(b",")[0].split(b"*")[0].decode()] += 1
    listed = of_table(row, "NMEA") + INSIDE_LINES.get(name_of(path), Counter())
    assert {name: ours[name] for name in listed} == dict(listed)
