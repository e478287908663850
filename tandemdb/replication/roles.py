"""Roles: how a database becomes a primary, or a secondary, and what must be so before.

    free            empty, or this cluster's own data         --> secondary
    primary         secondaries of its own, not succeeded     refused
    former primary  a newer epoch exists                      --> secondary; what only it has is set aside as orphans
    other data      another cluster's, or never mirrored      refused, unless it may be overwritten
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tandemdb.replication.core import blocks
from tandemdb.replication.core.limits import Limits
from tandemdb.replication.core.primary import Primary
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.loss import policy_of
from tandemdb.replication.publisher import Publisher
from tandemdb.replication.system import System, find_system

if TYPE_CHECKING:
    from tandemdb.storage import Database, Transaction


def check_free(other: System, database: Database, cluster: bytes, overwrite: bool) -> None:
    """Refuse to make a database the secondary of a cluster if that would lose what only it has.

    Raises:
        ReplicationError: it is a secondary already, a primary in office, or holds data of another origin.
    """
    if other.link is not None:
        raise ReplicationError("this database is a secondary already", hint="Detach it first.")
    if serves(other):
        raise ReplicationError("this database has secondaries of its own", hint="Detach them first.")
    if other.identity.cluster and other.identity.cluster == cluster:
        return
    if blocks.block_count(database.root) and not overwrite:
        raise ReplicationError(
            "the secondary holds data of its own",
            detail="It was never a copy of this primary, and mirroring would replace all that it holds.",
            hint="Attach an empty database, or pass overwrite=True.",
        )
    other.leave_cluster()


def serves(system: System) -> bool:
    """Tell whether a database is a primary that nobody has succeeded."""
    publisher = system.publisher
    if publisher is None or publisher.core.fenced_by is not None:
        return False
    return any(not link.promoted for link in publisher.links.values())


def step_down(database: Database, system: System) -> None:
    """Let a former primary take no more commits of its own; its log is kept to find out which of them are lost."""
    if system.publisher is not None:
        with between_transactions(database):
            end_publishing(database, system)


def end_publishing(database: Database, system: System) -> None:
    """As `step_down`, for a caller who holds the writer's place."""
    publisher = system.publisher
    if publisher is None:
        return
    publisher.retire()
    system.former_log = publisher.core.log
    system.publisher = None
    publisher.step_down()
    observe(database, system)


def publisher_of(
    primary: Database,
    system: System,
    limits: Limits,
    timeout_seconds: float,
    clock: Callable[[], float],
    pause: Callable[[float], None] | None,
) -> Publisher:
    publisher = system.publisher
    if publisher is not None and publisher.links and publisher.core.fenced_by is None:
        return publisher
    policy_of(limits, system.arbiter)
    if system.secondary is None:
        system.found_cluster()  # One down a chain gets its cluster from its primary, whenever that is heard.
    first_transaction = int.from_bytes(system.draw(4), "big") << 31 | 1
    if publisher is not None:
        first_transaction = publisher.core.transaction + 1  # In one epoch, what is later has the higher number.
    core = Primary(system.identity, primary.root, limits, first_transaction)
    core.quorum.lists = system.arbiter is not None
    system.publisher = Publisher(primary, core, timeout_seconds, clock, pause)
    system.publisher.arbiter = system.arbiter
    system.publisher.may_acknowledge = system.may_acknowledge
    system.publisher.contradicted = lambda: system.check_itself()  # Who checks may come later.
    return system.publisher


def observe(database: Database, system: System) -> None:
    """Let storage tell of commits whoever has to hear of them; the caller holds the writer's place."""
    publisher = system.publisher
    observer = publisher.observer() if publisher is not None and publisher.links else None
    if publisher is not None:
        # A store, a synchronous target and a file have the last word on each commit, and one at a time.
        has_last_word = any(feed.mode == "sync" for feed in system.targets)
        publisher.goes_ahead = database.pipelines and system.store is None and not has_last_word
    for wrap in system.wrappers:
        observer = wrap(observer)
    if system.store is not None:
        observer = system.store.wrap(observer)
    database.set_observer(observer)


@contextmanager
def between_transactions(database: Database) -> Iterator[Transaction]:
    """Hold the writer's place while a database's observer is changed, so that no transaction is observed by halves.

    On a primary no commit is pending then. What a secondary holds pending is its primary's to settle, and none of it is
    being shown.
    """
    system = find_system(database)
    settled = system is None or system.secondary is None
    try:
        transaction = blocks.begin_settled(database) if settled else blocks.begin_unshown(database)
    except blocks.LockTimeout as error:
        raise ReplicationError(
            "database is locked", detail=str(error), hint="End the open transaction before secondaries are changed."
        ) from error
    try:
        yield transaction
    finally:
        try:
            transaction.rollback()
        finally:
            if not settled:
                database.showing.release()
