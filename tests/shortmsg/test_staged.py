"""Versions on their way to the disk."""

from __future__ import annotations

from bdgw.shortmsg.staged import Staged


def test_the_newest_counts_before_it_is_written():
    staged = Staged("a")
    token = staged.stage("b")
    assert (staged.latest, staged.durable, staged.is_pending) == ("b", "a", True)
    staged.resolve(token, is_written=True)
    assert (staged.latest, staged.durable, staged.is_pending) == ("b", "b", False)


def test_what_was_made_of_a_failed_one_falls_with_it():
    staged = Staged("a")
    b, c = staged.stage("b"), staged.stage("c")
    staged.resolve(b, is_written=False)
    assert staged.latest == "a"
    d = staged.stage("d")
    staged.resolve(c, is_written=False)
    assert staged.latest == "d"
    staged.resolve(d, is_written=True)
    assert staged.durable == "d"


def test_an_independent_version_stands_when_the_one_before_it_fails():
    staged: Staged[str] = Staged(None)
    a, b = staged.stage("a"), staged.stage("b", is_independent=True)
    staged.resolve(a, is_written=False)
    assert staged.latest == "b"
    staged.resolve(b, is_written=True)
    assert (staged.durable, staged.is_pending) == ("b", False)
