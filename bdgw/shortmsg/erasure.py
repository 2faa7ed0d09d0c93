"""Reed-Solomon across the units of a message: any n of them rebuild it.

Symbol k of every unit forms a codeword over GF(256), so a lost unit costs each codeword one symbol
whose place is known. ``reedsolo`` gives the field, the generator polynomial and the search for a
unit that is wrong. Parity and rebuilding are done here a unit at a time, since all codewords of a
message lack the same symbols: one small system of equations serves them all, where decoding each
codeword for itself takes a hundred times as long.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

import reedsolo

__all__ = [
    "BLOCKS_MAX",
    "BLOCK_DATA_MAX",
    "BLOCK_UNITS",
    "DATA_MAX",
    "Encoder",
    "block_count",
    "block_data",
    "place",
    "rebuild",
    "unit_count",
    "wrong_units",
]

BLOCK_UNITS = 255
"""Units of a block, parity included: the length of a codeword over GF(256)."""
BLOCK_DATA_MAX = 224
"""More data units than this are dealt to several blocks; every block keeps 31 parity units."""
BLOCKS_MAX = 4
DATA_MAX = BLOCKS_MAX * BLOCK_DATA_MAX
_FIELD_POLYNOMIAL = 0x11D
_GENERATOR = 2
_FIRST_ROOT = 0
_COLUMNS_SEARCHED = 4
"""A unit that is wrong in one place only shows in one column; one that is not ours, in all."""

reedsolo.init_tables(_FIELD_POLYNOMIAL, _GENERATOR, 8)


def block_count(n_data: int) -> int:
    """How many blocks a message of ``n_data`` data units has.

    Raises:
        ValueError: not 1 to ``DATA_MAX`` units.
    """
    if not 1 <= n_data <= DATA_MAX:
        raise ValueError(f"a message has 1 to {DATA_MAX} data units, not {n_data}")
    return -(-n_data // BLOCK_DATA_MAX)


def block_data(n_data: int) -> tuple[int, ...]:
    """How many data units each block has; they differ by one at most."""
    n_blocks = block_count(n_data)
    return tuple(-(-(n_data - block) // n_blocks) for block in range(n_blocks))


def unit_count(n_data: int) -> int:
    """How many different units there are, data and parity."""
    return block_count(n_data) * BLOCK_UNITS


def place(index: int, n_data: int) -> tuple[int, int]:
    """The block of a unit and its symbol in there; symbols up to the block's data are data."""
    symbol, block = divmod(index, block_count(n_data))
    return block, symbol


class Encoder:
    """Makes the units of a message, parity only when it is asked for."""

    def __init__(self, data: Sequence[bytes]) -> None:
        """Take the data units, all of one length.

        Raises:
            ValueError: too many or none, or their lengths differ.
        """
        self._n_blocks = block_count(len(data))
        if len({len(chunk) for chunk in data}) != 1:
            raise ValueError("the data units differ in length")
        self._data = tuple(data)

    def unit(self, index: int) -> bytes:
        """Unit ``index``; from the number of data units on it is parity.

        Raises:
            IndexError: there is no such unit.
        """
        if not 0 <= index < self._n_blocks * BLOCK_UNITS:
            raise IndexError(index)
        if index < len(self._data):
            return self._data[index]
        symbol, block = divmod(index, self._n_blocks)
        data = self._data[block :: self._n_blocks]
        column = _parity_columns(len(data))[symbol - len(data)]
        return _weighted_sum(zip(column, data, strict=True), len(data[0]))


