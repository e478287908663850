"""Wrong arguments, and the wrong order, of what concerns the past, tokens, waiting, suspending and comparing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

import tandemdb
from tandemdb.cli.serve import describe_risk
from tandemdb.dbapi import nodes
from tandemdb.replication.errors import LinkLost
from tandemdb.replication.network.calls import Caller

from .processes import NodeProcess, run, until


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    process = NodeProcess()
    yield process
    process.stop()


@pytest.fixture(params=["here", "node"])
def connection(request: pytest.FixtureRequest) -> Iterator[tandemdb.Connection]:
    if request.param == "here":
        opened = tandemdb.connect(":memory:", isolation_level=None)
    else:
        opened = request.getfixturevalue("node").connect(isolation_level=None)
    opened.execute("CREATE TABLE IF NOT EXISTS t (a)")
    yield opened
    opened.close()


@pytest.mark.parametrize("moment", [None, "1", 1.0, True, b"1", []])
def test_no_moments(connection: tandemdb.Connection, moment: Any) -> None:
    lsn = connection.lsn
    for ask in (connection.as_of, connection.restore):
        with pytest.raises(tandemdb.ProgrammingError, match="a moment is an LSN or a snapshot, not"):
            ask(moment)
    assert connection.lsn == lsn


@pytest.mark.parametrize("moment", [-1, 0, 1 << 40, 1 << 63, 1 << 80])
def test_moments_that_are_not_kept(connection: tandemdb.Connection, moment: int) -> None:
    for ask in (connection.as_of, connection.restore):
        with pytest.raises(tandemdb.OperationalError, match="no such moment"):
            ask(moment)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


@pytest.mark.parametrize("commits", [None, "3", 1.5, True, -1, 1 << 63])
def test_no_numbers_of_commits(connection: tandemdb.Connection, commits: Any) -> None:
    connection.keep_history(5)
    with pytest.raises(tandemdb.ProgrammingError, match="takes a number of commits"):
        connection.keep_history(commits)
    lsn = connection.lsn
    connection.execute("INSERT INTO t VALUES (1)")
    assert connection.as_of(lsn).lsn == lsn, "what was kept is kept"


@pytest.mark.parametrize("token", [None, 5, b"x", "\ud800"])
def test_no_tokens(connection: tandemdb.Connection, token: Any) -> None:
    connection.execute("BEGIN")
    with pytest.raises(tandemdb.ProgrammingError, match="a token is "):
        connection.mark(token)
    connection.execute("INSERT INTO t VALUES ('taken back')")
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT * FROM t WHERE a = 'taken back'").fetchall() == []
    with pytest.raises(tandemdb.ProgrammingError, match="a token is "):
        connection.was_committed(token)


@pytest.mark.parametrize("timeout", [None, "1", float("nan")])
def test_no_timeouts(connection: tandemdb.Connection, timeout: Any) -> None:
    with pytest.raises(tandemdb.ProgrammingError, match="a timeout is a number of seconds"):
        connection.wait_for("1:999999", timeout)


def test_unknown_options_of_a_target(tmp_path: Path) -> None:
    connection = tandemdb.connect(":memory:")
    with pytest.raises(tandemdb.ProgrammingError, match="unknown option of a backup target: required"):
        connection.replicate_to(f"sqlite:///{tmp_path / 'backup.db'}", required=1)
    assert os.listdir(tmp_path) == [] and connection.replication_status() == []


def test_starting_where_that_cannot_be_leaves_no_file(tmp_path: Path) -> None:
    tandemdb.connect(":memory:").replicate_to(f"sqlite:///{tmp_path / 'backup.db'}")
    for name, options in ((str(tmp_path / "new.db"), {}), (f"file:{tmp_path / 'new.db'}", {"uri": True})):
        with pytest.raises(tandemdb.ProgrammingError, match="only a database in the memory of this process"):
            tandemdb.restore_from(f"sqlite:///{tmp_path / 'backup.db'}", name, **options)
    assert os.listdir(tmp_path) == ["backup.db"]


@pytest.mark.parametrize("seconds", ["nan", "-1", "soon"])
def test_no_times_to_wait_for_a_comparison(seconds: str) -> None:
    status, said = run("verify", "tandemdb://127.0.0.1:1/a", "tandemdb://127.0.0.1:1/b", "--wait", seconds)
    assert status == 2 and f"invalid seconds value: '{seconds}'" in said


def test_promoting_one_that_was_suspended_says_what_is_lost() -> None:
    following = {"primary_lsn": 7, "received": 5, "linked": False, "mode": "sync", "state": "detached"}
    assert "commits that its primary acknowledged after LSN 5 are lost" in describe_risk(following)
    assert "no commit that its primary has acknowledged" in describe_risk({**following, "state": "lost"})


def test_a_node_that_cannot_be_suspended_follows_on(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Caller.call

    def lose(self: Caller, method: str, *arguments: Any, **options: Any) -> Any:
        if method == "detach":
            raise LinkLost("the link broke")
        return call(self, method, *arguments, **options)

    with ExitStack() as stack:
        primary = nodes.serve("suspended's primary")
        stack.callback(tandemdb.drop, "suspended's primary")
        stack.callback(primary.stop)
        secondary = nodes.serve("suspended", secondary_of=str(primary.address))
        stack.callback(tandemdb.drop, "suspended")
        stack.callback(secondary.stop)
        connection = stack.enter_context(closing(tandemdb.connect(str(primary.address), isolation_level=None)))

        def is_level() -> bool:
            states = [status.state for status in connection.replication_status()]
            return states == ["in step"] and secondary.database.root.lsn == connection.lsn

        until(is_level, "it is in step")
        monkeypatch.setattr(Caller, "call", lose)
        with pytest.raises(LinkLost):
            secondary.suspend()
        monkeypatch.undo()
        until(is_level, "it is in step again")
        connection.execute("CREATE TABLE t (a)")
        until(is_level, "it has the commit")
        assert secondary.suspend() == connection.lsn
        connection.execute("INSERT INTO t VALUES (1)")
        secondary.resume()
        until(is_level, "it is in step after its rest")
