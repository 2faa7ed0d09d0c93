"""The sections of corrections and of the caster: what is allowed, and what errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bdgw.config import load_users, parse
from bdgw.errors import ConfigError

CANARY = "canary-5c1f0e"
BASE = """
[gateway]
id = "yp-01"
state_dir = "/var/lib/bdgw"
[broker]
url = "embedded"
"""
NET = '[[correction]]\nname = "net"\nurl = "ntrip://h:2101"\n'
MOUNTED = NET + 'mount = "A"\n'
CASTER = '[caster]\nlisten = "127.0.0.1:2101"\n'
ROVER = '[[device]]\nid = "r"\nurl = "tcp://h:1"\n'
STATION = '[[device]]\nid = "b"\nurl = "tcp://h:2"\nrole = "base"\n'
LOCAL = '[[correction]]\nname = "site"\nurl = "device://b"\n'
NEAREST = '{ name = "A", source = "nearest" }'
USER = '{ name = "crew", password = { env = "X" } }'
PUSHED = CASTER + 'mounts = [{ name = "P", source = "push", password = { env = "X" } }]\n'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (NET, ["correction[1]", "exactly one of mount and nearest"]),
        (MOUNTED + "nearest = true", ["exactly one of mount and nearest"]),
        (MOUNTED + 'mounts = ["S*"]', ["mounts is for nearest"]),
        (NET + 'mount = "A B"', ["correction[1].mount = 'A B'"]),
        (NET + 'mount = "A/B"', ["correction[1].mount"]),
        (MOUNTED + "epoch = 2000.0", ["epoch needs frame"]),
        (MOUNTED + "max_age_s = 0", ["correction[1].max_age_s = 0", "greater than 0"]),
        (MOUNTED + 'standby = "other"', ["'net': standby = 'other' does not exist", "known: none"]),
        (MOUNTED + 'standby = "net"', ["'net' does not exist"]),
        (MOUNTED + MOUNTED, ["correction names must differ: net"]),
        (MOUNTED + 'service = "qx"', ["'generic', 'qianxun', 'cmcc' or 'sixents'"]),
        (MOUNTED + f'password = "{CANARY}"', ["password: a secret is written as { env"]),
        (MOUNTED + 'password = { env = "X" }', ["a password needs a username"]),
        (
            MOUNTED + 'username = "a"\naccounts = [{ username = "b" }]',
            ["either username and password, or accounts"],
        ),
        (MOUNTED + f'accounts = "{CANARY}"', ["correction[1].accounts: "]),
        (MOUNTED + "[correction.gga]\nperiod_s = 0", ["correction[1].gga.period_s = 0"]),
        (MOUNTED + "[correction.gga]\nperod_s = 1", ["did you mean 'period_s'?"]),
        (MOUNTED + ROVER + 'correction = "nte"', ["device 'r': correction = 'nte'", "'net'?"]),
        (LOCAL, ["url = device:// 'b' does not exist"]),
        (LOCAL + ROVER.replace('"r"', '"b"'), ["url = device:// 'b' does not exist"]),
        (LOCAL + 'mount = "A"\n' + STATION, ["are for ntrip:// and ntrips://"]),
        (NET.replace("ntrip://h:2101", "push://P") + CASTER, ["url = push:// 'P'"]),
        (CASTER + 'cert_file = "/a"', ["cert_file and key_file go together"]),
        (CASTER + 'mounts = [{ name = "A", source = "push" }]', ["a password belongs to"]),
        (CASTER + 'mounts = [{ name = "A", source = "device" }]', ['source is "device:ID"']),
        (CASTER + 'mounts = [{ name = "A", source = "device:b" }]', ["'b' does not exist"]),
        (
            CASTER + f"mounts = [{NEAREST}, {NEAREST}]",
            ["mounts must differ: A"],
        ),
        (CASTER + f'users_file = "/u"\nusers = [{USER}]', ["either"]),
        (CASTER + 'users = [{ name = "a" }]', ["either password or password_scrypt"]),
        (CASTER + f"users = [{USER.replace('crew', 'a:b')}]", ["users[1].name = 'a:b'"]),
    ],
)
def test_a_mistake_names_key_value_and_what_is_allowed(text: str, parts: list[str]):
    with pytest.raises(ConfigError) as caught:
        parse(BASE + text, name="gw.toml")
    said = str(caught.value)
    assert said.startswith("gw.toml: ")
    for part in parts:
        assert part in said
    assert CANARY not in said


def test_what_belongs_together_is_accepted():
    text = BASE + MOUNTED + 'standby = "site"\n' + LOCAL + PUSHED + STATION
    config = parse(text + ROVER + 'correction = "nearest"\n', name="gw.toml")
    assert [each.standbys for each in config.correction] == [("site",), ()]
    assert [each.is_remote for each in config.correction] == [True, False]


def test_users_stand_in_a_file_of_their_own(tmp_path: Path):
    file = tmp_path / "users.toml"
    file.write_text(
        '[[users]]\nname = "crew"\npassword_scrypt = "scrypt$14$8$1$AAAA$AAAA"\n'
        '[[users]]\nname = "guest"\npassword = { env = "X" }\nmounts = ["SITE"]\n',
        encoding="utf-8",
    )
    assert [(user.name, user.mounts) for user in load_users(file)] == [
        ("crew", ()),
        ("guest", ("SITE",)),
    ]
    file.write_text('[[users]]\nname = "crew"\npasword = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean 'password'"):
        load_users(file)
