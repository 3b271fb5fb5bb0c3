"""How many calls one address may make."""

import ipaddress

from pagetimer_wsgi.beat import rate
from pagetimer_wsgi.beat.rate import Rates

PUBLIC = ipaddress.ip_address("8.8.8.8")
OTHER = ipaddress.ip_address("8.8.4.4")
PRIVATE = ipaddress.ip_address("10.1.2.3")


def test_one_address_over_the_limit_harms_no_other():
    rates = Rates(2, 60, all_addresses=False)
    assert [rates.allows(PUBLIC) for _ in range(3)] == [True, True, False]
    assert rates.allows(OTHER)


def test_the_addresses_of_one_ipv6_network_are_one_reader():
    rates = Rates(1, 60, all_addresses=False)
    told = ("2a00:1450:4001:830::1", "2a00:1450:4001:830:ffff::2", "2a00:1450:4001:831::1")
    assert [rates.allows(ipaddress.ip_address(each)) for each in told] == [True, False, True]


def test_a_new_period_begins_anew(monkeypatch):
    rates = Rates(1, 60, all_addresses=False)
    assert [rates.allows(PUBLIC) for _ in range(2)] == [True, False]
    later = rate.time.monotonic() + 61
    monkeypatch.setattr(rate.time, "monotonic", lambda: later)
    assert rates.allows(PUBLIC)


def test_private_addresses_are_proxies_until_proxies_are_named():
    rates = Rates(1, 60, all_addresses=False)
    assert all(rates.allows(PRIVATE) for _ in range(5))
    rates = Rates(1, 60, all_addresses=True)
    assert [rates.allows(PRIVATE) for _ in range(2)] == [True, False]


def test_nothing_is_limited_by_0():
    rates = Rates(0, 60, all_addresses=True)
    assert all(rates.allows(PUBLIC) for _ in range(5))


def test_the_table_is_bounded(monkeypatch):
    monkeypatch.setattr(rate, "_MOST_ADDRESSES", 3)
    rates = Rates(2, 60, all_addresses=True)
    for number in range(100):
        rates.allows(ipaddress.ip_address(number))
    assert len(rates._calls) == 4
