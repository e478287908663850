"""Nodes as programs and operators handle them: `serve` one, ask one, compare two.

    serve("shop", ...) -> Node     the store ":memory:shop" of this process, behind a port
    operate(url)       -> Caller   status, promote, follow ... of a node
    verify(url, url)   -> Comparison
    relay(a, b)        -> Relay    forwards bytes, holds nothing

Importing this loads no SQL: a storage-only node is made of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tandemdb.dbapi import names
from tandemdb.dbapi.modes import read_mode
from tandemdb.errors import ProgrammingError
from tandemdb.replication import linking
from tandemdb.replication.comparison import Comparison, compare
from tandemdb.replication.coordination import Coordinator, CoordinatorLost, open_coordinator
from tandemdb.replication.coordination.coordinator import LEASE_SECONDS
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.limits import GATHER_SECONDS, Limits
from tandemdb.replication.loss import policy_of
from tandemdb.replication.network.address import Address, Security, read_address, read_listener
from tandemdb.replication.network.calls import Caller
from tandemdb.replication.network.operating import log_in_to
from tandemdb.replication.network.relay import Relay
from tandemdb.replication.node import Node
from tandemdb.replication.overview import draw
from tandemdb.replication.targets import feed_to

if TYPE_CHECKING:
    from tandemdb.replication.metrics import MetricsServer
    from tandemdb.replication.node import SessionFactory
    from tandemdb.replication.store.attachment import Attachment
    from tandemdb.replication.targets import Target
    from tandemdb.storage import Database

__all__ = [
    "ask", "draw", "find_coordinator", "has_record", "keep_store", "make_security", "operate", "relay", "serve",
    "serve_metrics", "verify",
]  # fmt: skip

ANSWER_SECONDS = 60.0
WARM_UP_SECONDS = 1.0
COORDINATOR_SECONDS, RETRY_SECONDS = 10.0, 0.1


def serve(
    name: str,
    listen: str = "127.0.0.1:0",
    *,
    secondary_of: str = "",
    mode: str = "sync",
    security: Security | None = None,
    storage_only: bool = False,
    overwrite: bool = False,
    node: str = "",
    limits: Mapping[str, Any] | None = None,
    coordinator: str | Coordinator = "",
    lease_seconds: float = LEASE_SECONDS,
    bootstrap: bool = False,
    advertise: str = "",
    restore: str = "",
    backup: str = "",
    backup_mode: str = "async",
    apart: str = "",
) -> Node:
    """Serve the store `name` of this process to clients and other nodes; `Node.stop()` ends it.

    Args:
        name: what stands after ":memory:" in this process, and at the end of the node's URL.
        listen: "HOST:PORT"; port 0 lets the system choose, `Node.address` then tells.
        secondary_of: URL of the primary to follow; empty: this node is a primary.
        mode: "sync" or "async", of a secondary.
        security: secret and certificates; needed for any host but loopback.
        storage_only: take no SQL clients, and load no SQL.
        overwrite: let a secondary lose data of its own that is of another origin.
        node: its name among the others; the address it listens on unless told otherwise.
        limits: fields of `tandemdb.replication.core.limits.Limits`, of this node while it is a primary.
        coordinator: what says who leads, or its URL: see `tandemdb.replication.coordination`. `secondary_of` is empty
            then: the node finds out whom to follow.
        lease_seconds: how long after its last renewal a primary's place is free.
        bootstrap: begin a new cluster, whatever the coordinator's record says.
        advertise: "HOST:PORT" where others reach this node, if not where it listens.
        restore: a backup target that the store, which must be new, is started from.
        backup: a backup target that gets every commit while this node is a primary.
        backup_mode: "sync" or "async".
        apart: where the blocks are kept, if not in this process alone: the address of a `tandemdb store`.
    Raises:
        ProgrammingError: arguments that do not fit; a host open to others, without secret or certificates.
        OperationalError: the address is taken; a file is missing; the store holds data that would be lost.
    """
    follow_mode, feed_mode = read_mode(mode), read_mode(backup_mode)
    if not name or "/" in name:
        raise ProgrammingError(f"not a name for a database: {name!r}", detail="It ends the node's URL: one word, no /.")
    if lease_seconds <= 0:
        raise ProgrammingError(f"a lease lasts for more than {lease_seconds:g} seconds")
    security = security or Security()
    host, port = read_listener(listen)
    primary = read_address(secondary_of, security) if secondary_of else None
    check_coordination(coordinator, secondary_of, apart)
    reached_at = str(Address(*read_listener(advertise), name)) if advertise else ""
    target = open_backup(backup) if backup else None
    bounds = Limits(**{"gather_seconds": GATHER_SECONDS, **(limits or {})})
    store = keep_store(name)
    sessions = None if storage_only else open_sessions()
    served = Node(
        store, host, port, node=node, security=security, sessions=sessions, limits=bounds, advertise=reached_at
    )
    if coordinator:
        keeping = find_coordinator(coordinator, lease_seconds) if isinstance(coordinator, str) else coordinator
        served.coordinate(keeping, lease_seconds, mode=follow_mode, bootstrap=bootstrap, overwrite=overwrite)
    policy_of(bounds, served.keeper)
    if restore:
        start_from_backup(store, restore)
    with ExitStack() as undo:
        if apart:
            undo.callback(attach_apart(store, apart, security, leads=primary is None).detach)
        served.start()
        undo.callback(served.stop)
        if primary is not None:
            linking.follow(served.database, primary, follow_mode, overwrite=overwrite)
        if target is not None:
            feed_to(store, target, feed_mode, overwrite)
        undo.pop_all()
    if not storage_only:
        warm_up_later()
    return served


def check_coordination(coordinator: str | Coordinator, secondary_of: str, apart: str) -> None:
    """Refuse what would say a second time who leads.

    Raises:
        ProgrammingError: both are given.
    """
    if coordinator and secondary_of:
        raise ProgrammingError(
            "with a coordinator a node finds out itself whom to follow", hint="Leave secondary_of out."
        )
    if coordinator and apart:
        raise ProgrammingError(
            "a node with a store apart cannot have a coordinator",
            hint="Who leads after a restart would be said twice, by the store's history and by the record.",
        )


# What a node can have besides: each is loaded only for a node that has it, SQL above all.


def open_backup(target: str) -> Target:
    from tandemdb.dbapi.targets.opening import open_target

    return open_target(target)


def open_sessions() -> SessionFactory:
    from tandemdb.dbapi.serving import open_handler

    return open_handler


def start_from_backup(database: Database, target: str) -> None:
    from tandemdb.dbapi.targets.starting import start_from

    start_from(database, target)


def attach_apart(database: Database, address: str, security: Security, *, leads: bool) -> Attachment:
    from tandemdb.dbapi import stores

    return stores.attach(database, address, security, leads=leads)


def warm_up_later() -> None:
    from tandemdb.dbapi.serving import warm_up

    warming = threading.Timer(WARM_UP_SECONDS, warm_up)
    warming.daemon = True
    warming.start()


def find_coordinator(url: str, lease_seconds: float = LEASE_SECONDS) -> Coordinator:
    """Open a coordinator by its URL; one request of it may take a third of a lease.

    Raises:
        ProgrammingError: the URL is none. NotSupportedError: a library is missing.
    """
    return open_coordinator(url, lease_seconds / 3)


def has_record(url: str) -> bool:
    """Tell whether a coordinator has a record of the cluster; one that is busy is asked again.

    Raises:
        OperationalError: it does not answer within COORDINATOR_SECONDS.
    """
    deadline = time.monotonic() + COORDINATOR_SECONDS
    coordinator = find_coordinator(url)
    try:
        while True:
            try:
                return coordinator.read().record is not None
            except CoordinatorLost:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_SECONDS)
    finally:
        coordinator.close()


def serve_metrics(node: Node, listen: str) -> MetricsServer:
    """Serve a node's metrics at "HOST:PORT"; `MetricsServer.stop()` ends it.

    Raises:
        ProgrammingError: that is no address. OperationalError: it cannot be listened on.
    """
    from tandemdb.replication.metrics import MetricsServer

    server = MetricsServer(node, *read_listener(listen))
    server.start()
    return server


def relay(listen: str, to: str) -> Relay:
    """Forward what comes to one "HOST:PORT" to another; `Relay.stop()` ends it.

    Raises:
        ProgrammingError: an address is none. OperationalError: it cannot be listened on.
    """
    host, port = read_listener(listen)
    forwarding = Relay(host, port, *read_listener(to))
    forwarding.start()
    return forwarding


def make_security(secret_file: str = "", tls_ca: str = "", tls_cert: str = "", tls_key: str = "") -> Security:
    """Say by which files links are secured; empty for none."""
    return Security(secret_file, tls_ca, tls_cert, tls_key)


def operate(url: str, security: Security | None = None) -> Caller:
    """Connect to a node as its operator; see `tandemdb.replication.operator` for what may be called.

    Raises:
        ProgrammingError: the URL is none. OperationalError: the node cannot be reached, or refuses.
    """
    address = read_address(url, security)
    return log_in_to(address, Identity(b"", "", b""))


def ask(url: str, security: Security | None, method: str, *arguments: Any) -> Any:
    """Call one method of a node's operator and return its value."""
    operator = operate(url, security)
    try:
        return operator.call(method, *arguments, seconds=ANSWER_SECONDS).value
    finally:
        operator.close()


def verify(first: str, second: str, security: Security | None = None, wait_seconds: float = 5.0) -> Comparison:
    """Compare two nodes down to blocks and rows, waiting so long for them to be at the same LSN."""
    sides = [operate(url, security) for url in (first, second)]
    try:
        return compare(sides[0], sides[1], wait_seconds)
    finally:
        for side in sides:
            side.close()


def repair(url: str, source: str, security: Security | None = None) -> tuple[list[Any], list[Any]]:
    """Mend a node's damaged blocks from another one, which it reaches with its own security.

    Returns the blocks that were damaged, and those of them that are mended, each as [table, number].
    """
    damaged, mended = ask(url, security, "repair", source)
    return damaged, mended


def keep_store(name: str) -> Database:
    """Return the database of the named store, which stays without connections."""
    names.keep(name)
    return names.open_database(names.Target("shared", name))
