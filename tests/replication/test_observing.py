"""What is told of replication: status and its drawing, metrics, events, tokens to read one's own writes by."""

from __future__ import annotations

import logging
import re
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

import tandemdb
from tandemdb import replication
from tandemdb.dbapi import nodes
from tandemdb.replication.core.messages import Frame
from tandemdb.replication.events import EVENTS, counts, emit
from tandemdb.replication.metrics import write_metrics
from tandemdb.replication.node import Node
from tandemdb.replication.overview import draw, draw_bar
from tandemdb.testing import VirtualClock

from .ports import KeptPort
from .processes import ROOT, NodeProcess, in_step, run, until


def make_pair(mode: str = "sync") -> tuple[tandemdb.Connection, tandemdb.Connection, replication.Replica]:
    primary, standby = (tandemdb.connect(":memory:", check_same_thread=False) for _ in range(2))
    primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    return primary, standby, primary.replicate_to(standby, mode)


def put(connection: tandemdb.Connection, key: int) -> None:
    connection.execute("INSERT INTO t VALUES (?)", (key,))
    connection.commit()


def test_replication_status_of_both_sides() -> None:
    alone = tandemdb.connect(":memory:")
    status = alone.replication_status()
    assert (list(status), status.role, status.epoch, status.lsn) == ([], "primary", 0, 0)
    primary, standby, replica = make_pair()
    put(primary, 1)
    status = primary.replication_status()
    assert (status.role, status.epoch, status.lsn, status.is_exposed) == ("primary", 1, 2, False)
    assert [entry.state for entry in status] == ["in step"] and status.following is None
    assert "primary, epoch 1, LSN 2" in str(status) and "sync, in step, LSN 2, 0 commits, 0 bytes" in str(status)
    status = standby.replication_status()
    assert (status.role, status.epoch, status.lsn) == ("secondary", 1, 2) and status.following is not None
    assert "follows a primary that connects: sync, following, linked, 0 commits behind" in str(status)
    replica.cut()
    primary.continue_alone()
    put(primary, 2)
    put(primary, 3)
    status = primary.replication_status()
    [entry] = status
    assert (entry.state, entry.lag_commits, status.is_exposed) == ("lost", 2, True)
    assert entry.lag_bytes > 0 and entry.lag_seconds > 0
    assert "EXPOSED" in str(status)
    standby.promote()
    assert standby.replication_status().role == "primary" and standby.replication_status().epoch == 2


def test_a_catch_up_is_drawn_with_a_bar() -> None:
    clock = VirtualClock()
    primary, standby = tandemdb.connect(":memory:"), tandemdb.connect(":memory:")
    primary.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    primary.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(10_000)])
    primary.commit()
    seen = []

    def look(seconds: float) -> None:
        clock.pause(seconds)

    replica = replication.attach(primary._database, standby._database, "async", clock=clock, pause=look)
    replica.cut()
    core = replica.link.secondary
    receive = core.receive

    def receive_and_look(frame: Frame, now: float) -> None:
        receive(frame, now)
        seen.append(str(primary.replication_status()))

    standby.execute("SELECT 1")
    core.receive = receive_and_look  # type: ignore[method-assign]
    core.identity.history.clear()  # so that blocks must be compared
    core.unseen.last_transaction = 0
    replica.heal()
    until(lambda: replica.status.lag_commits == 0, "level")
    bars = [re.search(r"\[(#*)\.*\] ([\d,]+) of ([\d,]+) blocks", text) for text in seen]
    shown = [int(bar[2].replace(",", "")) for bar in bars if bar is not None]
    assert shown == sorted(shown)
    assert draw_bar(0, 80) == "  [..............................] 0 of 80 blocks"
    assert draw_bar(40, 80) == "  [###############...............] 40 of 80 blocks"
    assert draw_bar(1234, 1234) == "  [##############################] 1,234 of 1,234 blocks"


