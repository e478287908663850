"""Tokens: what became of a transaction whose commit was in doubt, asked by a name of the program's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import tandemdb
from tandemdb.dbapi import nodes
from tandemdb.planner import tokens
from tandemdb.replication import CommitInDoubt
from tandemdb.replication.network.transport import Channel
from tandemdb.replication.node import Node
from tandemdb.testing import Faults, pair
from tandemdb.testing.fault_proxy import FaultProxy

from .processes import until

SCRIPT = "CREATE TABLE t (a INTEGER PRIMARY KEY)"


def book(connection: tandemdb.Connection, token: str, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.mark(token)
    connection.execute("INSERT INTO t VALUES (?)", (number,))
    connection.execute("COMMIT")


def test_it_is_known_if_and_only_if_the_transaction_was_committed() -> None:
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.execute(SCRIPT)
    assert not connection.was_committed("first")
    book(connection, "first", 1)
    assert connection.was_committed("first")
    connection.execute("BEGIN")
    connection.mark("second")
    with pytest.raises(tandemdb.OperationalError, match="within a transaction"):
        connection.was_committed("second")
    connection.execute("ROLLBACK")
    assert not connection.was_committed("second")
    connection.execute("BEGIN")
    with pytest.raises(tandemdb.IntegrityError, match="committed before"):
        connection.mark("first")
    connection.execute("ROLLBACK")
    with pytest.raises(tandemdb.OperationalError, match="no transaction is active"):
        connection.mark("third")
    with pytest.raises(tandemdb.ProgrammingError, match="a token is a str"):
        connection.mark(3)  # type: ignore[arg-type]
    assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["t"]
    assert "sqlite_tokens" not in "".join(connection.iterdump())


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "TOKENS_MAX", 3)
    connection = tandemdb.connect(":memory:", isolation_level=None)
    connection.execute(SCRIPT)
    for number in range(5):
        book(connection, f"token {number}", number)
    assert [connection.was_committed(f"token {number}") for number in range(5)] == [False, False, True, True, True]


def test_in_doubt_on_the_primary_and_answered_by_its_successor() -> None:
    with pair(SCRIPT, connect=lambda: tandemdb.connect(":memory:", isolation_level=None)) as both:
        book(both.primary, "certain", 1)
        with pytest.raises(tandemdb.OperationalError, match="readonly"):
            both.standby.was_committed("certain")
        both.replica.link._up.faults = Faults(seed=1, drop=1.0)  # Acknowledgements are lost, data are not,
        both.replica.link.publisher.pause = lambda seconds: both.cut()  # and then the link is.
        with pytest.raises(CommitInDoubt):
            book(both.primary, "in doubt", 2)
        both.primary.execute("ROLLBACK")
        both.promote()
        assert both.standby.was_committed("certain")
        assert both.standby.was_committed("in doubt")
        assert not both.standby.was_committed("never heard of")
        with pytest.raises(tandemdb.IntegrityError):
            book(both.standby, "in doubt", 2)


@pytest.fixture
def served() -> Iterator[tuple[Node, FaultProxy, tandemdb.Connection, tandemdb.Connection]]:
    name = "tokens"
    node = nodes.serve(name)
    proxy = FaultProxy(node.address.host, node.address.port)
    proxy.start()
    local = tandemdb.connect(f":memory:{name}", isolation_level=None)
    local.execute(SCRIPT)
    far = tandemdb.connect(
        str(node.address.with_port(proxy.port)), isolation_level=None, check_same_thread=False
    )
    yield node, proxy, local, far
    local.close()
    node.stop()
    proxy.stop()
    tandemdb.drop(name)


@pytest.mark.parametrize(("direction", "committed"), [("up", False), ("down", True)])
def test_a_client_whose_link_breaks_at_commit(
    served: tuple[Node, FaultProxy, tandemdb.Connection, tandemdb.Connection],
    direction: str,
    committed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """COMMIT is lost on its way, or its answer is: the client cannot know, and asks."""
    _, proxy, local, far = served
    far.execute("BEGIN IMMEDIATE")
    far.mark("order 4711")
    far.execute("INSERT INTO t VALUES (4711)")
    with pytest.raises(tandemdb.OperationalError, match="database is locked"):
        tandemdb.connect(local_name(served), timeout=0.0).was_committed("order 4711")  # It may be the one.
    proxy.stall(direction)  # type: ignore[arg-type]
    raised: list[BaseException] = []
    sent = threading.Event()
    send_bytes = Channel.send_bytes

    def send_and_tell(channel: Channel, data: bytes) -> None:
        send_bytes(channel, data)
        if threading.current_thread() is thread:
            sent.set()

    monkeypatch.setattr(Channel, "send_bytes", send_and_tell)

    def commit() -> None:
        try:
            far.commit()
        except tandemdb.Error as error:
            raised.append(error)

    thread = threading.Thread(target=commit)
    thread.start()
    assert sent.wait(60)
    if committed:
        until(lambda: bool(local.execute("SELECT count(*) FROM t").fetchone()[0]), "it is committed")
    proxy.cut()
    thread.join(60)
    [error] = raised
    assert isinstance(error, CommitInDoubt)
    proxy.heal()
    again = tandemdb.connect(str(served[0].address.with_port(proxy.port)), isolation_level=None)
    assert again.was_committed("order 4711") is committed
    assert local.execute("SELECT count(*) FROM t").fetchone() == (int(committed),)
    if committed:
        with pytest.raises(tandemdb.IntegrityError):
            book(again, "order 4711", 4712)
    else:
        book(again, "order 4711", 4711)
        assert again.was_committed("order 4711")
    again.close()


def local_name(served: tuple[Node, FaultProxy, tandemdb.Connection, tandemdb.Connection]) -> str:
    return f":memory:{served[0].address.name}"


def test_the_past_of_a_node(served: tuple[Node, FaultProxy, tandemdb.Connection, tandemdb.Connection]) -> None:
    """`as_of` and `restore` over a link: the node keeps the roots."""
    _, _, local, far = served
    far.keep_history(10)
    moments = []
    for number in range(5):
        far.execute("INSERT INTO t VALUES (?)", (number,))
        moments.append(far.lsn)
    past = far.as_of(moments[1])
    assert past.execute("SELECT a FROM t ORDER BY a").fetchall() == [(0,), (1,)]
    with pytest.raises(tandemdb.OperationalError, match="readonly"):
        past.execute("INSERT INTO t VALUES (9)")
    assert far.execute("SELECT count(*) FROM t").fetchone() == (5,)
    past.close()
    far.restore(moments[2])
    assert local.execute("SELECT a FROM t ORDER BY a").fetchall() == [(0,), (1,), (2,)]
    local.restore(moments[0])
    assert far.execute("SELECT a FROM t").fetchall() == [(0,)]
    for connection in (far, local):
        with pytest.raises(tandemdb.OperationalError, match="no such moment"):
            connection.as_of(10_000)
        with pytest.raises(tandemdb.OperationalError, match="no such moment"):
            connection.restore(10_000)
