"""What is fed: real frames, turned, cut, doubled, joined, and bytes of no kind."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from fwsim.rdss_card import Card, Content, Family, Form
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_spec import TerminalSpec
from fwsim.rdss_word import Send

__all__ = ["Repair", "mutated", "rdss_contents", "rdss_frames"]

Repair = Callable[[bytes], bytes]
"""Makes the checksum of a frame good again."""

_FRAMES = Path(__file__).resolve().parents[2] / "shared" / "data" / "rdss" / "frames.jsonl"
_PIECES_MAX = 8
_BYTES_MAX = 6000


def mutated(rng: random.Random, seeds: Sequence[bytes], repair: Repair) -> bytes:
    """One input."""
    pieces = []
    for _ in range(rng.randrange(1, _PIECES_MAX)):
        way = rng.random()
        if way < 0.12:
            pieces.append(rng.randbytes(rng.choice((1, 3, 20, 300, 2000))))
            continue
        piece = rng.choice(seeds)
        if way > 0.25:
            for _ in range(rng.choice((1, 1, 2, 5))):
                piece = _turned(rng, piece, seeds)
            if rng.random() < 0.6:
                piece = repair(piece)
        pieces.append(piece)
    return b"".join(pieces)[:_BYTES_MAX]


def _turned(rng: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    if not data:
        return rng.randbytes(4)
    at, n = rng.randrange(len(data)), rng.choice((1, 1, 2, 4, 16))
    match rng.randrange(8):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + rng.randbytes(n) + data[at + n :]
        case 2:
            return data[:at] + data[at + n :]
        case 3:
            return data[:at] + data[at : at + n] * rng.choice((2, 3, 40)) + data[at + n :]
        case 4:
            return data[:at] + bytes([rng.choice((0, 0xFF, 0x24, 0x2A, 0x2C, 0x7E, 0x7F, 0x80))])
        case 5:
            return data[:at] + rng.choice(
                (b",", b"-1", b"9" * 30, b"\xff\xff", b"1e9", b"nan", b"")
            )
        case 6:
            other = rng.choice(seeds)
            return data[:at] + other[rng.randrange(len(other) + 1) :]
        case _:
            return data[:at]


@cache
def rdss_frames(family: str | None) -> tuple[bytes, ...]:
    """Frames of a family (None: of all) as terminals say them; the recorded ones where they are."""
    if not _FRAMES.exists():
        return _simulated(family)
    rows = [json.loads(line) for line in _FRAMES.read_text().splitlines()]
    return tuple(
        bytes.fromhex(row["hex"]) + (b"" if row["family"] == "bd1-4.0" else b"\r\n")
        for row in rows
        if family is None or row["family"] == family
    )


@cache
def rdss_contents() -> tuple[bytes, ...]:
    """What messages carry."""
    if not _FRAMES.exists():
        return (b"\xa4hello", b"\x12\x34", "船已靠港".encode("gbk"))
    rows = [json.loads(line) for line in _FRAMES.read_text().splitlines()]
    found = (row["fields"].get("content_hex") for row in rows if row.get("fields"))
    return tuple(bytes.fromhex(one) for one in found if isinstance(one, str) and len(one) % 2 == 0)


def _simulated(family: str | None) -> tuple[bytes, ...]:
    """What simulated terminals say in some minutes."""
    network = SimNetwork()
    said: list[bytes] = []
    kinds = [one for one in Family if family in (None, one.value)]
    cards = {one: Card(address=1000 + n, level=3) for n, one in enumerate(kinds)}
    for one, card in cards.items():
        network.add(TerminalSpec(name=one.value, family=one, card=card))
    for at_s in range(0, 300, 5):
        network.advance(float(at_s))
        for one, card in cards.items():
            content = Content(form=Form.MIXED, data=b"\xa4hello", n_bits=48)
            terminal = network.terminals[one.value]
            terminal._submit(Send(name="TCQ", to=card.address, content=content))
            said.append(terminal.data_to_send())
    return tuple(data for data in said if data)