def test_metrics_are_what_prometheus_reads() -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")
    with ExitStack() as running:
        primary = NodeProcess("--metrics", "127.0.0.1:0")
        running.callback(primary.stop)
        secondary = NodeProcess("--secondary-of", primary.url, "--node", 'odd "name"\\')
        running.callback(secondary.stop)
        until(lambda: in_step(primary), "in step")
        with primary.connect() as connection:
            connection.execute("CREATE TABLE t (a)")
        until(lambda: primary.status()["secondaries"][0]["lag_commits"] == 0, "level")
        address = primary.next_line().split()[-1]
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address + "x", timeout=60)
        families = {family.name: family for family in parser.text_string_to_metric_families(text)}
        samples = {(one.name, one.labels.get("role")): one for family in families.values() for one in family.samples}
        assert samples["tandemdb_lsn", None].value == 1
        assert samples["tandemdb_role", "primary"].value == 1 and samples["tandemdb_role", "secondary"].value == 0
        lag = samples["tandemdb_secondary_lag_commits", None]
        assert lag.value == 0 and lag.labels["secondary"] == 'odd "name"\\' and lag.labels["mode"] == "sync"
        assert samples["tandemdb_secondary_in_step", None].value == 1
        assert families["tandemdb_events"].type == "counter"
        events = {one.labels["event"] for one in families["tandemdb_events"].samples}
        assert {"listening", "secondary_registered", "secondary_in_step"} <= events
        text = write_metrics({**secondary.status(), "coordination": coordination()})
        names = {family.name for family in parser.text_string_to_metric_families(text)}
        assert {"tandemdb_following_linked", "tandemdb_following_lag_commits", "tandemdb_may_acknowledge"} <= names
        status, printed = run("serve", "--name", "x", "--listen", "127.0.0.1:0", "--metrics", address[7:-8])
        assert status == 1 and "unable to listen" in printed


def coordination() -> dict[str, object]:
    return {"may_acknowledge": True, "may_be_promoted": False, "epoch": 3}


def test_events_are_structured_and_documented(caplog: pytest.LogCaptureFixture) -> None:
    before = counts.get("fenced", 0)
    with caplog.at_level(logging.INFO, "tandemdb.replication"):
        emit("fenced", node="a:7432", epoch=4)
        emit("exposed", node="a:7432", lsn=9, lost=["b", "c"], why="told to")
    first, second = caplog.records
    assert (first.event, first.node, first.epoch) == ("fenced", "a:7432", 4)  # type: ignore[attr-defined]
    assert first.getMessage() == "a:7432 is fenced by epoch 4" and first.levelno == logging.WARNING
    assert second.lost == ["b", "c"] and "not acknowledged by b, c" in second.getMessage()  # type: ignore[attr-defined]
    assert counts["fenced"] == before + 1
    text = (ROOT / "docs" / "replication.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", text, re.MULTILINE)
    documented = {name: (level, set(re.findall(r"`(\w+)`", fields))) for name, level, fields in table}
    expected = {
        name: (logging.getLevelName(event.level).lower(), set(re.findall(r"{(\w+)}", event.text)))
        for name, event in EVENTS.items()
    }
    assert documented == expected


def test_every_event_that_is_emitted_is_known() -> None:
    used = set()
    for path in (ROOT / "tandemdb" / "replication").rglob("*.py"):
        used |= set(re.findall(r"""(?:emit|_tell)\(\s*"(\w+)",""", path.read_text(encoding="utf-8")))
    feed = {"target_lost", "target_refused", "target_superseded"}  # their names are put together
    assert used | feed == set(EVENTS)


def test_reading_what_one_wrote() -> None:
    primary, standby, replica = make_pair("async")
    replica.cut()
    put(primary, 1)
    token = primary.commit_token()
    with pytest.raises(tandemdb.OperationalError, match="is not here within 0.05 s"):
        standby.wait_for(token, 0.05)
    reader = threading.Thread(target=standby.wait_for, args=(token, 30))
    reader.start()
    replica.heal()
    reader.join(60)
    assert not reader.is_alive()
    assert standby.execute("SELECT a FROM t").fetchall() == [(1,)]
    standby.wait_for(token, 0)
    primary.wait_for(token, 0)
    for wrong in ("", "1", "a:b", "1:-2", None):
        with pytest.raises(tandemdb.ProgrammingError, match="not a commit's token"):
            standby.wait_for(wrong)  # type: ignore[arg-type]


