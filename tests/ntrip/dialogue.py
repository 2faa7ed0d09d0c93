"""What the tests of the client session share: vectors, and a reply played in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.client import ClientSession
from bdgw.ntrip.client_event import Body, ClientEvent, ClientLimits
from bdgw.ntrip.request import DigestUse, NtripVersion, Request
from tests.conftest import shared_data

# A whole 1005 frame, the one that every published decoder uses as its example.
FRAME = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
CASTER = CasterAddress(host="caster.example", port=2101)
LIMITS = ClientLimits()
V1, V2 = NtripVersion.V1, NtripVersion.V2


def vectors() -> dict[str, Any]:
    text = shared_data("vectors", "ntrip.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def request(
    mount: str | None = "AUTO",
    version: NtripVersion = V2,
    account: Account | None = None,
    digest: DigestUse | None = None,
    gga: bytes | None = None,
) -> Request:
    return Request(
        address=CASTER, mount=mount, version=version, account=account, digest=digest, gga=gga
    )


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    return [piece for piece in pieces if piece]


def play(
    pieces: Sequence[bytes], asked: Request, *, closes: bool = False, waits: bool = True
) -> tuple[list[ClientEvent], ClientSession]:
    """Feed the pieces at once, then let the peer close, or let time pass until all is decided."""
    session = ClientSession(asked, now=100.0, limits=LIMITS)
    session.data_to_send()
    for piece in pieces:
        session.receive(piece, now=100.0)
    if closes:
        session.receive(b"", now=100.0)
    elif waits:
        session.tick(now=100.0 + LIMITS.settle_s + 1.0)
    return merged(session.events()), session


def merged(events: Iterable[ClientEvent]) -> list[ClientEvent]:
    """The same events with neighbouring bodies joined: only their sum is promised."""
    joined: list[ClientEvent] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, Body) and isinstance(last, Body):
            joined[-1] = Body(last.data + event.data)
        else:
            joined.append(event)
    return joined


def body_of(events: Iterable[ClientEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Body))
