"""The fault proxy itself, and mirrors over it: every fault of a cable that TCP hides or does not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tandemdb import replication
from tandemdb.replication import CommitInDoubt, ReplicationError
from tandemdb.replication.core.messages import LSN, Ack, Epoch, Frame
from tandemdb.replication.errors import LinkLost, ProtocolError
from tandemdb.replication.linking import RemoteReplica, replicate_to
from tandemdb.replication.network import transport
from tandemdb.replication.node import Node
from tandemdb.storage import Database
from tandemdb.testing.fault_proxy import FaultProxy, StreamFaults

from .workload import make_table, put


class Echo:
    """Sends back what it gets."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connected,), daemon=True).start()

    def serve(self, connected: socket.socket) -> None:
        while data := connected.recv(65536):
            connected.sendall(data)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    echo = Echo()
    proxy = FaultProxy("127.0.0.1", echo.port, seed=5)
    proxy.start()
    yield proxy
    proxy.stop()
    echo.listener.close()


def ask(channel: transport.Channel, number: int, seconds: float) -> Frame:
    channel.send([frame(number)])
    return channel.next_frame(seconds)


def connect(proxy: FaultProxy) -> transport.Channel:
    """Connect, past the frames that are spared."""
    channel = transport.Channel(socket.create_connection(("127.0.0.1", proxy.port)))
    for number in range(2):
        assert ask(channel, number, 10).sequence == number
    return channel


def frame(number: int) -> Frame:
    return Frame(0, Epoch(1), number, Ack(LSN(number), number, LSN(0), None))


def numbers(channel: transport.Channel, first: int, count: int) -> list[int]:
    """Send frames and list which come back, up to a last one that marks the end."""
    channel.send(frame(number) for number in range(first, first + count))
    return [channel.next_frame(10).sequence for _ in range(count)]


def test_it_forwards_faithfully_unless_told_otherwise(proxy: FaultProxy) -> None:
    channel = connect(proxy)
    assert numbers(channel, 10, 200) == list(range(10, 210))
    assert proxy.frames["dropped"] == proxy.frames["damaged"] == 0
    with socket.create_connection(("127.0.0.1", proxy.port)) as other:
        other.sendall(b"no frame at all")
        assert other.recv(100) == b"no frame at all"


def test_frames_are_dropped_doubled_and_exchanged(proxy: FaultProxy) -> None:
    channel = connect(proxy)
    proxy.set_faults(StreamFaults(drop=0.5), "up")
    channel.send(frame(number) for number in range(100, 200))
    proxy_dropped = until_count(lambda: proxy.frames["dropped"], 20)
    proxy.heal()
    channel.send([frame(999)])
    came = []
    while not came or came[-1] != 999:
        came.append(channel.next_frame(10).sequence)
    assert came[:-1] == sorted(came[:-1]) and 0 < len(came) - 1 < 100 and proxy_dropped
    proxy.set_faults(StreamFaults(duplicate=1.0), "up")
    channel.send([frame(7)])
    assert [channel.next_frame(10).sequence for _ in range(2)] == [7, 7]
    proxy.set_faults(StreamFaults(reorder=1.0), "up")
    assert numbers(channel, 20, 2) == [21, 20]


def test_a_flipped_bit_is_noticed(proxy: FaultProxy) -> None:
    channel = connect(proxy)
    proxy.set_faults(StreamFaults(flip=1.0), "down")
    with pytest.raises((ProtocolError, LinkLost)):
        for number in range(50):  # A flip in a length makes the receiver wait for more.
            ask(channel, number, 5)
    assert proxy.frames["damaged"] >= 1


def test_delay_stall_and_cut(proxy: FaultProxy) -> None:
    channel = connect(proxy)
    proxy.set_faults(StreamFaults(delay_seconds=0.02), "up", "down")
    begin = time.monotonic()
    assert numbers(channel, 10, 20) == list(range(10, 30))
    assert time.monotonic() - begin >= 0.04  # Each way once: frames are delayed side by side.
    proxy.heal()
    proxy.stall("down")
    channel.send([frame(50)])
    with pytest.raises(LinkLost):
        channel.next_frame(0.1)
    proxy.heal()
    assert channel.next_frame(10).sequence == 50
    proxy.cut_at_bytes = proxy.bytes_forwarded + 500
    with pytest.raises(LinkLost):
        numbers(channel, 10, 100)
    with pytest.raises((LinkLost, OSError)):
        connect(proxy)
    proxy.heal()
    assert numbers(connect(proxy), 10, 3) == [10, 11, 12]


# Mirrors over it.


@pytest.fixture
def mirrored() -> Iterator[tuple[Database, Node, FaultProxy, int, RemoteReplica]]:
    node = Node(Database("shop"))
    node.start()
    proxy = FaultProxy(node.address.host, node.address.port, seed=9)
    proxy.start()
    primary = Database("p")
    table = make_table(primary, 2000)
    replica = replicate_to(primary, node.address.with_port(proxy.port), "sync")
    yield primary, node, proxy, table, replica
    proxy.heal()
    replica._stopped.set()
    node.stop()
    proxy.stop()


