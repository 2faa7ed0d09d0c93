"""Forms of text against real frames, against an independent count of bits, and round the trip."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.content import CodeContent, TextContent, recognise_content
from bdgw.shortmsg.substitution import FULL_WIDTH, SUBSTITUTES, substitute
from bdgw.shortmsg.text import (
    UnencodableTextError,
    bits_on_air,
    choose_form,
    decode_text,
    pack_digits,
    unpack_digits,
)
from bdgw.shortmsg.vocabulary import Card, Family, Form
from tests.conftest import shared_data

CARD = Card(address=1, interval_s=60, level=3, is_encrypted=False)
SENTENCES = (Family.BD2, Family.BD3)


def _gbk_characters() -> list[str]:
    found = []
    for code in range(0x20, 0x10000):
        try:
            chr(code).encode("gbk")
        except UnicodeEncodeError:
            continue
        if code != 0x7F:
            found.append(chr(code))
    return found


GBK = _gbk_characters()
COMMON = "0123456789,*$ abcXYZ你好北斗水位。，\n镕燻"
texts = st.text(st.sampled_from(COMMON) | st.sampled_from(GBK), min_size=1, max_size=60)
families = st.sampled_from(Family)


def _count(form: Form, text: str) -> int:
    """Count the bits of a form by the rule as the reference words it, character by character."""
    if form is Form.CODE:
        return 4 * len(text)
    if form is Form.MIXED:
        return 8 + sum(16 if ord(one) > 127 else 8 for one in text)
    return sum(14 if ord(one) > 127 else 7 for one in text)


def _is_safe_as_hanzi(text: str, family: Family) -> bool:
    for one in text:
        if ord(one) > 127:
            try:
                # GB 2312 is what 14 bits were made for; GBK's rows 1-9 are in its plane too.
                high, low = one.encode("gbk")
            except UnicodeEncodeError:
                return False
            if high < 0xA1 or low < 0xA1:
                return False
        elif family is not Family.BD1 and one in ",*$\r\n\t":
            return False
    return True


@given(text=texts, family=families)
def test_the_cheapest_safe_form_is_taken(text, family):
    chosen = choose_form(text, card=CARD, family=family)
    allowed = {Form.MIXED: _count(Form.MIXED, text)}
    if set(text) <= set("0123456789"):
        allowed[Form.CODE] = _count(Form.CODE, text)
    if _is_safe_as_hanzi(text, family):
        allowed[Form.HANZI] = _count(Form.HANZI, text)
    assert chosen.n_bits_on_air == min(allowed.values())
    assert allowed[chosen.form] == chosen.n_bits_on_air
    limit_bits = 3600 if family is Family.BD3 else 628
    assert chosen.is_fitting == (chosen.n_bits_on_air <= limit_bits)
    assert chosen.text == text
    assert not chosen.replacements


@given(text=texts, family=families)
def test_every_form_that_is_offered_brings_the_text_back(text, family):
    chosen = choose_form(text, card=CARD, family=family)
    assert {one.form for one in chosen.alternatives} == set(Form)
    assert chosen.alternatives[0].form is chosen.form
    assert decode_text(chosen.form, chosen.content, chosen.n_bits) == text
    for form, content in (
        (Form.HANZI, text.encode("gbk")),
        (Form.MIXED, b"\xa4" + text.encode("gbk")),
    ):
        assert decode_text(form, content, 8 * len(content)) == text


@given(text=texts, family=families)
def test_a_receiver_recognises_what_was_sent_as_that_text(text, family):
    chosen = choose_form(text, card=CARD, family=family)
    content = recognise_content(chosen.form, chosen.content, chosen.n_bits)
    if isinstance(content, CodeContent):
        assert content.digits == text
    else:
        assert isinstance(content, TextContent)
        assert content.text == text


@given(text=texts, family=st.sampled_from(SENTENCES), transliterate=st.booleans())
def test_nothing_in_a_sentence_can_break_it(text, family, transliterate):
    chosen = choose_form(text, card=CARD, family=family, transliterate=transliterate)
    if chosen.form is Form.HANZI:
        assert not set(chosen.content) & (set(b",*$\r\n") | set(range(0x20)))


@given(digits=st.text("0123456789", min_size=1, max_size=157))
def test_digits_go_as_code_whatever_their_number(digits):
    chosen = choose_form(digits, card=CARD, family=Family.BD1)
    assert (chosen.form, chosen.n_bits, chosen.n_bits_on_air) == (
        Form.CODE,
        4 * len(digits),
        4 * len(digits),
    )
    assert chosen.is_fitting
    assert len(chosen.content) == (len(digits) + 1) // 2


@given(digits=st.text("0123456789ABCDEF", max_size=40))
def test_digits_are_packed_and_unpacked(digits):
    content, n_bits = pack_digits(digits)
    assert unpack_digits(content, n_bits) == digits
    assert bits_on_air(Form.CODE, content, n_bits) == 4 * len(digits)


def test_packing_refuses_what_is_no_digit():
    for wrong in ("12G4", "１２", "1 2"):
        with pytest.raises(EncodeError):
            pack_digits(wrong)


def test_the_limits_of_a_level_3_card_to_the_character():
    for text, form, fits in (
        ("字" * 44, Form.HANZI, True),
        ("字" * 45, Form.HANZI, False),
        ("1" * 157, Form.CODE, True),
        ("1" * 158, Form.CODE, False),
        ("a" * 89, Form.HANZI, True),
        ("a" * 90, Form.HANZI, False),
        ("," * 77, Form.MIXED, True),
        ("," * 78, Form.MIXED, False),
    ):
        chosen = choose_form(text, card=CARD, family=Family.BD2)
        assert (chosen.form, chosen.is_fitting) == (form, fits), text[0]
        if fits:
            frame = chosen.frame(7)
            assert (frame.to, frame.form, frame.content) == (7, form, chosen.content)
        else:
            assert "do not fit 628 (certain)" in chosen.explanation
            with pytest.raises(EncodeError, match="628"):
                chosen.frame(7)


def test_a_refusal_names_the_character_and_its_position():
    for text, position in (("你好😀", 2), ("a𠮷", 1), ("1\x00", 1), ("\ud800", 0), ("ab\x7f", 2)):
        with pytest.raises(UnencodableTextError) as caught:
            choose_form(text, card=CARD, family=Family.BD1)
        assert (caught.value.position, caught.value.character) == (position, text[position])
        assert f"U+{ord(text[position]):04X}" in str(caught.value)
    with pytest.raises(UnencodableTextError) as caught:
        choose_form("é̀😀", card=CARD, family=Family.BD1, transliterate=True)
    assert caught.value.character in "\u0300😀"
    for empty in ("", "\u200b"):
        with pytest.raises(EncodeError):
            choose_form(empty, card=CARD, family=Family.BD1, transliterate=True)


def test_transliteration_tells_every_replacement():
    text = "Señor «王»\u00a03\u22125 m²"
    with pytest.raises(UnencodableTextError):
        choose_form(text, card=CARD, family=Family.BD1)
    chosen = choose_form(text, card=CARD, family=Family.BD1, transliterate=True)
    assert chosen.text == "Senor 《王》 3-5 m2"
    assert [(one.position, one.character, one.by) for one in chosen.replacements] == [
        (2, "ñ", "n"),
        (6, "«", "《"),
        (8, "»", "》"),
        (9, "\u00a0", " "),
        (11, "\u2212", "-"),
        (15, "²", "2"),
    ]
    assert decode_text(chosen.form, chosen.content, chosen.n_bits) == chosen.text
    assert "6 replaced" in chosen.explanation


def test_commas_are_widened_only_where_that_makes_the_text_fit():
    text = "字" * 40 + ","
    plain = choose_form(text, card=CARD, family=Family.BD2)
    assert (plain.form, plain.is_fitting) == (Form.MIXED, False)
    widened = choose_form(text, card=CARD, family=Family.BD2, transliterate=True)
    assert (widened.form, widened.n_bits_on_air, widened.is_fitting) == (Form.HANZI, 574, True)
    assert widened.text == "字" * 40 + "，"
    assert [one.position for one in widened.replacements] == [40]
    short = choose_form("你好,", card=CARD, family=Family.BD2, transliterate=True)
    assert (short.form, short.text) == (Form.MIXED, "你好,")
    binary = choose_form(text, card=CARD, family=Family.BD1, transliterate=True)
    assert (binary.form, binary.text) == (Form.HANZI, text)


@given(st.text(max_size=50), families, st.booleans())
def test_any_text_is_encoded_or_refused_with_its_character(text, family, transliterate):
    try:
        chosen = choose_form(text, card=CARD, family=family, transliterate=transliterate)
    except UnencodableTextError as error:
        refused = error
        chosen = None
    except EncodeError:
        assert not text.strip("".join(SUBSTITUTES))
        return
    if chosen is None:
        assert text[refused.position] == refused.character
        return
    assert decode_text(chosen.form, chosen.content, chosen.n_bits) == chosen.text
    by_position = {one.position: one for one in chosen.replacements}
    rebuilt = "".join(
        by_position[i].by if i in by_position else character for i, character in enumerate(text)
    )
    assert rebuilt == chosen.text
    assert transliterate or not chosen.replacements


def test_substitutes_stand_for_what_gbk_lacks_and_are_in_gbk():
    for character, by in SUBSTITUTES.items():
        assert len(character) == 1
        with pytest.raises(UnicodeEncodeError):
            character.encode("gbk")
        by.encode("gbk")
        assert substitute(character) == by
    for character, by in FULL_WIDTH.items():
        # The full-width forms stand 0xFEE0 above ASCII, by Unicode's own arrangement.
        assert ord(by) == ord(character) + 0xFEE0
        assert min(by.encode("gbk")) >= 0xA1
    assert substitute("𠮷") is None
    assert substitute("ӝ"[0]) is None
    assert [substitute(one) for one in "ñçÖŠ"] == ["n", "c", "O", "S"]


def test_why_a_form_was_not_taken_is_said():
    chosen = choose_form("水位3.2*", card=CARD, family=Family.BD3)
    whys = {one.form: one.why_not for one in chosen.alternatives}
    assert whys[Form.MIXED] is None
    assert whys[Form.HANZI] == "character 6, '*', would break a sentence of bd3"
    assert whys[Form.CODE] == "not of the digits 0-9 alone"
    rare = choose_form("镕", card=CARD, family=Family.BD1)
    assert rare.form is Form.MIXED
    assert "14 bits cannot tell it" in rare.explanation


def test_wrong_contents_are_decode_errors():
    for form, content in (
        (Form.MIXED, b""),
        (Form.MIXED, b"abc"),
        (Form.MIXED, b"\xa4\x81"),
        (Form.HANZI, b"\xff\xff"),
    ):
        with pytest.raises(DecodeError):
            decode_text(form, content, 8 * len(content))


@given(st.sampled_from(Form), st.binary(max_size=80), st.integers(-5, 700))
def test_any_content_gives_a_text_or_a_decode_error(form, content, n_bits):
    with contextlib.suppress(DecodeError):
        decode_text(form, content, n_bits)


def _real_contents():
    for line in shared_data("rdss", "frames.jsonl").read_text("utf-8").splitlines():
        frame = json.loads(line)
        fields = frame["fields"]
        if "content_text" in fields and frame["checksum_ok"]:
            hexed = fields.get("content_hex") or fields["content"]
            yield Form(fields["encoding"]), bytes.fromhex(hexed), fields["content_text"]


def test_texts_of_real_frames():
    """Other people's encoders wrote these; ours gives the same bytes in the same form."""
    n = 0
    for form, content, text in _real_contents():
        assert decode_text(form, content, 8 * len(content)) == text
        gbk = text.encode("gbk")
        assert content == (b"\xa4" + gbk if form is Form.MIXED else gbk)
        recognised = recognise_content(form, content, 8 * len(content))
        assert isinstance(recognised, TextContent)
        assert recognised.text == text
        n += 1
    assert n >= 15


def test_the_quick_vectors_of_the_reference():
    """RDSS digest 3.5 and 5.2: digits, 汉字 and mixed as they stand in real frames."""
    assert pack_digits("123ABC") == (bytes.fromhex("123ABC"), 24)
    chosen = choose_form("你好", card=CARD, family=Family.BD1)
    assert (chosen.form, chosen.content, chosen.n_bits) == (
        Form.HANZI,
        bytes.fromhex("C4E3BAC3"),
        0x20,
    )
    mixed = choose_form("123_ABC汉字,", card=CARD, family=Family.BD2)
    assert mixed.content.hex().upper() == "A43132335F414243BABAD7D6" + "2C"
