"""Asynchronous secondaries that fall behind: detach, throttle or reject, and memory bounded in each case."""

from __future__ import annotations

import pytest

import tandemdb
from tandemdb.errors import ProgrammingError
from tandemdb.replication import SecondaryBehind
from tandemdb.testing import Faults, Pair, pair

SCRIPT = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"
SLOW = Faults(seed=1, delay_seconds=0.5)


def slow_pair(on_lag: str, **limits: float) -> Pair:
    return pair(
        SCRIPT,
        "async",
        faults=SLOW,
        name="standby",  # The faults are drawn by seed and name; one that is made up depends on the tests before.
        connect=lambda: tandemdb.connect(":memory:", isolation_level=None),
        on_lag=on_lag,
        **limits,
    )


def insert(both: Pair, number: int) -> None:
    both.primary.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 200))


def test_reject_refuses_and_nothing_has_happened() -> None:
    with slow_pair("reject", lag_bytes_max=2000) as both:
        with pytest.raises(SecondaryBehind, match="too far behind"):
            for number in range(100):
                insert(both, number)
        count = both.primary.execute("SELECT count(*) FROM t").fetchone()[0]
        assert 0 < count < 30
        assert both.replica.status.lag_bytes <= 2000 + 500
        both.set_faults(None)
        both.settle()
        insert(both, 1000)
        both.assert_identical()


def test_throttle_waits_and_fails_nothing() -> None:
    with slow_pair("throttle", lag_bytes_max=2000) as both:
        for number in range(100):
            insert(both, number)
            assert both.replica.status.lag_bytes <= 2000 + 500
        assert both.clock.now > 5.0, "the writer went as fast as the secondary"
        both.assert_identical()


def test_throttle_waits_no_longer_than_a_commit_does() -> None:
    with slow_pair("throttle", lag_bytes_max=2000) as both:
        both.set_faults(Faults(seed=1, drop=1.0))
        for number in range(20):
            insert(both, number)
        before = both.clock.now
        insert(both, 100)
        assert 1.9 <= both.clock.now - before <= 2.5


def test_age_counts_too() -> None:
    with slow_pair("reject", lag_seconds_max=1.0) as both:
        both.set_faults(Faults(seed=1, drop=1.0))
        insert(both, 1)
        insert(both, 2)
        both.clock.pause(1.5)
        with pytest.raises(SecondaryBehind):
            insert(both, 3)


def test_one_that_is_not_linked_holds_nobody_up() -> None:
    with slow_pair("reject", lag_bytes_max=2000) as both:
        both.cut()
        for number in range(100):
            insert(both, number)
        both.heal()
        both.set_faults(None)
        both.assert_identical()


def test_detach_goes_on_within_bounds_and_blocks_follow() -> None:
    with slow_pair("detach", log_bytes_max=3000) as both:
        log = both.replica.link.publisher.core.log
        for number in range(200):
            insert(both, number)
            both.replica.status  # noqa: B018 -- lets the log take over what was committed
            assert log.bytes <= 3000
        both.set_faults(None)
        both.assert_identical()
        assert both.replica.status.plans[-1] in ("blocks", "snapshot")


def test_unknown_policies_are_refused() -> None:
    with pytest.raises(ProgrammingError, match="unknown policy"):
        slow_pair("hope")
