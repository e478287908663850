"""Systems: each database's part in replication, found by the database and gone with it.

    Database ....> System   identity    cluster, name, incarnation, history of epochs
     (weakly)               publisher   while it has secondaries
                            secondary   while it mirrors another, and its link

Here, at the edge, randomness enters: cluster and incarnation are drawn when a database first takes part.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from tandemdb.replication.core.identity import Identity, common_end
from tandemdb.replication.core.log import ChangeLog
from tandemdb.replication.core.messages import LSN, Change, Epoch, Term
from tandemdb.replication.events import emit

if TYPE_CHECKING:
    from tandemdb.replication.coordination.authority import Authority
    from tandemdb.replication.core.secondary import Secondary
    from tandemdb.replication.follower import Follower
    from tandemdb.replication.link import Link
    from tandemdb.replication.loss import Arbiter
    from tandemdb.replication.publisher import Publisher
    from tandemdb.replication.store.attachment import Attachment
    from tandemdb.replication.targets.feed import Feed
    from tandemdb.replication.targets.target import Claims
    from tandemdb.storage import CommitObserver, Database


class Orphan(NamedTuple):
    """A commit of a former primary that is no part of its successor's history."""

    lsn: LSN
    transaction: int
    changes: tuple[Change, ...]


class System:
    """One database's part in replication. `lock` guards its secondary's state."""

    def __init__(self, name: str, draw: Callable[[int], bytes] = os.urandom) -> None:
        # Draws so many random bytes.
        self.draw = draw
        self.identity = Identity(b"", name, draw(16))
        self.lock = threading.RLock()
        self.publisher: Publisher | None = None
        self.secondary: Secondary | None = None
        self.link: Link | Follower | None = None
        # Who strikes lost secondaries off a coordinator's record, where there is one.
        self.arbiter: Arbiter | None = None
        # How long this system may lead, where that is a coordinator's to say.
        self.authority: Authority | None = None
        self.in_office = False
        # To be called when this system's own blocks may be damaged.
        self.check_itself: Callable[[], object] = nothing
        # What stands around the publisher as observers of the database, innermost first: see `roles.observe`.
        self.wrappers: list[Callable[[CommitObserver | None], CommitObserver]] = []
        # Where the blocks are kept apart, if they are: it has the last word on each commit.
        self.store: Attachment | None = None
        # Backup targets of other kinds, and what is known of what they hold.
        self.targets: list[Feed] = []
        self.claims: Claims | None = None
        self.orphans: list[Orphan] = []
        # How many commits more this system made that its successor lacks, and that no log held any more.
        self.orphans_lost = 0
        self._set_aside_at: tuple[Term, LSN] | None = None
        # The address of the system that this one has handed its place to.
        self.successor = ""
        # Cleared while the place is handed over: whom to turn to is known afterwards.
        self.is_settled = threading.Event()
        self.is_settled.set()
        # Of the time when this was a primary, until it has heard what became of its last commits.
        self.former_log: ChangeLog | None = None

    def may_acknowledge(self) -> bool:
        """Tell whether commits may be shown that enough secondaries have; what is mirrored here always may."""
        return self.secondary is not None or self.authority is None or self.authority.holds

    def found_cluster(self) -> None:
        """Begin a cluster with this database as its first primary, unless it belongs to one."""
        if not self.identity.cluster:
            self.identity.cluster = self.draw(16)
            self.identity.history = [Term(Epoch(1), LSN(0), 0)]

    def set_aside(self, history: Sequence[Term], lsn: LSN) -> None:
        """Take what a former primary committed at up to `lsn` and its successor, of this history, lacks."""
        former, self.former_log = self.former_log, None
        identity = self.identity
        has_led = bool(identity.history) and identity.history[-1].leader == identity.incarnation
        if former is None and not has_led:
            return
        fork = common_end(history, identity.history, lsn)
        if fork is None or fork >= lsn:
            return
        if self._set_aside_at == (identity.history[-1], lsn):
            return  # A plan that has come again.
        self._set_aside_at = identity.history[-1], lsn
        commits = former.commits_after(fork) if former is not None else []
        self.orphans += [Orphan(one.lsn, one.transaction, tuple(one.changes)) for one in commits]
        lost = lsn - fork - len(commits)
        if lost > 0:
            self.orphans_lost += lost
            emit("orphans_lost", node=identity.node, lsn=fork, commits=lost)

    def leave_cluster(self) -> None:
        """Forget cluster and history: what this database holds may be overwritten by another's."""
        self.identity.cluster = b""
        self.identity.history = []


_systems: WeakKeyDictionary[Database, System] = WeakKeyDictionary()


def system_of(database: Database, draw: Callable[[int], bytes] = os.urandom) -> System:
    """Find a database's system, or make it; what it draws by chance it draws from `draw`."""
    system = _systems.get(database)
    if system is None:
        system = _systems.setdefault(database, System(database.name, draw))
    return system


def find_system(database: Database) -> System | None:
    """Find a database's system if it ever took part in replication."""
    return _systems.get(database)


def leader_of(database: Database) -> str:
    """Return the address of the system that takes writes in this one's place, "" if this one does or none is known.

    While the place is handed over that waits until the successor has taken it.
    """
    if database.read_only is None:
        return ""
    system = _systems.get(database)
    if system is None:
        return ""
    system.is_settled.wait()
    address = getattr(system.link, "address", None)
    return str(address) if address is not None else system.successor


def nothing() -> None:
    """Nobody checks: who mirrors in its own process asks `verify` for it."""
