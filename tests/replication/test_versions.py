"""Nodes of two versions side by side: each refuses the other and says why, and nothing is lost by that."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

import tandemdb
from tandemdb.replication.errors import ReplicationError

from .processes import NodeProcess, in_step, run, until

OTHER_VERSION = "tests.replication.other_version"


class OtherNode(NodeProcess):
    """A node of another version."""

    def __init__(self, *arguments: str, listen: str = "127.0.0.1:0") -> None:
        self._start([OTHER_VERSION, "serve", "--name", "shop", "--listen", listen, *arguments], dict(os.environ))


def kept(running: ExitStack, node: NodeProcess) -> NodeProcess:
    running.callback(node.stop)
    return node


def told(node: NodeProcess) -> str:
    return "".join(node.log)


def test_a_secondary_of_another_version(running: ExitStack) -> None:
    """The primary goes on, with the secondary that it has."""
    primary = kept(running, NodeProcess("--node", "p"))
    secondary = kept(running, NodeProcess("--node", "s", "--secondary-of", primary.url))
    until(lambda: in_step(primary), "in step")
    newer = kept(running, OtherNode("--node", "n", "--secondary-of", primary.url))
    until(lambda: "not supported" in told(newer) and "not supported" in told(primary), "both say why")
    older = kept(running, NodeProcess("--node", "o", "--secondary-of", newer.url))
    assert older.status()["following"]["heard_seconds"] == 0.0, "it has heard nothing yet"
    with primary.connect() as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    assert [entry["name"] for entry in primary.status()["secondaries"]] == ["s"]
    with pytest.raises(ReplicationError, match="version"):
        tandemdb.connect(newer.url)
    status, text = run("status", newer.url)
    assert status == 1 and "version" in text and "Upgrade the older of the two" in text
    until(lambda: secondary.status()["lsn"] == primary.status()["lsn"], "level")


def test_one_of_two_replaced_by_another_version(running: ExitStack) -> None:
    """Neither side takes anything of the other, whichever is the newer one, and nothing that is there is lost."""
    primary = kept(running, NodeProcess("--node", "p"))
    with primary.connect() as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(100)])
    connection.close()
    secondary = kept(running, OtherNode("--node", "s", "--secondary-of", primary.url))
    until(lambda: "not supported" in told(secondary), "refused")
    secondary.stop()
    # The other way about: the secondary is of the old version when the primary has been replaced.
    secondary = kept(running, NodeProcess("--node", "s", "--secondary-of", primary.url))
    until(lambda: in_step(primary), "in step")
    primary.kill()
    kept(running, OtherNode("--node", "p", listen=primary.listen))
    until(lambda: "version" in secondary.status()["following"]["reason"], "the secondary refuses it, and says why")
    assert secondary.ask("promote")["commits_missing"] == 0
    with secondary.connect() as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (100,)
    connection.close()
