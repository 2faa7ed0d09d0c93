"""One way from bytes to messages, with every byte counted."""

from hypothesis import given
from hypothesis import strategies as st

from bdgw.nmea.sentence import Gga, Unsupported
from bdgw.stream import PROTOCOLS, Decoded, RtcmFrame, StreamDecoder
from bdgw.wire.splitter import Skipped
from tests.nmea.writer import sealed

GGA = sealed("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,")
STATION = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")  # a real 1005
FILLER = bytes.fromhex("d3000047ea4b")  # length 0; CRC-24Q by the bitwise loop of test_checksum
MALFORMED = sealed("GPGGA,250000,4717.1,N,00833.9,E,1,08,1.0,5,M,4,M,,")
FOREIGN = sealed("PASHR,1,2")

pieces = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [GGA, STATION, FILLER, MALFORMED, FOREIGN, GGA[:30], STATION[:9], b"$", b"\xd3"]
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
    assert set(PROTOCOLS) == {"nmea", "rtcm3"}
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
