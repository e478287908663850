"""Pairs on virtual time, as a user's test has them, and the comparison down to rows."""

from __future__ import annotations

import pytest

import tandemdb
from tandemdb.replication import CommitInDoubt, SecondaryLost
from tandemdb.testing import Faults, assert_identical, pair

SCRIPT = "CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO city VALUES (1, 'Oslo'), (2, 'Turku');"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_pair_is_level_from_the_start_and_after_changes(mode: str) -> None:
    with pair(SCRIPT, mode) as both:
        assert both.standby.execute("SELECT name FROM city ORDER BY id").fetchall() == [("Oslo",), ("Turku",)]
        both.primary.execute("INSERT INTO city VALUES (3, 'Bergen')")
        both.primary.commit()
        assert both.is_level == (mode == "sync")
        both.assert_identical()
        assert both.standby.execute("SELECT count(*) FROM city").fetchone() == (3,)


def test_time_passes_only_when_told() -> None:
    with pair(SCRIPT, "async", faults=Faults(seed=1, delay_seconds=5.0)) as both:
        both.primary.execute("DELETE FROM city")
        both.primary.commit()
        assert both.standby.execute("SELECT count(*) FROM city").fetchone() == (2,)
        before = both.clock.now
        both.advance(6.0)
        assert both.clock.now >= before + 6.0
        assert both.standby.execute("SELECT count(*) FROM city").fetchone() == (0,)


def test_cut_doubt_promotion_and_the_way_back() -> None:
    with pair(SCRIPT) as both:
        both.set_faults(Faults(seed=2, drop=1.0))
        both.primary.execute("UPDATE city SET name = 'Tromsø' WHERE id = 1")
        before = both.clock.now
        with pytest.raises(CommitInDoubt):
            both.primary.commit()
        assert both.clock.now - before >= 2.0
        both.primary.rollback()
        both.set_faults(None)
        both.cut()
        both.primary.execute("UPDATE city SET name = 'Tromsø' WHERE id = 1")
        with pytest.raises(SecondaryLost):
            both.primary.commit()
        both.primary.rollback()
        report = both.promote()
        assert report.epoch == 2
        both.standby.execute("UPDATE city SET name = 'Vadsø' WHERE id = 1")
        both.standby.commit()
        both.rejoin()
        both.assert_identical()
        assert both.standby.execute("SELECT name FROM city WHERE id = 1").fetchone() == ("Vadsø",)


def test_differences_are_listed_by_row() -> None:
    first, second = tandemdb.connect(":memory:"), tandemdb.connect(":memory:")
    for connection in (first, second):
        connection.executescript(SCRIPT)
    assert_identical(first, second)
    first.execute("UPDATE city SET name = 'Århus' WHERE id = 2")
    first.commit()
    second.execute("INSERT INTO city VALUES (3, 'Bergen')")
    second.commit()
    with pytest.raises(AssertionError) as caught:
        assert_identical(first, second)
    text = str(caught.value)
    assert "city, block 0, key 2: differs" in text and "- (2, 'Århus')" in text and "+ (2, 'Turku')" in text
    assert "city, block 0, key 3: only in second" in text and "+ (3, 'Bergen')" in text
    third = tandemdb.connect(":memory:")
    third.executescript("CREATE TABLE other (a)" + ";" + SCRIPT)
    with pytest.raises(AssertionError, match="sqlite_master, block 0, key 1: differs"):
        assert_identical(first, third)
    fourth = tandemdb.connect(":memory:", isolation_level=None)
    fourth.executescript(SCRIPT)
    third.executescript("DROP TABLE other")
    with pytest.raises(AssertionError, match=r"LSN \d+ and LSN \d+"):
        assert_identical(third, fourth)
