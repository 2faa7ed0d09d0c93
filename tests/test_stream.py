"""One way from bytes to messages, with every byte counted."""

from hypothesis import given
from hypothesis import strategies as st
from pyubx2 import GET, UBXMessage

from bdgw.nmea.sentence import Gga, Unsupported
from bdgw.stream import PROTOCOLS, BinaryFrame, Decoded, RtcmFrame, StreamDecoder
from bdgw.wire.splitter import Skipped
from tests.nmea.writer import sealed

GGA = sealed("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,")
STATION = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")  # a real 1005
FILLER = bytes.fromhex("d3000047ea4b")  # length 0; CRC-24Q by the bitwise loop of test_checksum
NAV_EOE = UBXMessage("NAV", "NAV-EOE", GET, iTOW=1000).serialize()
RAWX = UBXMessage(
    "RXM", "RXM-RAWX", GET, rcvTow=100.0, week=2320, leapS=18, numMeas=0, recStat=b"\x01", version=1
).serialize()
FALSE_RTCM = b"\xd3\x03\xff"
"""Stands in the payload of a UBX message: it must not hold back what follows."""
WITH_FALSE = UBXMessage("INF", "INF-TEST", GET, message=FALSE_RTCM).serialize()
MALFORMED = sealed("GPGGA,250000,4717.1,N,00833.9,E,1,08,1.0,5,M,4,M,,")
FOREIGN = sealed("PASHR,1,2")

pieces = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [
            GGA,
            STATION,
            FILLER,
            MALFORMED,
            FOREIGN,
            GGA[:30],
            STATION[:9],
            b"$",
            b"\xd3",
            NAV_EOE,
            RAWX,
            RAWX[:12],
            WITH_FALSE,
            b"\xb5",
            b"\xb5\x62",
            b"\xb5\x62\x02\x15\xff\x1f",
            NAV_EOE[:-1] + b"\0",
        ]
    ),
)
streams = st.lists(pieces, max_size=15).map(b"".join)


def run(decoder: StreamDecoder, chunks: list[bytes]) -> list[Decoded | Skipped]:
    found = []
    for chunk in [*filter(None, chunks), b""]:
        decoder.receive(chunk, now=0.0)
        found += decoder.events()
    return found


@given(streams)
def test_decoded_and_skipped_bytes_are_all_bytes(data):
    decoder = StreamDecoder()
    found = run(decoder, [data])
    stats = decoder.stats
    assert stats.bytes_in == len(data)
    assert stats.decoded_bytes + stats.skipped_bytes == len(data)
    offset = 0
    for item in found:
        start, bytes_ = (
            (item.offset, item.data)
            if isinstance(item, Skipped)
            else (item.frame.offset, item.frame.data)
        )
        assert start == offset
        assert data[start : start + len(bytes_)] == bytes_
        offset += len(bytes_)
    assert offset == len(data)


@given(streams, st.lists(st.integers(1, 50), max_size=20))
def test_any_split_gives_the_same_messages_and_counts(data, sizes):
    whole, split = StreamDecoder(), StreamDecoder()
    chunks, position = [], 0
    for size in sizes:
        chunks.append(data[position : position + size])
        position += size
    chunks.append(data[position:])
    assert run(split, chunks) == run(whole, [data])
    for name in ("bytes_in", "decoded_bytes", "skipped_bytes", "events", "unsupported", "skipped"):
        assert getattr(split.stats, name) == getattr(whole.stats, name)


def test_each_kind_is_counted_under_its_name():
    decoder = StreamDecoder()
    found = run(decoder, [GGA + STATION + FILLER + MALFORMED + FOREIGN + b"zzz"])
    assert [type(item.message) if isinstance(item, Decoded) else item.reason for item in found] == [
        Gga,
        RtcmFrame,
        RtcmFrame,
        "malformed",
        Unsupported,
        "noise",
    ]
    assert decoder.stats.events == {"GGA": 1, "1005": 1, "empty": 1}
    assert decoder.stats.unsupported == {"PASHR": 1}
    assert decoder.stats.skipped == {"malformed": 1, "noise": 1}
    assert decoder.stats.skipped_bytes == len(MALFORMED) + 3


def test_a_stream_is_searched_for_the_protocols_asked_for_alone():
    assert set(PROTOCOLS) == {"nmea", "rtcm3", "ubx", "unicore"}
    only_ubx = StreamDecoder(protocols=("ubx",))
    assert [type(item) for item in run(only_ubx, [GGA + NAV_EOE])] == [Skipped, Decoded]
    only_rtcm = StreamDecoder(protocols=("rtcm3",))
    assert [type(item) for item in run(only_rtcm, [GGA + STATION])] == [Skipped, Decoded]
    only_nmea = StreamDecoder(protocols=("nmea",))
    assert [type(item) for item in run(only_nmea, [STATION + GGA])] == [Skipped, Decoded]


def test_names_of_a_peers_own_making_do_not_fill_the_memory():
    decoder = StreamDecoder()
    for i in range(2000):
        decoder.receive(sealed(f"PX{i:05d},1") + sealed("P" + "Y" * 500 + str(i)), now=0.0)
        assert len(decoder.events()) == 2
    unsupported = decoder.stats.unsupported
    assert sum(unsupported.values()) == 4000
    assert len(unsupported) <= 257
    assert max(map(len, unsupported)) <= 16
    decoder.receive(FOREIGN, now=0.0)
    decoder.events()
    assert sum(unsupported.values()) == 4001


def test_counts_go_on_where_an_earlier_connection_ended():
    first = StreamDecoder()
    run(first, [GGA])
    second = StreamDecoder(stats=first.stats)
    run(second, [GGA + b"zz"])
    assert second.stats.events == {"GGA": 2}
    assert second.stats.bytes_in == 2 * len(GGA) + 2


def test_ubx_is_framed_counted_and_raw_data_named():
    decoder = StreamDecoder()
    found = run(decoder, [GGA + NAV_EOE + RAWX + NAV_EOE[:-1] + b"\0" + GGA])
    assert [item.message for item in found[1:3] if isinstance(item, Decoded)] == [
        BinaryFrame("UBX-01-61", is_raw=False),
        BinaryFrame("RXM-RAWX", is_raw=True),
    ]
    assert decoder.stats.events == {"GGA": 2, "RXM-RAWX": 1}
    assert decoder.stats.unsupported == {"UBX-01-61": 1}
    assert decoder.stats.skipped == {"bad_checksum": 1}


def test_a_false_preamble_inside_a_ubx_message_holds_nothing_back():
    decoder = StreamDecoder()
    decoder.receive(WITH_FALSE + GGA, now=0.0)
    found = decoder.events()
    assert [type(item.message) for item in found if isinstance(item, Decoded)] == [BinaryFrame, Gga]
    assert len(found) == 2
    assert decoder.deadline() is None


def test_a_false_ubx_preamble_holds_sentences_back_for_two_quiet_times_at_most():
    decoder = StreamDecoder(idle_s=1.0)
    decoder.receive(b"\xb5\x62\x02\x15\xff\x1f", now=0.0)
    found = []
    for tenth in range(1, 31):
        now = tenth / 10
        decoder.tick(now=now)
        decoder.receive(GGA, now=now)
        found.append(sum(isinstance(item, Decoded) for item in decoder.events()))
    assert sum(found[:19]) == 0
    assert found[19] == 20
    assert sum(found) == 30
