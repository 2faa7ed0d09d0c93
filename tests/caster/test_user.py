import base64
import hashlib

import pytest

from bdgw.caster.user import Password, Pusher, User, UserTable, hash_password

CANARY = "canary-51c2"
SALT = bytes(range(16))


def test_a_plain_secret_compares_and_never_shows():
    password = Password(CANARY)
    assert password.matches(CANARY)
    assert not password.matches(CANARY + "x")
    assert not password.matches("")
    table = UserTable(
        users=(User(name="rover", password=password),), pushers={"M": Pusher(password=password)}
    )
    assert CANARY not in repr(table) + str(password) + repr(table.user("rover"))


def test_a_hash_is_scrypt_as_the_standard_library_computes_it():
    text = hash_password("geheim", SALT)
    kind, log2_n, r, p, salt, digest = text.split("$")
    expected = hashlib.scrypt(
        b"geheim", salt=SALT, n=1 << int(log2_n), r=int(r), p=int(p), dklen=32, maxmem=1 << 26
    )
    assert (kind, base64.b64decode(salt), base64.b64decode(digest)) == ("scrypt", SALT, expected)
    password = Password(text)
    assert password.is_slow
    assert password.matches("geheim")
    assert not password.matches("Geheim")


def test_the_scrypt_vector_of_the_standard_matches():
    # Source: RFC 7914, clause 12: password "pleaseletmein", salt "SodiumChloride", N 16384, r 8.
    digest = bytes.fromhex(
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
    )
    text = "scrypt$14$8$1$" + "$".join(
        base64.b64encode(part).decode() for part in (b"SodiumChloride", digest)
    )
    assert Password(text).matches("pleaseletmein")


@pytest.mark.parametrize(
    "text",
    [
        "scrypt$",
        "scrypt$30$8$1$AAAA$AAAA",
        "scrypt$14$99$1$AAAA$AAAA",
        "scrypt$14$8$1$A$AAAA",
        f"scrypt$14$8$1${CANARY}$AAAA",
    ],
)
def test_a_bad_hash_is_an_error_that_does_not_repeat_it(text):
    with pytest.raises(ValueError, match="scrypt hash") as raised:
        Password(text)
    assert CANARY not in str(raised.value)


def test_only_name_and_password_together_open():
    table = UserTable(
        users=(
            User(name="a", password=Password("one")),
            User(name="b", password=Password("two"), mounts=("M",)),
        )
    )
    user = table.login("b", "two")
    assert user is not None
    assert (user.may_read("M"), user.may_read("N")) == (True, False)
    assert table.login("b", "one") is None
    assert table.login("nobody", "") is None
    assert table.login("nobody", "one") is None


def test_an_empty_table_lets_nobody_in():
    table = UserTable()
    assert table.login("", "") is None
    assert not table.may_push("M", "", "", is_source=True)


def test_a_pusher_is_known_by_its_mount():
    table = UserTable(
        pushers={
            "M": Pusher(password=Password("pw")),
            "N": Pusher(password=Password("pw"), username="base"),
        }
    )
    assert table.may_push("M", "whoever", "pw", is_source=False)
    assert not table.may_push("N", "whoever", "pw", is_source=False)
    assert table.may_push("N", "base", "pw", is_source=False)
    assert table.may_push("N", "", "pw", is_source=True)
    assert not table.may_push("N", "base", "no", is_source=False)
    assert not table.may_push("X", "base", "pw", is_source=False)


@pytest.mark.parametrize("name", ["", "a:b", "a\nb"])
def test_a_name_that_basic_cannot_carry_is_refused(name):
    with pytest.raises(ValueError, match="user name"):
        User(name=name, password=Password("x"))


def test_a_name_stands_once():
    with pytest.raises(ValueError, match="twice"):
        UserTable(users=(User(name="a", password=Password("x")),) * 2)


def test_the_same_secret_is_equal_and_another_is_not():
    assert Password("x") == Password("x")
    assert Password("x") != Password("y")
    assert hash(Password("x")) == hash(Password("x"))
