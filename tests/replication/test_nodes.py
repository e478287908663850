"""Nodes over real sockets, several in one process: logging in, mirroring, coming back, promotion, refusals."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tandemdb import replication
from tandemdb.dbapi.serving import open_handler
from tandemdb.errors import OperationalError, ProgrammingError
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.messages import BlockImage, Epoch, Frame, Heartbeat, Hello
from tandemdb.replication.core.peer import Mode
from tandemdb.replication.errors import LinkLost, ProtocolError, Refused, ReplicationError
from tandemdb.replication.linking import replicate_to
from tandemdb.replication.network import handshake, transport, wire
from tandemdb.replication.network.address import Address, Security, read_address
from tandemdb.replication.network.calls import Caller
from tandemdb.replication.network.relay import Relay
from tandemdb.replication.node import Node
from tandemdb.storage import Database

from .ports import KeptPort
from .workload import Workload, make_table, put

WAIT_SECONDS = 60.0


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    started: list[Node] = []
    yield started
    for node in started:
        node.stop()


def start(nodes: list[Node], database: Database | None = None, **options: object) -> Node:
    node = Node(database if database is not None else Database("shop"), **options)  # type: ignore[arg-type]
    nodes.append(node)
    node.start()
    return node


def until(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.002)


def level(primary: Node, *secondaries: Node) -> bool:
    return all(each.database.root.lsn == primary.database.root.lsn for each in secondaries)


def in_step(primary: Node, count: int = 1) -> bool:
    return sum(entry["state"] == "in step" for entry in primary.status()["secondaries"]) == count


def ask(node: Node, security: Security | None = None) -> Caller:
    """Connect as an operator."""
    address = Address(node.address.host, node.address.port, "shop", security or Security())
    channel = transport.connect(address)
    handshake.log_in(channel, Identity(b"", "test", b""), address.security.secret, "shop", "operator")
    handshake.open_up(channel, None)
    return Caller(channel)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_secondary_follows_and_is_promoted(nodes: list[Node], mode: Mode) -> None:
    primary, secondary = start(nodes), start(nodes)
    workload = Workload(1)
    for _ in range(5):
        workload.transaction(primary.database)
    secondary.follow(primary.address, mode)
    until(lambda: bool(primary.status()["secondaries"]) and level(primary, secondary), "level")
    if mode == "sync":
        until(lambda: in_step(primary), "in step")
    for _ in range(40):
        workload.transaction(primary.database)
        if mode == "sync":
            received = secondary.status()["following"]["received"]
            assert received == primary.database.root.lsn
    until(lambda: level(primary, secondary), "level")
    assert secondary.database.digest() == primary.database.digest()
    with pytest.raises(Exception, match="read-only"):
        secondary.database.begin()
    report = secondary.promote()
    assert report.epoch == 2 and report.commits_missing == 0
    workload.transaction(secondary.database)
    until(lambda: primary.status()["role"] == "fenced", "the former primary knows")


def test_an_application_attaches_a_node(nodes: list[Node]) -> None:
    node = start(nodes)
    database = Database("mine")
    table = make_table(database, 1000)
    replica = replicate_to(database, node.address, "sync")
    put(database, table, 1, "changed")
    assert node.status()["following"]["received"] == database.root.lsn
    until(lambda: node.database.root.lsn == database.root.lsn, "visible")
    assert node.database.digest() == database.digest()
    assert replica.status.state == "in step"
    with pytest.raises(ReplicationError, match="secondary already"):
        replicate_to(Database("other"), node.address, timeout_seconds=WAIT_SECONDS)
    replica.detach()
    put(database, table, 2, "alone")


def test_a_lost_link_is_mended(nodes: list[Node]) -> None:
    primary, secondary = start(nodes), start(nodes)
    table = make_table(primary.database, 500)
    secondary.follow(primary.address, "sync")
    until(lambda: in_step(primary), "in step")
    link = secondary.system.link
    assert link is not None
    for number in range(5):
        link.channel.close()  # type: ignore[union-attr]
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                put(primary.database, table, number, "after the cut")
                break
            except (replication.SecondaryLost, replication.CommitInDoubt):
                assert time.monotonic() < deadline
                time.sleep(0.01)
    until(lambda: level(primary, secondary), "level")
    assert secondary.database.digest() == primary.database.digest()
    assert "snapshot" not in primary.status()["secondaries"][0]["plans"][1:]


def test_an_emptied_primary_does_not_empty_its_secondary(nodes: list[Node]) -> None:
    port = KeptPort()
    primary, secondary = start(nodes, port=port.number), start(nodes)
    table = make_table(primary.database, 300)
    secondary.follow(primary.address, "sync")
    until(lambda: in_step(primary), "in step")
    put(primary.database, table, 7, "kept")
    until(lambda: level(primary, secondary), "level")
    digest = primary.database.digest()
    primary.stop()
    start(nodes, port=port.number)
    until(lambda: "another cluster" in secondary.status()["following"]["reason"], "the refusal is told")
    assert secondary.database.digest() == digest
    secondary.promote()
    put(secondary.database, table, 8, "goes on")


def test_a_former_primary_rejoins_and_hands_back_its_orphans(nodes: list[Node]) -> None:
    primary, secondary = start(nodes), start(nodes)
    table = make_table(primary.database, 300)
    secondary.follow(primary.address, "async")
    until(lambda: bool(primary.status()["secondaries"]) and level(primary, secondary), "level")
    secondary.system.link.stop()  # type: ignore[union-attr]
    for number in range(3):
        put(primary.database, table, number, "only here")
    secondary.promote()
    put(secondary.database, table, 9, "the new history")
    operator = ask(primary)
    operator.call("follow", str(secondary.address), "sync", False)
    until(lambda: in_step(secondary), "in step")
    assert primary.database.digest() == secondary.database.digest()
    assert len(operator.call("orphans").rows) == 3
    put(secondary.database, table, 10, "mirrored")
    assert primary.status()["following"]["received"] == secondary.database.root.lsn


def test_a_planned_switchover_and_back(nodes: list[Node]) -> None:
    first, second = start(nodes), start(nodes)
    table = make_table(first.database, 2000)
    second.follow(first.address, "sync")
    until(lambda: in_step(first), "in step")
    for number in range(3):
        put(first.database, table, number, f"turn {number}")
        report = ask(first).call("hand_over", str(second.address), "sync").value
        assert report["epoch"] == number + 2
        first, second = second, first
        until(partial(in_step, first), "in step")
        assert first.status()["secondaries"][-1]["plans"][-1] in ("tail", "blocks")
        assert first.status()["secondaries"][-1]["blocks_shipped"] == 0
        assert second.status()["orphans"] == 0
    put(first.database, table, 5, "the end")
    until(lambda: level(first, second), "level")
    assert first.database.digest() == second.database.digest()
    with pytest.raises(ReplicationError, match="not a primary"):
        ask(second).call("hand_over", str(first.address), "sync")


def test_suspended_for_reading_and_resumed(nodes: list[Node]) -> None:
    primary, secondary = start(nodes), start(nodes)
    table = make_table(primary.database, 2000)
    secondary.follow(primary.address, "sync")
    until(lambda: in_step(primary), "in step")
    put(primary.database, table, 1, "before")
    until(lambda: level(primary, secondary), "level")
    with pytest.raises(ReplicationError, match="not suspended"):
        ask(secondary).call("resume")
    root = secondary.database.root
    assert ask(secondary).call("suspend").value == root.lsn
    for number in range(20):
        put(primary.database, table, number, "meanwhile")
    assert secondary.database.root is root
    assert primary.status()["secondaries"] == []
    with pytest.raises(ReplicationError, match="follows no other"):
        ask(secondary).call("suspend")
    ask(secondary).call("resume")
    until(lambda: in_step(primary) and level(primary, secondary), "in step again")
    assert primary.status()["secondaries"][0]["plans"][-1] in ("tail", "blocks")
    assert secondary.database.digest() == primary.database.digest()
    put(primary.database, table, 2, "after")
    assert secondary.system.secondary is not None
    assert secondary.system.secondary.received_lsn == primary.database.root.lsn


def test_what_became_of_a_commit_in_doubt(nodes: list[Node]) -> None:
    primary, secondary = start(nodes), start(nodes)
    table = make_table(primary.database, 10)
    secondary.follow(primary.address, "sync")
    until(lambda: in_step(primary), "in step")
    put(primary.database, table, 1, "certain")
    link = secondary.system.link
    assert link is not None
    answer = link._answer  # type: ignore[union-attr]

    def lose(channel: transport.Channel) -> None:
        """The secondary has the commit, and dies before it can say so."""
        if secondary.system.secondary.unseen.pending:  # type: ignore[union-attr]
            channel.close()
            link.stop()
        else:
            answer(channel)

    link._answer = lose  # type: ignore[union-attr, method-assign]
    with pytest.raises(replication.CommitInDoubt) as caught:
        put(primary.database, table, 2, "in doubt")
    number = caught.value.transaction
    with pytest.raises(ReplicationError, match="does not lead"):
        ask(secondary).call("outcome", number)
    secondary.promote()
    assert ask(secondary).call("outcome", number).value == ["committed", secondary.database.root.lsn]
    assert ask(secondary).call("outcome", number + 1).value == ["aborted", None]
    assert ask(primary).call("outcome", number).value == ["aborted", None]  # where it leads still, it is undone


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_through_a_relay(nodes: list[Node], tmp_path: Path, mode: Mode) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple")
    security = Security(str(secret))
    primary, secondary = start(nodes, security=security), start(nodes, security=security)
    relay = Relay("127.0.0.1", 0, primary.address.host, primary.address.port)
    relay.start()
    table = make_table(primary.database, 5000)
    secondary.follow(primary.address.with_port(relay.port), mode)
    until(lambda: bool(primary.status()["secondaries"]) and level(primary, secondary), "level")
    for number in range(10):
        put(primary.database, table, number, "forwarded")
    until(lambda: level(primary, secondary), "level")
    assert secondary.database.digest() == primary.database.digest()
    assert relay.bytes_forwarded > 50_000
    relay.stop()
    until(lambda: not secondary.status()["following"]["linked"], "the link is gone")


def test_the_secret_must_be_the_same(nodes: list[Node], tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse battery staple\n")
    wrong.write_text("incorrect horse\n")
    node = start(nodes, security=Security(str(right)))
    for security in (Security(str(wrong)), Security()):
        with pytest.raises(Refused, match="authentication failed"):
            ask(node, security)
    assert ask(node, Security(str(right))).call("status").value["role"] == "primary"
    open_node = start(nodes)
    with pytest.raises(Refused, match="authentication failed"):
        ask(open_node, Security(str(right)))


def test_bad_input_is_refused_and_the_node_goes_on(nodes: list[Node]) -> None:
    node = start(nodes)
    table = make_table(node.database, 10)
    digest = node.database.digest()
    hello = Hello(wire.PROTOCOL, b"", "x", b"", bytes(32), "shop", "operator", "", Epoch(0))
    good = wire.encode(Frame(0, Epoch(0), 0, hello))
    oversized = wire.HEADER.pack(b"tD", wire.PROTOCOL, 1, 0, 0, 1 << 30, 0, 0, 0)
    other_version = b"tD\x07" + good[3:]
    before_login = wire.encode(Frame(0, Epoch(0), 0, Heartbeat(0, 0, None, True)))  # type: ignore[arg-type]
    cases = {
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n": "not a tandemdb link",
        oversized: "frame too large",
        other_version: "version 7",
        good[:-1] + b"\x01": "damaged",
        before_login: "not expected here",
    }
    for data, reason in cases.items():
        with socket.create_connection((node.address.host, node.address.port), WAIT_SECONDS) as connected:
            connected.sendall(data)
            answer = b""
            while chunk := connected.recv(4096):
                answer += chunk
        [frame] = wire.Decoder().feed(answer)
        assert reason in frame.message.reason, data  # type: ignore[union-attr]
    with socket.create_connection((node.address.host, node.address.port), WAIT_SECONDS) as connected:
        connected.sendall(good[:20])  # and gone in the middle
    assert ask(node).call("status").value["lsn"] == 1
    assert node.database.digest() == digest
    put(node.database, table, 1, "still there")


def test_a_recorded_login_is_worth_nothing(nodes: list[Node], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple\n")
    node = start(nodes, security=Security(str(secret)))
    address = Address(node.address.host, node.address.port, "shop", Security(str(secret)))
    channel = transport.connect(address)
    sent: list[bytes] = []
    send_bytes = channel.send_bytes
    channel.send_bytes = lambda data: (sent.append(data), send_bytes(data))[1]  # type: ignore[method-assign, func-returns-value]
    handshake.log_in(channel, Identity(b"", "test", b""), address.security.secret, "shop", "operator")
    channel.close()
    replay = transport.connect(address)
    handshake.bound_login(replay, handshake.LOGIN_KINDS_OUT)
    replay.send_bytes(sent[0])
    replay.next_frame(5)
    replay.send_bytes(sent[1])
    message = replay.next_frame(5).message
    assert "authentication failed" in message.reason  # type: ignore[union-attr]


def test_unknown_databases_and_purposes_are_refused(nodes: list[Node]) -> None:
    node = start(nodes)
    me = Identity(b"", "test", b"")
    for database, purpose, reason in (
        ("other", "operator", "unknown database"),
        ("shop", "client", "storage only"),
        ("shop", "burglar", "unknown purpose"),
        ("shop", "secondary", "unknown mode"),
    ):
        with pytest.raises(Refused, match=reason):
            handshake.log_in(transport.connect(node.address), me, b"", database, purpose)


def test_who_says_nothing_is_dropped(nodes: list[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "LOGIN_SECONDS", 0.2)
    node = start(nodes)
    with socket.create_connection((node.address.host, node.address.port), WAIT_SECONDS) as connected:
        connected.sendall(b"tD")
        assert connected.recv(100) == b""
    monkeypatch.undo()
    assert ask(node).call("status").value["role"] == "primary"


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_dribbles_is_dropped(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encrypted: bool
) -> None:
    """A byte now and then keeps no place: the login as a whole is bounded in time."""
    monkeypatch.setattr(handshake, "LOGIN_SECONDS", 0.3)
    security = make_certificates(tmp_path, "ours") if encrypted else Security()
    node = start(nodes, security=security)
    hello = Hello(wire.PROTOCOL, b"", "x" * 600, b"", bytes(32), "shop", "operator", "", Epoch(0))
    start_of_tls = bytes.fromhex("1603010200010001fc0303") + bytes(600)
    data = start_of_tls if encrypted else wire.encode(Frame(0, Epoch(0), 0, hello))
    with socket.create_connection((node.address.host, node.address.port), WAIT_SECONDS) as connected:
        sent = 0
        try:
            while sent < len(data) - 1:
                connected.sendall(data[sent : sent + 1])
                sent += 1
                connected.settimeout(0.02)
                try:
                    if connected.recv(4096) == b"":
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass  # Closed by the node, in the midst of a byte.
        assert sent < len(data) - 1
    until(lambda: node._connections == 0, "the connection is forgotten")
    monkeypatch.undo()
    assert ask(node, security).call("status").value["role"] == "primary"


@pytest.mark.parametrize("purpose", ["client", "operator", "secondary"])
def test_bad_input_after_the_login(nodes: list[Node], purpose: str) -> None:
    """Who has logged in and then sends what nobody sends is dropped; nothing has changed, and the node goes on."""
    node = start(nodes, sessions=open_handler)
    table = make_table(node.database, 10)
    digest, lsn = node.database.digest(), node.database.root.lsn
    huge = wire.HEADER.pack(b"tD", wire.PROTOCOL, 25, 0, 0, (1 << 30) + 1, 0, 0, 0)
    wrong = wire.encode(Frame(0, Epoch(0), 0, Hello(wire.PROTOCOL, b"", "x", b"", bytes(32), "", "", "", Epoch(0))))
    unasked = wire.encode(Frame(7, Epoch(1), 5, BlockImage(table, 0, [1], [(1, "evil", None)])))
    for data in (b"\0" * 100, huge, wrong, unasked, random.Random(3).randbytes(50_000)):
        channel = transport.connect(Address(node.address.host, node.address.port, "shop"))
        handshake.log_in(channel, Identity(b"", "bad", bytes(16)), b"", "shop", purpose, "async")
        channel.socket.setblocking(True)
        try:
            channel.socket.sendall(data)
            channel.socket.settimeout(0.2)
            while channel.socket.recv(4096):
                pass
        except OSError:
            pass  # It was closed, or stays and says nothing: a secondary may send what is of no session.
        channel.close()
    assert (node.database.digest(), node.database.root.lsn) == (digest, lsn)
    assert ask(node).call("status").value["role"] == "primary"
    put(node.database, table, 1, "still there")


def test_an_impostor_is_found_out(tmp_path: Path) -> None:
    """A node that does not know the secret takes any proof, and fails to give its own."""
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple\n")
    listener = transport.listen("127.0.0.1", 0)
    address = Address("127.0.0.1", listener.getsockname()[1], "shop", Security(str(secret)))
    channel = transport.connect(address)
    accepted = transport.Channel(listener.accept()[0])
    nonce = bytes(range(32))
    sequence = iter(
        [
            wire.encode(Frame(0, Epoch(0), 0, handshake.Challenge(wire.PROTOCOL, b"", "evil", b"", nonce, Epoch(0)))),
            wire.encode(Frame(0, Epoch(0), 1, handshake.Welcome(bytes(32), 1, b""))),
        ]
    )
    for data in sequence:
        accepted.send_bytes(data)
    with pytest.raises(ProtocolError, match="does not know the secret"):
        handshake.log_in(channel, Identity(b"", "test", b""), address.security.secret, "shop", "operator")
    channel.close()
    accepted.close()
    listener.close()


def test_it_listens_elsewhere_only_if_secured(tmp_path: Path) -> None:
    with pytest.raises(ProgrammingError, match="without a secret or TLS"):
        Node(Database("shop"), "0.0.0.0").start()
    short = tmp_path / "short"
    short.write_text("abc")
    with pytest.raises(OperationalError, match="too short"):
        Node(Database("shop"), security=Security(str(short))).start()


def make_certificates(folder: Path, name: str) -> Security:
    """Make an authority and a certificate of it for 127.0.0.1."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificates, is not installed")
    here = folder / name
    here.mkdir()

    def make(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=here, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    make("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", f"/CN={name} authority")
    make("req", *curve[:-2], "-keyout", "node.key", "-out", "node.csr", "-subj", f"/CN={name}")
    (here / "san").write_text("subjectAltName=IP:127.0.0.1")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san")
    make("x509", "-req", "-in", "node.csr", *signing, "-out", "node.pem")
    return Security("", str(here / "ca.pem"), str(here / "node.pem"), str(here / "node.key"))


def test_tls_on_both_sides(nodes: list[Node], tmp_path: Path) -> None:
    ours, foreign = make_certificates(tmp_path, "ours"), make_certificates(tmp_path, "foreign")
    primary, secondary = start(nodes, security=ours), start(nodes, security=ours)
    table = make_table(primary.database, 20_000)
    secondary.follow(primary.address, "sync")
    until(lambda: in_step(primary), "in step")
    for number in range(20):
        put(primary.database, table, number, "over TLS")
    until(lambda: level(primary, secondary), "level")
    assert secondary.database.digest() == primary.database.digest()
    assert ask(primary, ours).call("status").value["role"] == "primary"
    with pytest.raises(ReplicationError):  # another authority: neither side knows the other
        ask(primary, foreign)
    with pytest.raises(ReplicationError):  # the right authority, and no certificate of its own
        ask(primary, Security("", ours.tls_ca)).call("status")
    with pytest.raises(ReplicationError):  # no TLS at all
        ask(primary)
    assert ask(primary, ours).call("status").value["role"] == "primary"


def test_nobody_there() -> None:
    port = KeptPort()
    with pytest.raises(LinkLost, match="unable to connect"):
        transport.connect(Address("127.0.0.1", port.number, "shop"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("tandemdb://127.0.0.1:7000/shop", ("127.0.0.1", 7000, "shop", "")),
        ("tandemdb://[::1]:7000/shop?secret_file=/etc/s", ("::1", 7000, "shop", "/etc/s")),
        ("tandemdb://localhost/my%20shop", ("localhost", 7432, "my shop", "")),
    ],
)
def test_addresses(url: str, expected: tuple[str, int, str, str]) -> None:
    address = read_address(url)
    assert (address.host, address.port, address.name, address.security.secret_file) == expected


@pytest.mark.parametrize(
    "url", ["http://h:1/x", "tandemdb://h:1/", "tandemdb:///x", "tandemdb://h:99999/x", "tandemdb://h:1/x?secret=a"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ProgrammingError):
        read_address(url)


def test_frames_cut_anywhere_arrive_whole() -> None:
    ours, theirs = socket.socketpair()
    channel = transport.Channel(theirs)
    frame = Frame(3, Epoch(2), 1, Heartbeat(5, 4, None, True))  # type: ignore[arg-type]
    for byte in struct.unpack(f"{len(wire.encode(frame))}c", wire.encode(frame)):
        ours.sendall(byte)
        channel.receive()
    assert list(channel.arrived) == [frame]
    ours.close()
    channel.close()


def test_a_secondary_gets_into_step_under_steady_commits(nodes: list[Node]) -> None:
    """The primary holds a commit for a moment when one is nearly level: it would never be exactly so by chance."""
    primary, secondary = start(nodes), start(nodes)
    table = make_table(primary.database, 100)
    stopping = threading.Event()
    failures: list[Exception] = []

    def write() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            try:
                put(primary.database, table, number % 100, f"commit {number}")
            except ReplicationError as error:
                failures.append(error)
            # The secondary is in this process too: a loop that never waits would keep the interpreter from it.
            stopping.wait(0.0002)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        for _ in range(3):
            secondary.follow(primary.address, "sync")
            until(lambda: in_step(primary), "in step")
            link = secondary.system.link
            assert link is not None
            link.stop()
            operator = ask(primary)
            operator.call("continue_alone")
            operator.close()
    finally:
        stopping.set()
        writer.join(WAIT_SECONDS)
    assert not writer.is_alive()