def test_a_token_of_a_lost_commit_is_refused() -> None:
    primary, standby, replica = make_pair("async")
    replica_lsn = primary.lsn
    until(lambda: standby.lsn == replica_lsn, "level")
    replica.cut()
    put(primary, 1)
    token = primary.commit_token()
    standby.promote()
    put(standby, 2)
    put(standby, 3)
    assert standby.lsn > primary.lsn
    with pytest.raises(tandemdb.OperationalError, match="is no part of this history"):
        standby.wait_for(token, 5)
    assert standby.commit_token() == f"2:{standby.lsn}"


def test_tokens_between_nodes_and_down_a_chain(tmp_path: Path) -> None:
    """primary --> first --> second: what is written on one is read, by its token, on any."""
    with ExitStack() as running:
        primary = NodeProcess()
        running.callback(primary.stop)
        first = NodeProcess("--secondary-of", primary.url)
        running.callback(first.stop)
        until(lambda: in_step(primary), "in step")
        second = NodeProcess("--secondary-of", first.url, "--mode", "async")
        running.callback(second.stop)
        writer = primary.connect(isolation_level=None)
        writer.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        readers = [first.connect(), second.connect()]
        for number in range(20):
            writer.execute("INSERT INTO t VALUES (?)", (number,))
            token = writer.commit_token()
            for reader in readers:
                reader.wait_for(token, 30)
                assert reader.execute("SELECT max(a) FROM t").fetchone() == (number,)
        status = readers[0].replication_status()
        assert status.role == "secondary" and [entry.name for entry in status] == [second.listen]
        assert run("verify", primary.url, second.url)[0] == 0
        # The one in the middle dies; the end of the chain follows the head.
        first.kill()
        assert run("follow", second.url, primary.url, "--mode", "async")[0] == 0
        primary.ask("detach", first.listen)
        writer.execute("INSERT INTO t VALUES (100)")
        readers[1].wait_for(writer.commit_token(), 30)
        assert readers[1].execute("SELECT max(a) FROM t").fetchone() == (100,)
        assert run("verify", primary.url, second.url)[0] == 0
        for connection in (writer, readers[1]):
            connection.close()


def test_a_status_says_why_a_secondary_is_away() -> None:
    """Not why it was once given all blocks."""
    first, second = (nodes.serve(name, node=name) for name in ("away first", "away second"))
    try:
        second.follow(first.address, "sync")
        until(lambda: states(first) == ["in step"], "in step")
        second.suspend()
        [line] = [line for line in draw(second.status()) if line.startswith("follows ")]
        assert line == f"follows {first.address}: sync, suspended, 0 commits behind"
        second.resume()
        until(lambda: states(first) == ["in step"], "in step")
        second.promote()
        until(lambda: first.status()["role"] == "fenced", "it knows")
        assert draw(first.status())[-1] == "  epoch 2 has begun elsewhere"
        with tandemdb.connect(str(first.address)) as connection:
            with pytest.raises(tandemdb.OperationalError, match="attempt to write a readonly database") as caught:
                connection.execute("CREATE TABLE t (a)")
        connection.close()
        assert "epoch 2 has begun elsewhere, and its primary takes the writes" in caught.value.__notes__[0]
        first.follow(second.address, "sync")
        until(lambda: states(second) == ["in step"], "in step")
        first.stop()
        until(lambda: states(second) == ["lost"], "it is lost")
        assert draw(second.status())[-1] == "  the other side has closed the link"
    finally:
        for node in (first, second):
            node.stop()
            tandemdb.drop(node.database.name)


def test_a_status_of_one_that_has_never_been_linked() -> None:
    nowhere = KeptPort()
    node = nodes.serve("never linked", secondary_of=f"tandemdb://{nowhere}/shop")
    try:
        until(lambda: "refused" in node.status()["following"]["reason"], "it has tried")
        _, place, *following = draw(node.status())
        assert place.endswith(" 0 clients"), "of no cluster yet"
        assert following[0] == f"follows tandemdb://{nowhere}/shop: sync, not linked, 0 commits behind"
        assert following[1].startswith(f"  unable to connect to tandemdb://{nowhere}/shop: ")
    finally:
        node.stop()
        tandemdb.drop("never linked")


def states(primary: Node) -> list[str]:
    return [entry["state"] for entry in primary.status()["secondaries"]]


def test_nobody_on_the_record_is_written_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tandemdb.replication"):
        emit("record_changed", node="n", epoch=1, primary="n", sync_set=[])
    assert caplog.messages == ["n has changed the record: epoch 1, primary n, sync_set nobody"]
