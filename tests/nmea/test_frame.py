from hypothesis import given
from hypothesis import strategies as st

from bdgw.nmea.frame import MAX_SENTENCE_BYTES, frame_nmea
from bdgw.wire.splitter import NEED_MORE, NOISE
from tests.nmea.writer import sealed

GGA = sealed("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,")


def test_the_printed_example_is_a_frame_with_its_line_end():
    assert GGA.endswith(b"*5B\r\n")  # u-blox M8 protocol specification, example of GGA
    assert frame_nmea(GGA, 0, False) == len(GGA)
    assert frame_nmea(b"xx" + GGA + GGA, 2, False) == len(GGA)


def test_every_beginning_of_a_sentence_waits_for_more():
    for length in range(1, len(GGA)):
        assert frame_nmea(GGA[:length], 0, False) == NEED_MORE, length


def test_a_sentence_ends_with_what_line_end_there_is():
    body = GGA.removesuffix(b"\r\n")
    for end in (b"\n", b"\r\n", b"\r\r\n"):
        assert frame_nmea(body + end + b"$", 0, False) == len(body + end)
    assert frame_nmea(body + b"$", 0, False) == len(body)
    assert frame_nmea(body, 0, True) == len(body)


def test_lower_case_checksums_are_read():
    assert frame_nmea(GGA.replace(b"5B", b"5b"), 0, False) == len(GGA)


def test_a_wrong_checksum_is_no_frame():
    for wrong in range(256):
        data = GGA.replace(b"*5B", b"*%02X" % wrong)
        answer = frame_nmea(data, 0, False)
        assert answer == (len(GGA) if wrong == 0x5B else "bad_checksum")


@given(st.integers(min_value=1, max_value=len(GGA) - 6), st.integers(min_value=1, max_value=255))
def test_a_flipped_character_is_never_a_whole_frame(index, mask):
    data = bytearray(GGA)
    data[index] ^= mask
    assert frame_nmea(bytes(data), 0, True) != len(GGA)


def test_sentences_beyond_82_characters_are_read_up_to_the_ceiling():
    longest = sealed("GPTXT," + "A" * (MAX_SENTENCE_BYTES - 6))
    assert frame_nmea(longest, 0, False) == len(longest)
    too_long = sealed("GPTXT," + "A" * (MAX_SENTENCE_BYTES - 5))
    assert isinstance(frame_nmea(too_long, 0, False), str)


def test_a_lone_delimiter_in_binary_data_is_noise():
    assert frame_nmea(b"$\x00\x01", 0, False) == NOISE
    assert frame_nmea(b"$ab\x80", 0, False) == NOISE


def test_encapsulated_sentences_are_framed_too():
    # AIVDM example of ITU-R M.1371 decoders, as in the gpsd AIVDM document.
    data = b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\r\n"
    assert frame_nmea(data, 0, False) == len(data)
