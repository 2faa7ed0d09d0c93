import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import EncodeError
from bdgw.shortmsg.family import ForbiddenWatch, codec_of, is_forbidden
from bdgw.shortmsg.family.bd1_frame import OtherFrame
from bdgw.shortmsg.family.binary import seal_binary
from bdgw.shortmsg.family.row import OtherSentence
from bdgw.shortmsg.family.sentence import seal_sentence
from bdgw.shortmsg.vocabulary import Family, Form, OutgoingFrame
from tests.shortmsg.family.real import data_of, real_frames
from tests.shortmsg.family.writer import bd1, line

FORBIDDEN = [
    bd1("JJZH", 0x55, 0xAA, 0xAA, 0x55),
    bd1("ZHSQ", 0x55, 0xAA, 0xAA, 0x55),
    bd1("GXZR", *range(32)),
    bd1("GXZX", *range(32)),
    bd1("LZSZ", 0, 1),
    bd1("JMSZ", 1),
    line("CCZHS,55AAAA55"),
    line("CCGXM,1," + "0" * 64),
    line("CCGXM,"),
    line("CCGXM,21"),
    line("CCLZM,1,100"),
    line("CCJMS,E"),
    line("CCJMS,N"),
    b"$ccjms,e*00",
]
"""Source: RDSS digest, 3.1 and 5.8."""
ALLOWED = [line("CCGXM,2"), line("CCGXM,2,"), bd1("GXDQ"), bd1("LZDQ"), b"JJZH", b"$CCZH", b""]


@pytest.mark.parametrize("command", FORBIDDEN)
def test_it_is_found_anywhere(command):
    assert is_forbidden(command)
    assert is_forbidden(b"$CCICA,0,00*7B\r\n" + command + b"more")
    assert is_forbidden(b"$" + command)


@pytest.mark.parametrize("data", ALLOWED)
def test_what_is_harmless_is_not(data):
    assert not is_forbidden(data)
    assert ForbiddenWatch().admits(data)


def test_no_recorded_frame_is_one():
    assert not any(is_forbidden(data_of(entry)) for entry in real_frames())


@given(
    command=st.sampled_from(FORBIDDEN),
    before=st.binary(max_size=20),
    behind=st.binary(max_size=20),
    data=st.data(),
)
def test_split_over_any_writes_it_never_gets_out_whole(command, before, behind, data):
    stream = before + command + behind
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    watch = ForbiddenWatch()
    written = b""
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if watch.admits(stream[start:stop]):
            written += stream[start:stop]
    assert command not in written
    harmless_ends = (b"", b",2*", b"2*", b"*")  # what may still make a read of it
    assert any(not is_forbidden(written + end) for end in harmless_ends)


@given(st.sampled_from(FORBIDDEN))
def test_byte_by_byte_it_stops_before_its_name_is_whole(command):
    watch = ForbiddenWatch()
    written = b"".join(
        command[i : i + 1] for i in range(len(command)) if watch.admits(command[i : i + 1])
    )
    harmless_ends = (b"", b",2*", b"2*", b"*")  # what may still make a read of it
    assert any(not is_forbidden(written + end) for end in harmless_ends)
    assert len(written) < len(command)


def test_what_was_refused_does_not_poison_the_next_write():
    watch = ForbiddenWatch()
    assert not watch.admits(FORBIDDEN[0])
    assert watch.admits(line("CCICA,0,00"))


def test_a_harmless_read_of_management_data_passes_byte_by_byte():
    watch = ForbiddenWatch()
    assert all(watch.admits(bytes((byte,))) for byte in line("CCGXM,2"))


@pytest.mark.parametrize("name", ["JJZH", "ZHSQ", "GXZR", "GXZX", "LZSZ", "JMSZ"])
def test_no_binary_command_can_be_built(name):
    with pytest.raises(EncodeError, match="never be sent"):
        seal_binary(name, 0, b"\x55\xaa\xaa\x55")
    with pytest.raises(EncodeError, match="never be sent"):
        codec_of(Family.BD1).encode(OtherFrame(name=name, information=b""))


@pytest.mark.parametrize("address", ["CCZHS", "CCJMS", "CCLZM", "CCGXM"])
def test_no_sentence_of_the_list_can_be_built(address):
    with pytest.raises(EncodeError, match="never be sent"):
        seal_sentence(address, (b"1",))
    for family in (Family.BD2, Family.BD3):
        with pytest.raises(EncodeError, match="never be sent"):
            codec_of(family).encode(OtherSentence(address=address, fields=(b"1", b"")))


def test_a_message_cannot_smuggle_one_in():
    content = b"help $CCZHS,55AAAA55*00\r\n"
    frame = OutgoingFrame(to=5, form=Form.HANZI, content=content, n_bits=8 * len(content))
    for family in Family:
        with pytest.raises(EncodeError):
            codec_of(family).send(frame)


def test_a_field_cannot_smuggle_one_in():
    fields = (b"x*00\r\n$CCJMS", b"E")
    with pytest.raises(EncodeError):
        codec_of(Family.BD2).encode(OtherSentence(address="CCXYZ", fields=fields))
