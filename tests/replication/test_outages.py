"""Real processes and a real etcd that is cut off, stopped, slow, restarted and wiped, while somebody writes."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

import tandemdb
from tandemdb.replication.errors import LeaseLost
from tandemdb.testing.fault_proxy import FaultProxy, StreamFaults

from .etcd_server import EtcdServer
from .processes import NodeProcess, run, until
from .test_failover_processes import SCRIPT, Clerk, leads, named, url_of

LEASE_SECONDS = 3


class Site:
    """A node and its own way to etcd."""

    def __init__(self, running: ExitStack, etcd: EtcdServer, script: Path) -> None:
        host, _, port = etcd.endpoint.partition(":")
        self.way = FaultProxy(host, int(port))
        self.way.start()
        running.callback(self.way.stop)
        coordinator = f"etcd://127.0.0.1:{self.way.port}/shop"
        self.node = NodeProcess(
            "--coordinator", coordinator, "--lease", str(LEASE_SECONDS), "--load", str(script)
        )
        running.callback(self.node.stop)

    @property
    def epoch(self) -> int:
        return int(self.node.status()["epoch"])


class Outages:
    """Two sites, a clerk who writes to whichever leads, and what is done to etcd."""

    def __init__(self, running: ExitStack, folder: Path) -> None:
        script = folder / "script.sql"
        script.write_text(SCRIPT)
        self.folder = folder
        self.etcd = EtcdServer(folder)
        running.callback(self.etcd.close)
        self.first, self.second = Site(running, self.etcd, script), Site(running, self.etcd, script)
        self.await_named(self.first)
        self.clerk = Clerk(url_of(self.first.node, self.second.node))
        self.clerk.start()
        running.callback(self.clerk.stopping.set)
        self.await_commits()

    def await_commits(self) -> None:
        before = len(self.clerk.acknowledged)
        until(lambda: len(self.clerk.acknowledged) > before + 5, "commits go on")

    def await_named(self, site: Site) -> None:
        until(lambda: len(named(site.node)) == 1, "the other one is named")

    def leader(self) -> Site | None:
        leaders = [site for site in (self.first, self.second) if leads(site.node)]
        assert len(leaders) <= 1, "two nodes lead"
        return leaders[0] if leaders else None

    def await_leader(self) -> Site:
        until(lambda: self.leader() is not None, "one of them leads")
        leader = self.leader()
        assert leader is not None
        return leader

    def expect_refusal(self, site: Site) -> None:
        """Nothing is acknowledged there before long, and reading goes on."""
        until(lambda: not leads(site.node), "it fences itself")
        with tandemdb.connect(site.node.url, isolation_level=None) as connection:
            with pytest.raises(LeaseLost):
                connection.execute("UPDATE total SET entries = entries")
            assert connection.execute("SELECT count(*) FROM total").fetchone() == (1,)

    def expect_nobody(self, epoch: int) -> None:
        """While it lasts, for longer than a lease, nobody leads and nobody is promoted."""
        deadline = time.monotonic() + 1.2 * LEASE_SECONDS
        while time.monotonic() < deadline:
            assert self.leader() is None and max(self.first.epoch, self.second.epoch) == epoch
            time.sleep(0.05)


@pytest.mark.timeout(300)
def test_outages_of_the_coordinator(running: ExitStack, tmp_path: Path) -> None:
    scene = Outages(running, tmp_path)
    first, second = scene.first, scene.second

    second.way.cut()  # The secondary alone: nothing changes.
    until(lambda: "does not answer" in second.node.status()["coordination"]["reason"], "it has noticed")
    time.sleep(1.2 * LEASE_SECONDS)
    scene.await_commits()
    assert scene.leader() is first and first.epoch == 1
    second.way.heal()

    first.way.cut()  # The primary alone: it fences itself, and is succeeded though it lives.
    scene.expect_refusal(first)
    until(partial(leads, second.node), "the other one leads")
    scene.await_commits()
    first.way.heal()
    scene.await_named(second)
    assert first.node.status()["orphans"] == 0 and second.epoch == 2

    scene.etcd.stop()  # For all: no writes, and no promotion.
    scene.expect_refusal(second)
    scene.expect_nobody(2)
    scene.etcd.start()
    leader = scene.await_leader()
    scene.await_commits()
    scene.await_named(leader)

    epoch = leader.epoch
    for site in (first, second):  # Slower than anybody waits.
        site.way.set_faults(StreamFaults(delay_seconds=3.0), "down")
    scene.expect_refusal(leader)
    scene.expect_nobody(epoch)
    for site in (first, second):
        site.way.cut()  # What is delayed yet would hold up what comes after it.
        site.way.heal()
    leader = scene.await_leader()
    scene.await_commits()
    scene.await_named(leader)

    epoch = leader.epoch
    scene.etcd.stop()
    shutil.rmtree(tmp_path / "etcd")
    scene.etcd.start()
    until(partial(leads, leader.node), "who led goes on")
    assert leader.epoch == epoch
    scene.await_commits()
    scene.await_named(leader)

    scene.clerk.finish()
    scene.clerk.check(url_of(first.node, second.node))
    status, text = run("verify", first.node.url, second.node.url)
    assert status == 0, text
