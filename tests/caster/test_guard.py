import pytest

from bdgw.caster.guard import LoginGuard, address_key


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_subscriber_is_one_address(host, key):
    assert address_key(host) == key


def test_a_few_mistakes_cost_nothing_and_guessing_costs_more_and_more():
    guard = LoginGuard(max_delay_s=4.0)
    delays = []
    for _ in range(9):
        delays.append(guard.delay_s("a", 0.0))
        guard.failed("a", 0.0)
    assert delays == [0.0, 0.0, 0.0, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert guard.delay_s("b", 0.0) == 0.0


def test_failures_are_forgotten():
    guard = LoginGuard(max_delay_s=4.0)
    for _ in range(9):
        guard.failed("a", 0.0)
    assert guard.delay_s("a", 599.0) == 4.0
    assert guard.delay_s("a", 600.0) == 0.0


def test_a_flood_of_addresses_needs_no_memory():
    guard = LoginGuard(max_delay_s=4.0)
    for number in range(10_000):
        guard.failed(str(number), 0.0)
    assert len(guard._failures) <= 4096
    assert guard.delay_s("9999", 0.0) == 0.0
