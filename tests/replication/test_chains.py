"""Chains: who is in the middle gets blocks from its primary, and passes on what no change describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tandemdb

from .processes import NodeProcess, in_step, until


def open_empty() -> Any:
    return tandemdb.connect(":memory:", isolation_level=None, check_same_thread=False)


@pytest.mark.parametrize("second", ["sync", "async"])
@pytest.mark.parametrize("first", ["sync", "async"])
def test_the_end_is_there_before_the_middle_has_its_blocks(first: str, second: str) -> None:
    head, middle, end = open_empty(), open_empty(), open_empty()
    head.executescript("CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b) WHERE a > 1")
    head.executemany("INSERT INTO t (b) VALUES (?)", [(number,) for number in range(1000)])
    # The head has committed before it is known to the middle, which is empty and has a secondary.
    upper = head.replicate_to(middle, first)
    lower = middle.replicate_to(end, second)
    for number in range(5):
        head.execute("INSERT INTO t (b) VALUES (?)", (number,))
        until(lambda: head.lsn == middle.lsn == end.lsn, "all are level")
    assert head.digest() == middle.digest() == end.digest()
    assert (upper.status.state, lower.status.state) == tuple(
        "in step" if mode == "sync" else "following" for mode in (first, second)
    )


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_middle_stays_away_and_comes_back(tmp_path: Path, mode: str) -> None:
    """What it lacks comes as blocks: the end of the chain must get there, too."""
    script = tmp_path / "script.sql"
    script.write_text("CREATE TABLE t (a INTEGER PRIMARY KEY, b);")
    head = NodeProcess("--load", str(script))
    middle = NodeProcess("--secondary-of", head.url)
    end = NodeProcess("--secondary-of", middle.url, "--mode", mode)
    try:
        until(lambda: in_step(head), "the middle is in step")
        until(lambda: end.status()["lsn"] == head.status()["lsn"], "the end is level")
        with head.connect(isolation_level=None) as connection:
            for count in (1, 4):
                middle.ask("suspend")
                for _ in range(count):
                    connection.execute("INSERT INTO t (b) VALUES ('away')")
                middle.ask("resume")
                until(lambda: in_step(head), "the middle is in step again")
                connection.execute("INSERT INTO t (b) VALUES ('back')")
                until(lambda: end.status()["lsn"] == connection.lsn, "the end is level")
                with end.connect() as last:
                    assert last.digest() == connection.digest()
    finally:
        for node in (end, middle, head):
            node.stop()
