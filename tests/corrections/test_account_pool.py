from hypothesis import given
from hypothesis import strategies as st

from bdgw.corrections.account_pool import AccountPool
from bdgw.ntrip.account import Account

ONE, TWO = Account("one", "x"), Account("two", "y")


def test_each_account_serves_one_holder():
    pool = AccountPool([ONE, TWO])
    assert pool.take("a") == ONE
    assert pool.take("b") == TWO
    assert pool.take("a") == ONE
    assert pool.take("c") is None
    assert pool.n_free == 0
    pool.give_back("a")
    assert pool.take("c") == ONE


def test_a_holder_gets_its_account_back():
    pool = AccountPool([ONE, TWO])
    pool.take("a")
    pool.take("b")
    pool.give_back("a")
    pool.give_back("b")
    assert pool.take("b") == TWO
    assert pool.take("a") == ONE


def test_an_account_may_allow_more_sessions_than_one():
    pool = AccountPool([ONE], sessions_per_account=2)
    assert [pool.take(holder) for holder in "abc"] == [ONE, ONE, None]


def test_without_accounts_none_is_needed():
    assert AccountPool([]).is_open


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=60),
    st.integers(min_value=1, max_value=3),
)
def test_no_account_is_ever_overbooked(steps, limit):
    pool = AccountPool([ONE, TWO], sessions_per_account=limit)
    held: dict[str, Account] = {}
    for holder, is_taking in steps:
        if is_taking:
            account = pool.take(holder)
            if account is None:
                assert len(held) == 2 * limit
            else:
                held[holder] = account
        else:
            pool.give_back(holder)
            held.pop(holder, None)
        assert all(list(held.values()).count(account) <= limit for account in (ONE, TWO))
        assert pool.n_free == 2 * limit - len(held)
