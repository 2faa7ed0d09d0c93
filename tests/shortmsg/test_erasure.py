"""Reed-Solomon across units, held against a second, naive arithmetic of GF(256)."""

from __future__ import annotations

import random

import pytest
import reedsolo
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.erasure import (
    BLOCK_DATA_MAX,
    BLOCK_UNITS,
    DATA_MAX,
    Encoder,
    block_count,
    block_data,
    place,
    rebuild,
    unit_count,
    wrong_units,
)


def times(a: int, b: int) -> int:
    """Multiply by shifting and reducing, with x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a <<= 1
        a ^= 0x11D if a & 0x100 else 0
        b >>= 1
    return product


def power(base: int, exponent: int) -> int:
    result = 1
    for _ in range(exponent):
        result = times(result, base)
    return result


ALPHA = [power(2, i) for i in range(255)]
INVERSE = {a: b for a in range(1, 256) for b in range(1, 256) if times(a, b) == 1}


def naive_parity(message: list[int], n_parity: int) -> list[int]:
    """Long division of the message by (x-1)(x-a)(x-a^2)…"""
    generator = [1]
    for i in range(n_parity):
        longer = [*generator, 0]
        for k, coefficient in enumerate(generator):
            longer[k + 1] ^= times(coefficient, ALPHA[i])
        generator = longer
    rest = message + [0] * n_parity
    for i in range(len(message)):
        factor = rest[i]
        for k, coefficient in enumerate(generator):
            rest[i + k] ^= times(coefficient, factor)
    return rest[len(message) :]


def naive_rebuild(word: list[int | None], n_data: int) -> list[int]:
    """Solve the parity checks c(a^j) = 0 for the symbols that are None."""
    lost = [i for i, symbol in enumerate(word) if symbol is None]
    rows = []
    for j in range(255 - n_data):
        right = 0
        for i, symbol in enumerate(word):
            if symbol is not None:
                right ^= times(symbol, ALPHA[j * (254 - i) % 255])
        rows.append([ALPHA[j * (254 - i) % 255] for i in lost] + [right])
    for i in range(len(lost)):
        pivot = next(j for j in range(i, len(rows)) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        scale = INVERSE[rows[i][i]]
        rows[i] = [times(scale, value) for value in rows[i]]
        for j in range(len(rows)):
            factor = rows[j][i]
            if j != i and factor:
                rows[j] = [a ^ times(factor, b) for a, b in zip(rows[j], rows[i], strict=True)]
    solved = dict(zip(lost, (rows[i][-1] for i in range(len(lost))), strict=True))
    return [solved[i] if symbol is None else symbol for i, symbol in enumerate(word)][:n_data]


def data_units(n: int, width: int, seed: int = 0) -> list[bytes]:
    rng = random.Random(f"{n} {width} {seed}")
    return [rng.randbytes(width) for _ in range(n)]


def test_the_naive_arithmetic_gives_the_codewords_of_a_printed_qr_code():
    # Version 1-M "HELLO WORLD", the worked example of ISO/IEC 18004 tutorials.
    data = [32, 91, 11, 120, 209, 114, 220, 77, 67, 64, 236, 17, 236, 17, 236, 17]
    assert naive_parity(data, 10) == [196, 35, 39, 119, 235, 215, 231, 226, 93, 23]


@pytest.mark.parametrize("n", [1, 2, 17, 141, 223, BLOCK_DATA_MAX])
def test_parity_is_that_of_long_division(n):
    data = data_units(n, 2)
    encoder = Encoder(data)
    units = [encoder.unit(i) for i in range(BLOCK_UNITS)]
    assert units[:n] == data
    for k in range(2):
        expected = naive_parity([unit[k] for unit in data], BLOCK_UNITS - n)
        assert [unit[k] for unit in units[n:]] == expected


@pytest.mark.parametrize("n", [1, 17, 141, BLOCK_DATA_MAX])
def test_parity_is_that_of_the_library(n):
    data = data_units(n, 3)
    encoder = Encoder(data)
    codec = reedsolo.RSCodec(BLOCK_UNITS - n)
    for k in range(3):
        expected = codec.encode(bytes(unit[k] for unit in data))
        assert bytes(encoder.unit(i)[k] for i in range(BLOCK_UNITS)) == expected


@pytest.mark.parametrize("n", [20, 141])
def test_rebuilding_agrees_with_a_naive_solver(n):
    data = data_units(n, 2)
    encoder = Encoder(data)
    kept = random.Random(n).sample(range(BLOCK_UNITS), n)
    rebuilt = rebuild(n, {i: encoder.unit(i) for i in kept})
    word = [encoder.unit(i)[1] if i in kept else None for i in range(BLOCK_UNITS)]
    assert naive_rebuild(word, n) == [unit[1] for unit in rebuilt] == [unit[1] for unit in data]


@given(st.data())
def test_any_n_units_of_a_block_rebuild_it(data):
    n = data.draw(st.integers(1, BLOCK_DATA_MAX))
    kept = data.draw(st.permutations(range(BLOCK_UNITS)))[:n]
    message = data_units(n, 2)
    encoder = Encoder(message)
    assert rebuild(n, {i: encoder.unit(i) for i in kept}) == message
    with pytest.raises(ValueError):
        rebuild(n, {i: encoder.unit(i) for i in kept[1:]})


@pytest.mark.parametrize("n", [BLOCK_DATA_MAX + 1, 500, DATA_MAX])
def test_several_blocks_are_dealt_evenly_and_rebuilt(n):
    message = data_units(n, 3)
    encoder = Encoder(message)
    sizes = block_data(n)
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= BLOCK_DATA_MAX
    rng = random.Random(n)
    by_block = [[i for i in range(unit_count(n)) if place(i, n)[0] == b] for b in range(len(sizes))]
    kept = [i for units, k in zip(by_block, sizes, strict=True) for i in rng.sample(units, k)]
    assert rebuild(n, {i: encoder.unit(i) for i in kept}) == message
    assert [place(i, n)[1] < sizes[place(i, n)[0]] for i in range(unit_count(n))] == [
        i < n for i in range(unit_count(n))
    ]


def test_a_message_of_many_blocks_needs_every_block():
    n = BLOCK_DATA_MAX + 1
    encoder = Encoder(data_units(n, 1))
    only_first = [i for i in range(unit_count(n)) if place(i, n)[0] == 0]
    with pytest.raises(ValueError):
        rebuild(n, {i: encoder.unit(i) for i in only_first})


@pytest.mark.parametrize("n", [1, 12, 141])
def test_one_wrong_unit_is_found_with_two_to_spare_and_two_with_four(n):
    rng = random.Random(n)
    encoder = Encoder(data_units(n, 5))
    for n_wrong in (1, 2):
        kept = rng.sample(range(BLOCK_UNITS), n + 2 * n_wrong)
        units = {i: encoder.unit(i) for i in kept}
        assert wrong_units(n, units) == frozenset()
        wrong = rng.sample(kept, n_wrong)
        for i in wrong:
            units[i] = units[i][:2] + bytes((units[i][2] ^ 0x40,)) + units[i][3:]
        assert wrong_units(n, units) == frozenset(wrong)


def test_bounds():
    assert block_count(DATA_MAX) == 4
    for n in (0, -1, DATA_MAX + 1):
        with pytest.raises(ValueError):
            block_count(n)
    encoder = Encoder([b"ab"])
    for index in (-1, BLOCK_UNITS):
        with pytest.raises(IndexError):
            encoder.unit(index)
    with pytest.raises(ValueError):
        Encoder([b"a", b"ab"])
    with pytest.raises(ValueError):
        rebuild(2, {0: b"a", 1: b"ab"})
    with pytest.raises(ValueError):
        rebuild(2, {})