def rebuild(n_data: int, units: Mapping[int, bytes]) -> list[bytes]:
    """All data units of a message, from enough units of every block.

    Raises:
        ValueError: a block has too few units, or their lengths differ.
    """
    if len({len(unit) for unit in units.values()}) != 1:
        raise ValueError("the units differ in length, or there are none")
    n_blocks = block_count(n_data)
    blocks = [_by_symbol(units, block, n_blocks) for block in range(n_blocks)]
    rebuilt = [_rebuild_block(n, held) for n, held in zip(block_data(n_data), blocks, strict=True)]
    return [rebuilt[index % n_blocks][index // n_blocks] for index in range(n_data)]


def wrong_units(n_data: int, units: Mapping[int, bytes]) -> frozenset[int]:
    """The units that contradict the others, where enough are spare to tell; empty if it cannot be.

    Two spare units in a block find one that is wrong, four find two.
    """
    n_blocks = block_count(n_data)
    found: set[int] = set()
    for block, n in enumerate(block_data(n_data)):
        held = _by_symbol(units, block, n_blocks)
        if len(held) >= n + 2:
            found |= {symbol * n_blocks + block for symbol in _wrong_symbols(n, held)}
    return frozenset(found)


def _by_symbol(units: Mapping[int, bytes], block: int, n_blocks: int) -> dict[int, bytes]:
    return {index // n_blocks: units[index] for index in sorted(units) if index % n_blocks == block}


def _rebuild_block(n: int, held: Mapping[int, bytes]) -> list[bytes]:
    """Solve for the lost data symbols, with as many of the parity symbols."""
    lost = [symbol for symbol in range(n) if symbol not in held]
    parity = [symbol for symbol in held if symbol >= n][: len(lost)]
    if len(parity) < len(lost):
        raise ValueError(f"{len(lost)} units are lost and {len(parity)} parity units are held")
    solved: dict[int, bytes] = {}
    if lost:
        columns = _parity_columns(n)
        rows = []
        for symbol in parity:
            column = columns[symbol - n]
            known = [(column[i], held[i]) for i in range(n) if i in held]
            known.append((1, held[symbol]))
            right = _weighted_sum(known, len(held[symbol]))
            rows.append(bytes(column[i] for i in lost) + right)
        solved = dict(zip(lost, _solve(rows), strict=True))
    return [held[i] if i in held else solved[i] for i in range(n)]


def _solve(rows: list[bytes]) -> list[bytes]:
    """Gauss-Jordan over GF(256): each row has its coefficients, then its right side.

    The code is MDS, so that any such system has one solution.
    """
    n, width = len(rows), len(rows[0])
    for i in range(n):
        pivot = next(j for j in range(i, n) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        scaled = rows[i].translate(_times(reedsolo.gf_inverse(rows[i][i])))
        rows[i] = scaled
        for j in range(n):
            factor = rows[j][i]
            if j == i or not factor:
                continue
            changed = int.from_bytes(rows[j], "big") ^ int.from_bytes(
                scaled.translate(_times(factor)), "big"
            )
            rows[j] = changed.to_bytes(width, "big")
    return [row[n:] for row in rows]


def _wrong_symbols(n: int, held: Mapping[int, bytes]) -> set[int]:
    """Let the library find the errors in columns that do not fit; lost ones are erasures."""
    encoder = Encoder(_rebuild_block(n, held))
    remade = {symbol: encoder.unit(symbol) for symbol in held}
    doubtful = {
        k
        for symbol, unit in held.items()
        if unit != remade[symbol]
        for k, (one, other) in enumerate(zip(unit, remade[symbol], strict=True))
        if one != other
    }
    lost = [symbol for symbol in range(BLOCK_UNITS) if symbol not in held]
    codec = reedsolo.RSCodec(
        BLOCK_UNITS - n, fcr=_FIRST_ROOT, prim=_FIELD_POLYNOMIAL, generator=_GENERATOR
    )
    found: set[int] = set()
    for k in sorted(doubtful)[:_COLUMNS_SEARCHED]:
        word = bytes(held[i][k] if i in held else 0 for i in range(BLOCK_UNITS))
        try:
            _message, _word, errata = codec.decode(word, erase_pos=lost)
        except reedsolo.ReedSolomonError:
            return set()
        found |= set(errata).difference(lost)
    return found


def _weighted_sum(terms: Iterable[tuple[int, bytes]], width: int) -> bytes:
    total = 0
    for factor, unit in terms:
        total ^= int.from_bytes(unit.translate(_times(factor)), "big")
    return total.to_bytes(width, "big")


@functools.cache
def _times(factor: int) -> bytes:
    """What each byte becomes when it is multiplied in GF(256): a table for ``translate``."""
    return bytes(reedsolo.gf_mul(factor, value) for value in range(256))


@functools.lru_cache(maxsize=16)
def _parity_columns(n: int) -> tuple[bytes, ...]:
    """For each parity symbol the weights of the ``n`` data symbols of its block.

    The weights of data symbol i are the remainder of x^(254-i) by the generator polynomial, the
    first symbol being the highest power; each remainder follows from the one below it.
    """
    n_parity = BLOCK_UNITS - n
    tail = bytes(reedsolo.rs_generator_poly(n_parity, _FIRST_ROOT, _GENERATOR))[1:]
    remainder, rows = tail, [tail]
    for _ in range(n - 1):
        shifted = remainder[1:] + b"\x00"
        carried = tail.translate(_times(remainder[0]))
        remainder = bytes(a ^ b for a, b in zip(shifted, carried, strict=True))
        rows.append(remainder)
    rows.reverse()
    return tuple(bytes(row[j] for row in rows) for j in range(n_parity))
