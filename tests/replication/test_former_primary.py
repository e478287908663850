"""What is left of a primary's reign when another leads: messages under way, links of others, and its second reign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from tandemdb import replication
from tandemdb.replication.core.messages import Epoch, Frame, Refuse
from tandemdb.replication.core.peer import Mode
from tandemdb.replication.errors import Refused
from tandemdb.replication.linking import replicate_to
from tandemdb.replication.node import Node
from tandemdb.replication.publisher import Publisher
from tandemdb.storage import Database

from .processes import until
from .workload import make_table, put


@pytest.fixture
def start() -> Iterator[Callable[[], Node]]:
    with ExitStack() as stack:

        def start_one() -> Node:
            node = Node(Database("shop"))
            stack.callback(node.stop)
            node.start()
            return node

        yield start_one


def in_step(primary: Node, count: int = 1) -> bool:
    return sum(entry["state"] == "in step" for entry in primary.status()["secondaries"]) == count


def is_level(secondary: Node, primary: Node) -> bool:
    return secondary.database.root.lsn == primary.database.root.lsn


def switch(primary: Node, secondary: Node) -> None:
    primary.hand_over(secondary.address, "sync")
    until(partial(in_step, secondary), "in step")


def test_a_late_message_of_an_earlier_reign_ends_no_later_one(start: Callable[[], Node]) -> None:
    first, second = start(), start()
    table = make_table(first.database, 100)
    second.follow(first.address, "sync")
    until(partial(in_step, first), "in step")
    earlier = first.system.publisher
    assert isinstance(earlier, Publisher)
    [link] = earlier.links.values()
    switch(first, second)
    switch(second, first)
    # That the first reign was over, said again by what has been under way since then.
    earlier.receive(link.name, Frame(0, Epoch(2), 0, Refuse("epoch", Epoch(2), "epoch 2 has begun")))
    assert first.database.read_only is None
    put(first.database, table, 1, "in the second reign")
    until(lambda: link.is_cut, "nothing is left of the first one's link")


def test_a_late_refusal_of_an_earlier_reign_ends_no_later_one(start: Callable[[], Node]) -> None:
    """A program that mirrors its database to a node asks again and again; what it was answered once may come late."""
    node = start()
    mine = Database("mine")
    table = make_table(mine, 100)
    replica = replicate_to(mine, node.address, "sync")
    refusal = Refused("epoch", "epoch 1 has begun", 1)
    replica._note_epoch(refusal)
    put(mine, table, 1, "epoch 1 is its own")
    replica._note_epoch(Refused("epoch", "epoch 2 has begun", 2))
    with pytest.raises(Exception, match="read-only"):
        put(mine, table, 2, "too late")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_others_that_followed_it_go_on(start: Callable[[], Node], mode: Mode) -> None:
    """Those who are linked to a primary that has handed its place over follow on, down a chain, and know the epoch."""
    first, second, third = start(), start(), start()
    table = make_table(first.database, 100)
    second.follow(first.address, "sync")
    third.follow(first.address, mode)
    until(partial(in_step, first, 1 + (mode == "sync")), "in step")
    until(partial(is_level, third, first), "level")
    for number in range(2):
        switch(first, second)
        put(second.database, table, number, "by who leads now")
        until(partial(is_level, third, second), "level")
        epoch = second.system.identity.epoch
        replication.wait_for_token(third.database, f"{epoch}:{third.database.root.lsn}", 5)
        first, second = second, first


def test_others_are_told_that_its_time_is_over(start: Callable[[], Node]) -> None:
    first, second, third = start(), start(), start()
    make_table(first.database, 100)
    for node in (second, third):
        node.follow(first.address, "sync")
    until(partial(in_step, first, 2), "both are in step")
    second.promote()
    until(lambda: "epoch 2 has begun" in third.status()["following"]["reason"], "it knows why nothing comes")
    assert not third.status()["following"]["linked"]
