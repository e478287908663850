"""Nodes of two versions side by side: each refuses the other and says why, and nothing is lost by that."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

import tandemdb
from tandemdb.replication.errors import OtherVersion
from tandemdb.replication.network.wire import PROTOCOL

from .processes import ROOT, NodeProcess, StoreProcess, in_step, run, until

OTHER_VERSION = "tests.replication.other_version"
# What a side of this version says of one of the other, which is newer, and the reverse.
HERE = f"protocol version {PROTOCOL + 1} not supported: this side speaks version {PROTOCOL}; upgrade this side"
THERE = f"protocol version {PROTOCOL} not supported: this side speaks version {PROTOCOL + 1}; upgrade the other side"


class OtherNode(NodeProcess):
    """A node of another version."""

    def __init__(self, *arguments: str, listen: str = "127.0.0.1:0") -> None:
        self._start([OTHER_VERSION, "serve", "--name", "shop", "--listen", listen, *arguments], dict(os.environ))


class OtherStore(StoreProcess):
    """A store of another version."""

    def __init__(self, listen: str) -> None:
        self._start([OTHER_VERSION, "store", "--name", "shop", "--listen", listen], dict(os.environ))


def run_other(*arguments: str) -> tuple[int, str]:
    """Run a command of the other version."""
    command = [sys.executable, "-m", OTHER_VERSION, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    return done.returncode, done.stdout


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
    until(lambda: THERE in told(newer) and HERE in told(primary), "both say why")
    older = kept(running, NodeProcess("--node", "o", "--secondary-of", newer.url))
    until(lambda: older.status()["following"]["reason"] == HERE, "its status says why")
    assert older.status()["following"]["heard_seconds"] == 0.0, "it has heard nothing yet"
    with primary.connect() as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    assert [entry["name"] for entry in primary.status()["secondaries"]] == ["s"]
    until(lambda: secondary.status()["lsn"] == primary.status()["lsn"], "level")


def test_a_primary_that_connects_clients_and_operators(running: ExitStack) -> None:
    """Each is told at once, changes nothing, and both nodes go on serving their own version."""
    node = kept(running, NodeProcess())
    with node.connect() as connection:
        connection.execute("CREATE TABLE t (a)")
    newer = kept(running, OtherNode())
    before = node.status()
    with pytest.raises(OtherVersion, match=HERE):
        tandemdb.connect(newer.url)
    with pytest.raises(tandemdb.OperationalError, match="none of 2 nodes takes writes") as unfound:
        tandemdb.connect(f"tandemdb://{newer.listen},{newer.listen}/shop", timeout=0.5)
    assert HERE in str(unfound.value.__notes__)
    for method, *arguments in (["status"], ["promote"], ["follow", node.url, "sync", False], ["stand_aside"]):
        with pytest.raises(OtherVersion, match=HERE):
            newer.ask(method, *arguments)
    with pytest.raises(OtherVersion, match=HERE):
        node.ask("follow", newer.url, "sync", False)
    with tandemdb.connect(":memory:") as own, pytest.raises(OtherVersion, match=HERE):
        own.replicate_to(newer.url)
    for command in (["status", node.url], ["follow", newer.url, node.url]):
        assert run_other(*command) == (1, f"tandemdb: {THERE}\n")
    assert run("promote", newer.url) == (1, f"tandemdb: {HERE}\n")
    assert run_other("status", newer.url)[0] == 0
    assert {key: before[key] for key in ("role", "epoch", "lsn")} == {
        key: node.status()[key] for key in ("role", "epoch", "lsn")
    }
    with connection:
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()


@pytest.mark.skipif(os.name == "nt", reason="unix sockets")
def test_a_store_of_another_version(running: ExitStack, tmp_path: Path) -> None:
    store = kept(running, StoreProcess(f"unix:{tmp_path / 'one.sock'}"))
    newer = kept(running, OtherStore(f"unix:{tmp_path / 'other.sock'}"))
    serve = ("serve", "--name", "shop", "--listen", "127.0.0.1:0", "--store")
    assert run(*serve, newer.url) == (1, f"tandemdb: {HERE}\n")
    assert run_other(*serve, store.url) == (1, f"tandemdb: {THERE}\n")
    until(lambda: HERE in told(store) and THERE in told(newer), "the stores' logs say it, too")
    assert store.status()["attached"] == ""
    kept(running, NodeProcess("--store", store.url))


def test_with_a_coordinator_one_of_another_version_waits_and_is_never_promoted(
    running: ExitStack, tmp_path: Path
) -> None:
    coordinator = ["--coordinator", f"file:{tmp_path / 'shop.json'}", "--lease", "1"]
    primary = kept(running, NodeProcess("--node", "p", *coordinator))
    newer = kept(running, OtherNode("--node", "n", *coordinator))
    until(lambda: THERE in told(newer) and HERE in told(primary), "both say why")
    with primary.connect() as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    status = primary.status()
    assert status["role"] == "primary" and status["coordination"]["sync_set"] == []
    primary.kill()
    until(lambda: "nobody leads, and this node is not known" in told(newer), "it waits")
    assert "leads" not in told(newer).replace("nobody leads", "")


def test_one_of_two_replaced_by_another_version(running: ExitStack) -> None:
    """Neither side takes anything of the other, whichever is the newer one, and nothing that is there is lost."""
    primary = kept(running, NodeProcess("--node", "p"))
    with primary.connect() as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(100)])
    connection.close()
    secondary = kept(running, OtherNode("--node", "s", "--secondary-of", primary.url))
    until(lambda: THERE in told(secondary), "refused")
    secondary.stop()
    # The other way about: the secondary is of the old version when the primary has been replaced.
    secondary = kept(running, NodeProcess("--node", "s", "--secondary-of", primary.url))
    until(lambda: in_step(primary), "in step")
    primary.kill()
    kept(running, OtherNode("--node", "p", listen=primary.listen))
    until(lambda: secondary.status()["following"]["reason"] == HERE, "the secondary refuses it, and says why")
    assert secondary.ask("promote")["commits_missing"] == 0
    with secondary.connect() as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (100,)
    connection.close()


@pytest.mark.parametrize("coordinated", [False, True])
def test_the_data_go_to_another_version_by_way_of_a_backup_target(
    coordinated: bool, running: ExitStack, tmp_path: Path
) -> None:
    """As docs/replication.md says: all that is acknowledged is there, and the new pair goes on."""

    def pair_options(record: str, primary: str) -> list[str]:
        return ["--coordinator", f"file:{tmp_path / record}"] if coordinated else ["--secondary-of", primary]

    begin = pair_options("old.json", "") if coordinated else []
    target = ["--backup-to", f"sqlite:///{tmp_path / 'shop.db'}", "--backup-mode", "sync"]
    primary = kept(running, NodeProcess("--node", "p", *begin, *target))
    secondary = kept(running, NodeProcess("--node", "s", *pair_options("old.json", primary.url)))
    until(lambda: in_step(primary), "in step")
    connection = primary.connect(isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    secondary.stop()
    acknowledged = [0]
    for number in range(1, 4):
        try:
            connection.execute("INSERT INTO t VALUES (?)", (number,))
            acknowledged.append(number)
        except tandemdb.Error:
            assert not coordinated
    primary.stop()
    begin = pair_options("new.json", "") if coordinated else []
    restored = ["--restore-from", target[1]]
    newer = kept(running, OtherNode("--node", "p", *begin, *restored, *target, listen=primary.listen))
    assert newer.line.endswith(("as primary\n", "as waiting\n"))
    second = kept(running, OtherNode("--node", "s", *pair_options("new.json", newer.url)))
    script = tmp_path / "script.sql"
    script.write_text("INSERT INTO t VALUES (0); SELECT group_concat(a) AS found FROM (SELECT a FROM t ORDER BY a);")
    status, text = run_other("run", str(script), "--database", newer.url)
    assert (status, text.split()[-1]) == (0, ",".join(map(str, acknowledged))), text
    until(partial(verifies, newer, second), "both are equal", 30)


def verifies(one: NodeProcess, other: NodeProcess) -> bool:
    return run_other("verify", one.url, other.url)[0] == 0
