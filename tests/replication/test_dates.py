"""Dates and the clock on the wall: certificates that have expired, and a clock that is set while a cluster runs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tandemdb.replication.coordination import Record
from tandemdb.replication.coordination.file import FileCoordinator
from tandemdb.replication.coordination.record import Member
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.network.address import Security
from tandemdb.replication.node import Node
from tandemdb.storage import Database

from .processes import until
from .test_failover import Cluster, has, may_acknowledge
from .test_nodes import ask, make_certificates
from .workload import make_table, put

HOUR_SECONDS = 3600.0


def expired(security: Security) -> Security:
    """A certificate of the same authority, for the same key, that was good until yesterday."""
    here = Path(security.tls_ca).parent
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "-1", "-extfile", "san")
    command = ["openssl", "x509", "-req", "-in", "node.csr", *signing, "-out", "expired.pem"]
    done = subprocess.run(command, cwd=here, capture_output=True)
    if done.returncode:
        pytest.skip("this openssl makes no certificate that has expired")
    return replace(security, tls_cert=str(here / "expired.pem"))


def test_certificates_that_have_expired(tmp_path: Path) -> None:
    good = make_certificates(tmp_path, "ours")
    bad = expired(good)
    for ours, theirs in ((good, bad), (bad, good)):
        node = Node(Database("shop"), security=ours)
        node.start()
        table = make_table(node.database, 10)
        try:
            with pytest.raises(ReplicationError):
                ask(node, theirs).call("status")
            if ours is good:
                assert ask(node, good).call("status").value["role"] == "primary"
            put(node.database, table, 1, "nothing has changed")
        finally:
            node.stop()


@pytest.fixture
def running() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.mark.parametrize("jump_seconds", [HOUR_SECONDS, -HOUR_SECONDS])
def test_a_clock_that_is_set_changes_no_lease(
    running: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jump_seconds: float
) -> None:
    first = running.start()
    table = make_table(first.database, 10)
    second = running.start_in_step(first)
    kept = FileCoordinator(str(tmp_path / "record.json"))
    lease = kept.lease("one", 30.0)
    assert lease is not None
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + jump_seconds)
    time.sleep(0.3)  # Several rounds of each keeper.
    assert may_acknowledge(first) and not may_acknowledge(second)
    put(first.database, table, 100, "goes on")
    assert 0 < first.status()["uptime_seconds"] < 600
    assert kept.lease("other", 30.0) is None and kept.renew(lease), "nobody else gets it, and it has not lapsed"
    assert kept.cas(0, Record("c", 1, Member("one", "1", "here"), (), 1), lease) == 1
    running.kill(first)
    running.let_lapse()
    until(lambda: may_acknowledge(second), "it leads")
    assert has(second, table, 100)
