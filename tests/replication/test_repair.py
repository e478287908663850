"""Damaged blocks: `verify` sees them, and any other node that holds them whole gives them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tandemdb.dbapi import nodes
from tandemdb.planner.runtime.kept import kept
from tandemdb.replication.node import Node
from tandemdb.storage import Database

from .processes import run, until
from .test_damage import flip
from .workload import make_table, put


@pytest.fixture
def pair() -> Iterator[tuple[Node, Node, int]]:
    """A primary, its synchronous secondary in step, and the number of a table of many blocks."""
    with ExitStack() as stack:
        primary, secondary = Node(Database("shop")), Node(Database("shop"))
        for node in (primary, secondary):
            stack.callback(node.stop)
            node.start()
        table = make_table(primary.database, 3000)
        secondary.follow(primary.address)
        until(lambda: [entry["state"] for entry in primary.status()["secondaries"]] == ["in step"], "in step")
        put(primary.database, table, 5, "before")
        until(lambda: primary.database.digest() == secondary.database.digest(), "level")
        yield primary, secondary, table


@pytest.mark.parametrize("which", ["primary", "secondary"])
def test_either_side_is_mended_from_the_other(pair: tuple[Node, Node, int], which: str) -> None:
    primary, secondary, table = pair
    damaged, whole = (primary, secondary) if which == "primary" else (secondary, primary)
    urls = str(damaged.address), str(whole.address)
    held, lsn = damaged.database.snapshot(), damaged.database.root.lsn
    flip(damaged.database.root, table)
    found = nodes.verify(*urls)
    assert not found.are_equal and [one.key for one in found.differences] == [4]
    assert nodes.repair(*urls) == ([[table, 0]], [[table, 0]])
    assert nodes.verify(*urls).are_equal
    assert damaged.database.root.lsn == lsn and held.tables[table].find(4) == (4, "value 4", None)
    put(primary.database, table, 4, "goes on")
    until(lambda: secondary.database.digest() == primary.database.digest(), "level")
    assert nodes.verify(*urls).are_equal


def test_what_the_other_node_does_not_hold_is_left(pair: tuple[Node, Node, int]) -> None:
    primary, secondary, table = pair
    for node in pair[:2]:
        flip(node.database.root, table)
    status, text = run("repair", str(primary.address), "--source", str(secondary.address))
    assert status == 1
    assert "1 blocks are damaged, 0 of them mended" in text and f"block 0 of table {table} is not" in text
    assert primary.database.root.tables[table].find(4) == (4, "a flipped bit", None)


def test_the_command_says_what_it_did(pair: tuple[Node, Node, int]) -> None:
    primary, secondary, table = pair
    urls = str(primary.address), "--source", str(secondary.address)
    assert run("repair", *urls) == (0, "no block is damaged\n")
    flip(primary.database.root, table)
    assert run("repair", *urls) == (0, "1 blocks are damaged, 1 of them mended\n")
    status, text = run("repair", str(primary.address), "--source", "tandemdb://127.0.0.1:1/shop")
    assert status == 1 and "unable to connect" in text


def test_what_was_kept_of_a_damaged_table_is_forgotten(pair: tuple[Node, Node, int]) -> None:
    primary, secondary, table = pair
    flip(primary.database.root, table)
    stored = primary.database.root.tables[table]

    def texts() -> list[object]:
        found: list[object] = kept(stored, "texts", lambda: [record[1] for record in stored.find_many([3, 4])])
        return found

    assert [texts(), texts(), texts()][-1] == ["value 3", "a flipped bit"]
    nodes.repair(str(primary.address), str(secondary.address))
    assert texts() == ["value 3", "value 4"]
