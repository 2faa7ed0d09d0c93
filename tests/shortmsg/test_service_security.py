"""Sealed messages through the whole service: real SM4-GCM, real counters in the real ledger."""

from __future__ import annotations

import secrets

import pytest

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.authority import Permission
from bdgw.shortmsg.compose import SealLaterError
from bdgw.shortmsg.group_security import GroupSecurity
from bdgw.shortmsg.key import KeyRing, SealKey
from bdgw.shortmsg.message import State
from bdgw.shortmsg.outgoing import Peer, Receipt, Refusal, RefusalCause
from bdgw.shortmsg.peer_group import PeerGroups
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.vocabulary import Family
from tests.shortmsg.service_rig import Air, Gateway, card

SHIP, SHORE, THIEF = 175607, 210001, 175999


def ring(secret: bytes) -> KeyRing:
    return KeyRing([SealKey(7, secret)], sending=7)


def gateway(air: Air, secret: bytes, me: int, other: int, host: str) -> Gateway:
    peer = Peer(name="other", addresses=frozenset([other]), group="fleet")
    permissions = (
        Permission(commands=frozenset({"valve"}), key_ids=frozenset({7})),
        Permission(
            commands=frozenset({"report"}), senders=frozenset({other}), is_unsealed_accepted=True
        ),
    )
    spec = ServiceSpec(terminals={"t1": Family.BD1}, peers=(peer,), permissions=permissions)
    made = Gateway(
        air,
        spec,
        security=lambda values, stored: GroupSecurity(
            PeerGroups({"fleet": ring(secret)}, stored=stored, host=host),
            values,
            utc_s=lambda: air.utc_ns() / 1e9,
        ),
    )
    made.insert("t1", card(me))
    return made


def sealed_pair(same_key: bool = True) -> tuple[Air, Gateway, Gateway]:
    air = Air()
    secret = secrets.token_bytes(16)
    ship = gateway(air, secret, SHIP, SHORE, "ship")
    other = secret if same_key else secrets.token_bytes(16)
    return air, ship, gateway(air, other, SHORE, SHIP, "shore")


def test_a_sealed_text_is_read_by_its_group_alone_and_may_command() -> None:
    air, ship, shore = sealed_pair()
    receipt = ship.submit(SHORE, "关闭阀门")
    assert isinstance(receipt, Receipt)
    assert receipt.way == "sealed"
    assert "128 bits more" in receipt.explanation
    air.run(600.0)
    (heard,) = shore.heard
    assert (heard.text, heard.key_id, heard.commands) == (
        "关闭阀门",
        7,
        frozenset({"valve", "report"}),
    )
    assert ship.message(receipt.id).state is State.DELIVERED
    on_air = b"".join(frame.content for _, _, frame in air.log)
    assert "关闭阀门".encode("gbk") not in on_air
    assert "关闭阀门".encode() not in on_air


def test_what_is_not_sealed_may_not_command_where_the_group_seals() -> None:
    air, _ship, shore = sealed_pair()
    intruder = Gateway(air, ServiceSpec(terminals={"t1": Family.BD1}))
    intruder.insert("t1", card(SHIP))
    intruder.submit(SHORE, "打开阀门")
    air.run(30.0)
    assert [(one.text, one.commands) for one in shore.heard] == [("打开阀门", frozenset())]


def test_another_key_opens_nothing_and_the_bytes_are_kept() -> None:
    air, ship, shore = sealed_pair(same_key=False)
    ship.submit(SHORE, "秘密")
    air.run(600.0)
    assert shore.heard == []
    assert [one.reason for one in shore.lost] == ["seal: forged"]


def test_a_restart_repeats_no_counter() -> None:
    air, ship, _shore = sealed_pair()
    counters = set()
    for n in range(4):
        ship.submit(SHORE, f"第{n}次")
        air.run(400.0)
        ship.start()
    for _, sender, frame in air.log:
        at = frame.content.find(b"\xbd\x81\x07")
        if sender == SHIP and at > 0:
            counters.add(frame.content[at + 3 : at + 7])
    assert len(counters) == 4


def test_no_key_is_refused_before_queueing() -> None:
    _, ship, _ = sealed_pair()
    refusal = ship.submit(SHORE, "x", group="nobody")
    assert isinstance(refusal, Refusal)
    assert refusal.cause is RefusalCause.NO_KEY


def test_no_clock_is_later_and_an_unknown_group_never() -> None:
    air = Air()
    ship = Gateway(air, ServiceSpec(terminals={"t1": Family.BD1}))
    groups = PeerGroups({"fleet": ring(secrets.token_bytes(16))}, stored={}, host="ship")
    seals = GroupSecurity(groups, ship.ledger.values, utc_s=lambda: None)
    with pytest.raises(SealLaterError, match="no_clock"):
        seals.seal("fleet", b"x", sender=SHIP, receiver=SHORE)
    with pytest.raises(EncodeError, match="no key"):
        seals.seal("other", b"x", sender=SHIP, receiver=SHORE)
    with pytest.raises(DecodeError):
        seals.open(None, b"x" * 40, sender=THIEF, receivers=[SHIP])
