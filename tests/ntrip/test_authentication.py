"""Basic and Digest against the examples that the standards print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.ntrip.account import Account
from bdgw.ntrip.authentication import (
    Challenge,
    basic_header,
    check_basic,
    check_digest,
    choose_digest,
    digest_header,
    format_digest_challenge,
    parse_challenges,
    read_basic,
    read_digest,
)
from tests.ntrip.dialogue import vectors

TEXT = st.text(
    st.characters(min_codepoint=32, blacklist_characters=":\x7f", blacklist_categories=["Cs"]),
    max_size=30,
)


def test_basic_headers_are_those_of_the_vectors():
    for row in vectors()["basic_auth"]:
        account = Account(row["user"], row["password"])
        assert basic_header(account) == row["header"]
        assert read_basic(row["header"]) == account


@given(TEXT, TEXT)
def test_basic_goes_round(username, password):
    account = Account(username, password)
    assert read_basic(basic_header(account)) == account
    assert check_basic(basic_header(account), account)
    assert not check_basic(basic_header(account), Account(username, password + "x"))


@given(st.text(max_size=100))
def test_any_header_is_read_or_refused(text):
    read_basic(text)
    read_basic("Basic " + text)
    read_digest(text)
    read_digest("Digest " + text)
    for challenge in parse_challenges([text, "Digest " + text]):
        assert challenge.scheme


# RFC 7616, section 3.9.1.
MUFASA = Account("Mufasa", "Circle of Life")
RFC7616_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
RFC7616_HEADERS = [
    f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    f'nonce="{RFC7616_NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    for algorithm in ("SHA-256", "MD5")
]


@pytest.mark.parametrize(
    ("index", "response"),
    [
        (0, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        (1, "8ca523f5e9506fed4657c9700eebdbec"),
    ],
)
def test_digest_is_that_of_rfc_7616(index, response):
    challenge = parse_challenges([RFC7616_HEADERS[index]])[0]
    header = digest_header(
        challenge, MUFASA, method="GET", uri="/dir/index.html", cnonce=RFC7616_CNONCE
    )
    assert f'response="{response}"' in header
    assert MUFASA.password not in header
    reply = read_digest(header)
    assert reply is not None
    assert check_digest(reply, MUFASA, method="GET")
    assert not check_digest(reply, Account("Mufasa", "circle of life"), method="GET")
    assert not check_digest(reply, MUFASA, method="POST")


def test_digest_is_that_of_rfc_2617():
    challenge = parse_challenges(
        [
            'Digest realm="testrealm@host.com", qop="auth,auth-int", '
            'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        ]
    )[0]
    header = digest_header(
        challenge,
        Account("Mufasa", "Circle Of Life"),
        method="GET",
        uri="/dir/index.html",
        cnonce="0a4f113b",
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in header


def test_the_stronger_of_two_is_answered():
    chosen = choose_digest(parse_challenges(reversed(RFC7616_HEADERS)))
    assert chosen is not None
    assert chosen.algorithm == "SHA-256"
    assert choose_digest(parse_challenges(['Basic realm="x"'])) is None
    odd = 'Digest realm="x", nonce="y", algorithm=ROT13'
    assert choose_digest(parse_challenges([odd])) is None
    with pytest.raises(ValueError):
        digest_header(parse_challenges([odd])[0], MUFASA, method="GET", uri="/", cnonce="z")


def test_several_challenges_in_one_header():
    found = parse_challenges(['Basic realm="a, b=c", Digest realm="d\\"e", nonce="n", stale=TRUE'])
    assert [each.scheme for each in found] == ["basic", "digest"]
    assert found[0].realm == "a, b=c"
    assert found[1].realm == 'd"e'
    assert found[1].is_stale


@given(TEXT, TEXT, TEXT, st.sampled_from(["MD5", "SHA-256", "MD5-SESS", "SHA-256-SESS"]))
def test_our_own_challenge_is_answered_and_checked(username, password, realm, algorithm):
    challenge = Challenge(
        scheme="digest", realm=realm, nonce="n", algorithm=algorithm, qop=("auth",), opaque="o"
    )
    assert parse_challenges([format_digest_challenge(challenge)]) == (challenge,)
    account = Account(username, password)
    reply = read_digest(
        digest_header(challenge, account, method="GET", uri="/MP", cnonce="c", count=3)
    )
    assert reply is not None
    assert check_digest(reply, account, method="GET")
