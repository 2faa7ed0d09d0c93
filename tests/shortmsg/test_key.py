"""Keys are read strictly and shown to nobody."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import ConfigError
from bdgw.shortmsg.authority import AllowList, Permission
from bdgw.shortmsg.key import KEYS_MAX, KeyRing, SealKey, parse_key_ring

GOOD = "9f1c3a5b7d2e4f60718293a4b5c6d7e8"
MORE = "e8d7c6b5a49382716f4e2d7b5a3c1f90"


def test_a_key_file():
    ring = parse_key_ring(f"# group one\n\n 7 {GOOD}  # since May\r\n8 {MORE.upper()}\n", sending=8)
    assert list(ring) == [7, 8]
    assert ring.sending.key_id == 8
    key = ring.get(7)
    assert key is not None
    assert key.reveal() == bytes.fromhex(GOOD)
    assert ring.get(9) is None
    assert parse_key_ring(f"0 {GOOD}").sending.key_id == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has 0 keys"),
        (f"7 {GOOD}\n8 {MORE}", "say which one"),
        (GOOD, "line 1: not an id and a key"),
        (f"7 {GOOD} x", "line 1: not an id"),
        (f"\n-7 {GOOD}", "line 2: not an id"),
        (f"٧ {GOOD}", "line 1: not an id"),
        (f"256 {GOOD}", "outside 0 to 255"),
        (f"99999999999999999999999999 {GOOD}", "outside 0 to 255"),
        (f"7 {GOOD[:-2]}", "not of 32 hexadecimal"),
        (f"7 {GOOD[:-1]}g", "not of 32 hexadecimal"),
        ("7 " + "00" * 16, "can be guessed"),
        ("7 0123456789ABCDEFFEDCBA9876543210", "can be guessed"),
    ],
)
def test_wrong_key_files(text, why):
    with pytest.raises(ConfigError, match=why):
        parse_key_ring(text)


def test_rings_that_would_repeat_nonces_or_lose_track():
    one = SealKey.from_hex(7, GOOD)
    for keys, sending, why in (
        ([one, SealKey.from_hex(8, GOOD)], 7, "under two ids"),
        ([one, SealKey.from_hex(7, MORE)], 7, "stands twice"),
        ([one], 8, "no key has the id 8"),
        ([], 7, "0 keys"),
        ([one] * (KEYS_MAX + 1), 7, "65 keys"),
    ):
        with pytest.raises(ConfigError, match=why):
            KeyRing(keys, sending=sending)
    with pytest.raises(ConfigError, match="15 bytes"):
        SealKey(1, bytes(15))


def test_keys_are_shown_nowhere():
    ring = parse_key_ring(f"7 {GOOD}")
    for shown in (repr(ring), str(ring), repr(ring.sending), str(ring.sending), f"{ring.sending}"):
        assert GOOD[:6] not in shown.lower()
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(ring.sending)


@given(st.text(max_size=40) | st.text(max_size=40).map(lambda t: f"7 {GOOD[:20]}{t}"))
def test_any_file_is_read_or_refused_without_quoting_it(text):
    try:
        parse_key_ring(text)
    except ConfigError as error:
        seen: BaseException | None = error
        while seen is not None:
            assert GOOD[:20] not in str(seen)
            seen = seen.__cause__


def test_who_may_command():
    allowed = AllowList(
        [
            Permission(commands=frozenset({"reboot"}), key_ids=frozenset({7})),
            Permission(
                commands=frozenset({"repair"}),
                senders=frozenset({1, 2}),
                key_ids=frozenset({7, 8}),
            ),
            Permission(
                commands=frozenset({"report"}), senders=frozenset({3}), is_unsealed_accepted=True
            ),
        ]
    )
    yes = [("reboot", 99, 7), ("repair", 1, 8), ("report", 3, None), ("report", 3, 8)]
    no = [
        ("reboot", 99, None),
        ("reboot", 99, 8),
        ("repair", 3, 7),
        ("repair", 1, None),
        ("report", 1, 7),
        ("other", 3, 7),
    ]
    for command, sender, key_id in yes:
        assert allowed.allows(command, sender=sender, key_id=key_id), command
    for command, sender, key_id in no:
        assert not allowed.allows(command, sender=sender, key_id=key_id), command
    assert not AllowList().allows("report", sender=3, key_id=7)


@pytest.mark.parametrize(
    "parts",
    [
        {"commands": frozenset()},
        {"commands": frozenset({"a"})},
        {"commands": frozenset({"a"}), "is_unsealed_accepted": True},
        {"commands": frozenset({"a"}), "senders": frozenset({1})},
        {"commands": frozenset({"a"}), "senders": frozenset()},
        {"commands": frozenset({"a"}), "key_ids": frozenset()},
        {
            "commands": frozenset({"a"}),
            "key_ids": frozenset({1}),
            "is_unsealed_accepted": True,
        },
    ],
)
def test_permissions_that_say_too_little(parts):
    with pytest.raises(ConfigError):
        Permission(**parts)