@pytest.mark.parametrize(
    "faults",
    [
        StreamFaults(drop=0.05),
        StreamFaults(duplicate=0.2),
        StreamFaults(reorder=0.1),
        StreamFaults(flip=0.05),
        StreamFaults(delay_seconds=0.002, jitter_seconds=0.005),
        StreamFaults(drop=0.02, duplicate=0.05, reorder=0.05, flip=0.02, jitter_seconds=0.002),
    ],
    ids=["loss", "duplicates", "reordering", "corruption", "delay", "all"],
)
def test_what_was_acknowledged_is_on_both_sides(
    mirrored: tuple[Database, Node, FaultProxy, int, RemoteReplica], faults: StreamFaults
) -> None:
    primary, node, proxy, table, _ = mirrored
    publisher = replication.system.system_of(primary).publisher
    assert publisher is not None
    publisher.timeout_seconds = 0.2
    proxy.set_faults(faults)
    acknowledged: dict[int, str] = {}
    for number in range(60):
        try:
            put(primary, table, number, f"turn {number}")
        except ReplicationError:
            continue
        acknowledged[number] = f"turn {number}"
        system = node.system
        assert system.secondary is not None and system.secondary.received_lsn >= primary.root.lsn
    proxy.heal()
    go_on(primary, table)
    until(lambda: node.database.root.lsn == primary.root.lsn, "level")
    assert node.database.digest() == primary.digest()
    for key, text in acknowledged.items():
        assert node.database.root.tables[table].find(key) == (key, text, None)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_one_way_partition(mirrored: tuple[Database, Node, FaultProxy, int, RemoteReplica], direction: str) -> None:
    """Data lost on their way, or acknowledgements on theirs: in doubt, then undone or refused, then healed."""
    primary, node, proxy, table, _ = mirrored
    publisher = replication.system.system_of(primary).publisher
    assert publisher is not None
    publisher.timeout_seconds = 0.2
    before = primary.root
    proxy.stall(direction)  # type: ignore[arg-type]
    with pytest.raises(CommitInDoubt):
        put(primary, table, 1, "in doubt")
    assert primary.root is before and node.database.root.lsn == before.lsn
    with pytest.raises(ReplicationError):
        put(primary, table, 2, "refused")
    proxy.heal()
    go_on(primary, table)
    until(lambda: node.database.root.lsn == primary.root.lsn, "level")
    assert node.database.digest() == primary.digest()
    assert node.database.root.tables[table].find(1) == (1, "value 1", None)


def test_a_flapping_link(mirrored: tuple[Database, Node, FaultProxy, int, RemoteReplica]) -> None:
    primary, node, proxy, table, replica = mirrored
    assert replica.link is not None and replica.link.peer is not None
    replica.link.peer.plans.clear()
    for number in range(10):
        proxy.cut()
        with pytest.raises(ReplicationError):
            while True:
                put(primary, table, 1, f"cut {number}")
        proxy.heal()
        go_on(primary, table)
    until(lambda: node.database.root.lsn == primary.root.lsn, "level")
    assert node.database.digest() == primary.digest()
    assert set(replica.status.plans) <= {"tail"}, "a link that comes back needs no more than the log"


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_cut_in_the_middle_of_a_snapshot(share: float) -> None:
    node = Node(Database("shop"))
    node.start()
    primary = Database("p")
    make_table(primary, 20_000)
    measuring = FaultProxy(node.address.host, node.address.port)
    measuring.start()
    replicate_to(primary, node.address.with_port(measuring.port), "sync").detach()
    size = measuring.bytes_forwarded
    measuring.stop()
    node.stop()
    fresh = Node(Database("shop"))
    fresh.start()
    proxy = FaultProxy(fresh.address.host, fresh.address.port)
    proxy.cut_at_bytes = int(size * share)
    proxy.start()
    level = threading.Event()

    def mend() -> None:
        """Heal it when it was cut, if what is forwarded comes to that."""
        until(lambda: proxy.is_cut or level.is_set(), "cut")
        proxy.heal()

    mender = threading.Thread(target=mend)
    mender.start()
    replica = replicate_to(primary, fresh.address.with_port(proxy.port), "sync")
    assert fresh.database.digest() == primary.digest()
    level.set()
    replica._stopped.set()
    mender.join()
    fresh.stop()
    proxy.stop()


def go_on(primary: Database, table: int) -> None:
    """Commit, as soon as that is possible again."""

    def commits() -> bool:
        try:
            put(primary, table, 3000, str(time.monotonic()))
        except ReplicationError:
            return False
        return True

    until(commits, "a commit after healing")


def until(condition: object, what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within 60 s: {what}"
        time.sleep(0.01)


def until_count(count: object, least: int) -> bool:
    until(lambda: count() >= least, f"{least} of them")  # type: ignore[operator]
    return True
