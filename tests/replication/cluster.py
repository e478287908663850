"""A cluster of nodes over real sockets in one process, with a coordinator whose leases lapse when a test says so."""

from __future__ import annotations

from typing import Any

from tandemdb.dbapi.serving import open_handler
from tandemdb.replication.coordination import CoordinatorLost, Lease, Record, State
from tandemdb.replication.coordination.memory import MemoryCoordinator
from tandemdb.replication.core.limits import GATHER_SECONDS, Limits
from tandemdb.replication.node import Node
from tandemdb.storage import Database

from .ports import KeptPort
from .processes import until

LEASE_SECONDS = 0.8  # by the test's clock; by the real one, nodes look after things several times within it


class Clock:
    """Leases lapse when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Line:
    """One node's way to the coordinator, which can be cut."""

    def __init__(self, coordinator: MemoryCoordinator) -> None:
        self.coordinator = coordinator
        self.is_cut = False

    def reach(self) -> MemoryCoordinator:
        if self.is_cut:
            raise CoordinatorLost("the line is cut")
        return self.coordinator

    def read(self) -> State:
        return self.reach().read()

    def cas(self, revision: int, record: Record, lease: Lease) -> int | None:
        return self.reach().cas(revision, record, lease)

    def lease(self, holder: str, seconds: float) -> Lease | None:
        return self.reach().lease(holder, seconds)

    def renew(self, lease: Lease) -> bool:
        return self.reach().renew(lease)

    def release(self, lease: Lease) -> None:
        self.reach().release(lease)

    def watch(self, state: State, seconds: float) -> State:
        return self.reach().watch(state, min(seconds, 0.05))

    def close(self) -> None:
        """Nothing is open."""


class Cluster:
    """Nodes of one cluster, and what is done to them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.coordinator = MemoryCoordinator(self.clock)
        self.nodes: list[Node] = []
        self.lines: dict[Node, Line] = {}
        self.ports: list[KeptPort] = []

    def start(self, port: int = 0, data: Database | None = None, **options: Any) -> Node:
        bootstrap = options.pop("bootstrap", False)
        if not port:
            self.ports.append(KeptPort())  # For the node that is started in its place.
            port = self.ports[-1].number
        limits = Limits(gather_seconds=GATHER_SECONDS, **{"loss_grace_seconds": 0.1, **options})
        node = Node(data or Database("shop"), port=port, limits=limits, sessions=open_handler)
        line = self.lines[node] = Line(self.coordinator)
        node.coordinate(line, LEASE_SECONDS, bootstrap=bootstrap, clock=self.clock)
        node.start()
        self.nodes.append(node)
        return node

    def start_in_step(self, primary: Node, **options: Any) -> Node:
        """Start a secondary and wait until the record names it."""
        node = self.start(**options)
        until(lambda: node.system.identity.node in self.named(), "the record names it")
        return node

    def named(self) -> list[str]:
        record = self.coordinator.read().record
        return [member.node for member in record.sync_set] if record is not None else []

    def await_all_named(self, count: int) -> None:
        """Wait until the record names so many nodes as they are now, not as they were before they were restarted."""

        def are_named() -> bool:
            running = {node.system.identity.incarnation.hex() for node in self.nodes if node.is_running}
            record = self.coordinator.read().record
            return record is not None and sum(member.incarnation in running for member in record.sync_set) == count

        try:
            until(are_named, "all are in step")
        except AssertionError as error:
            text = "\n".join(str(node.status()) for node in self.nodes if node.is_running)
            raise AssertionError(f"{error}\n{self.coordinator.read()}\n{text}") from None

    def kill(self, node: Node) -> None:
        """End a node without a word: its lease is not given back."""
        self.lines[node].is_cut = True
        node.stop()

    def sever(self, node: Node) -> None:
        """Cut a secondary from the coordinator and from its primary."""
        self.lines[node].is_cut = True
        until(lambda: reason(node) == "the line is cut", "it has noticed")
        link = node.system.link
        assert link is not None
        link.stop()

    def let_lapse(self) -> None:
        """Let the time of one lease pass; who can renews it soon after."""
        self.clock.now += LEASE_SECONDS + 0.01

    def leader(self) -> Node | None:
        leaders = [node for node in self.nodes if node.is_running and may_acknowledge(node)]
        assert len(leaders) <= 1, "two nodes lead"
        return leaders[0] if leaders else None

    def await_leader(self, *among: Node) -> Node:
        until(lambda: self.leader() in among, "one of them leads")
        leader = self.leader()
        assert leader is not None
        return leader

    def close(self) -> None:
        for node in self.nodes:
            if node.is_running:
                node.stop()


def may_acknowledge(node: Node) -> bool:
    keeper = node.keeper
    return keeper is not None and keeper.in_office and keeper.authority.holds


def role(node: Node) -> str:
    return str(node.status()["role"])


def reason(node: Node) -> str:
    return str(node.status()["coordination"]["reason"])


def has(node: Node, table: int, key: int) -> bool:
    found = node.database.root.tables.get(table)
    return found is not None and found.find(key) is not None


def equal(one: Node, other: Node) -> bool:
    return one.database.digest() == other.database.digest()
