"""Attaching, detaching and promoting secondaries of the same process.

attach(primary, secondary, mode)   POSITION, PLAN, catch-up; returns when the secondary is level (sync) or linked
Replica                            cut(), heal(), set_faults(), status, detach(), promote()
promote(secondary)                 a new epoch; the former primary, if it still listens, is fenced
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tandemdb.errors import ProgrammingError
from tandemdb.replication.core import blocks
from tandemdb.replication.core.limits import read_limits
from tandemdb.replication.core.messages import LSN, Epoch, Term
from tandemdb.replication.core.outcomes import Outcome
from tandemdb.replication.core.peer import Mode
from tandemdb.replication.core.secondary import Secondary
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.link import Faults, Link
from tandemdb.replication.publisher import READ_ONLY, Publisher
from tandemdb.replication.roles import between_transactions, check_free, observe, publisher_of, step_down
from tandemdb.replication.secondary_status import SecondaryStatus
from tandemdb.replication.system import Orphan, find_system, system_of
from tandemdb.replication.unmirrorable import check_mirrorable

if TYPE_CHECKING:
    from tandemdb.storage import Database

WAIT_SECONDS = 5.0

_names = itertools.count(1)


class PromotionReport(NamedTuple):
    """What a promotion did. `commits_missing` counts commits the primary was known to have and this system lacks.

    A commit that a synchronous secondary in step acknowledged is never among them. `pending_installed` is the LSN of
    a commit that was acknowledged and not yet known to be stable: it stands now.
    """

    epoch: Epoch
    lsn: LSN
    digest: int
    pending_installed: LSN | None
    commits_missing: int
    was: str


class Replica:
    """A secondary in the same process, as its primary's side holds it."""

    def __init__(self, primary: Database, secondary: Database, link: Link) -> None:
        self.primary = primary
        self.secondary = secondary
        self.link = link

    @property
    def name(self) -> str:
        return self.link.name

    @property
    def status(self) -> SecondaryStatus:
        for entry in status(self.primary):
            if entry.name == self.name:
                return entry
        raise ReplicationError(f"secondary {self.name!r} is detached")

    def cut(self) -> None:
        """Cut the link, as a pulled cable would; with that the secondary stays at the commit it shows."""
        self.link.cut()

    def heal(self) -> None:
        """Mend the link; the secondary catches up."""
        self.link.heal()
        _wake(self.primary)

    def set_faults(self, faults: Faults | None) -> None:
        self.link.set_faults(faults)

    def detach(self) -> None:
        detach(self.secondary)

    def promote(self) -> PromotionReport:
        return promote(self.secondary)


def attach(
    primary: Database,
    secondary: Database,
    mode: Mode = "sync",
    *,
    name: str = "",
    overwrite: bool = False,
    faults: Faults | None = None,
    over_wire: bool = False,
    timeout_seconds: float = 2.0,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] | None = None,
    **limits: int | float | None,
) -> Replica:
    """Mirror `primary` to `secondary` from now on; the secondary is read-only until it is promoted.

    A synchronous secondary is level when this returns; an asynchronous one catches up in the background.

    Args:
        mode: "sync": a commit returns when the secondary has it. "async": at once, the log follows.
        overwrite: let the secondary's own data of another origin be replaced.
        faults: an adversary on the link, for tests. `over_wire` sends frames through their bytes, as a socket would.
        clock, pause: what waiting uses, for tests on virtual time.
        timeout_seconds: how long a synchronous commit waits before it is in doubt.
        limits: fields of `Limits`, taken when the primary gets its first secondary: `required` (how many synchronous
            secondaries must have a commit), `digest_every` (commits from one digest to the next), ...
    Raises:
        ReplicationError: the secondary holds other data, is a primary or secondary already, or did not catch up.
        NotSupportedError: the primary holds what no message carries (`unmirrorable`).
    """
    if primary is secondary:
        raise ReplicationError("a database cannot be its own secondary")
    bounds = read_limits(limits)
    system, other = system_of(primary), system_of(secondary)
    check_free(other, secondary, system.identity.cluster, overwrite)
    check_mirrorable(primary)
    step_down(secondary, other)
    name = name or secondary.name or f"secondary {next(_names)}"
    before = secondary.read_only
    try:
        with between_transactions(primary) as transaction:
            publisher = publisher_of(primary, system, bounds, timeout_seconds, clock, pause)
            if name in publisher.links:
                name = f"{name} {next(_names)}"
            secondary.read_only = READ_ONLY
            other.secondary = Secondary(secondary, other.identity, name, mode, other.set_aside)
            other.link = link = Link(publisher, other.secondary, other.lock, clock, faults, over_wire)
            publisher.add(link, mode)
            observe(primary, system)
            if primary.root.epoch != system.identity.epoch:
                transaction.commit(primary.root.lsn, system.identity.epoch)
        link.connect()
        replica = Replica(primary, secondary, link)
        if mode == "sync":
            _await_step(replica, timeout_seconds, publisher)
        else:
            publisher.wake()
    except BaseException:
        detach(secondary)
        secondary.read_only = before
        raise
    return replica


def detach(secondary: Database) -> None:
    """End the mirroring to a database; it keeps what it has, read-only until it is promoted or attached again."""
    system = find_system(secondary)
    if system is None or system.secondary is None or system.link is None:
        return
    link, core = system.link, system.secondary
    link.stop()
    publisher = link.publisher
    if isinstance(publisher, Publisher) and link.name in publisher.links:
        primary = publisher.database
        if primary is None:
            publisher.remove(link.name)
        else:
            with between_transactions(primary):
                publisher.remove(link.name)
                observe(primary, system_of(primary))
    with system.lock:
        core.close()
    system.link = None


def promote(secondary: Database, epoch: Epoch | None = None) -> PromotionReport:
    """Make a secondary a primary: a new epoch begins, it takes writes, its history is kept.

    If the link still stands, what is under way is applied first, and the former primary is told and takes no more
    writes; otherwise it learns so from the first frame it sends. Whether to promote is the operator's decision: see
    `commits_missing`. `epoch` is the next one unless told otherwise.

    Raises:
        ReplicationError: the database is no secondary.
    """
    system = find_system(secondary)
    if system is None or system.secondary is None:
        raise ReplicationError("this database is not a secondary", hint="Only a mirrored copy can be promoted.")
    link, core = system.link, system.secondary
    if link is not None:
        link.pump()
    with system.lock:
        if not system.identity.cluster:
            raise ReplicationError("this secondary has never been level with its primary and cannot lead")
        was = core.state
        pending = core.promote(Epoch(system.identity.epoch + 1) if epoch is None else epoch)
        root = secondary.root
        missing = max(0, core.primary_lsn - root.lsn)
    if link is not None:
        link.pump()
        if isinstance(link.publisher, Publisher) and link.name in link.publisher.links:
            link.publisher.retire()
    system.secondary = system.link = None
    return PromotionReport(system.identity.epoch, LSN(root.lsn), blocks.root_digest(root), pending, missing, was)


def status(primary: Database) -> list[SecondaryStatus]:
    """Tell how far each secondary of this database has come, in the order they were attached, then its backup targets.

    Cost: no message sent.
    """
    system = find_system(primary)
    if system is None:
        return []
    entries = system.publisher.status() if system.publisher is not None else []
    return entries + [feed.status for feed in system.targets]


def wait_for(secondary: Database, lsn: int, timeout_seconds: float = WAIT_SECONDS) -> None:
    """Wait until a secondary shows a commit to its readers.

    Raises:
        ReplicationError: it does not within that time.
    """
    system = find_system(secondary)
    deadline = time.monotonic() + timeout_seconds
    pause = 0.0002
    while secondary.root.lsn < lsn:
        link = system.link if system is not None else None
        if link is None:
            raise ReplicationError("this database is not a secondary")
        if link.pump():
            continue
        if time.monotonic() >= deadline:
            raise ReplicationError(
                f"the secondary did not reach LSN {lsn} in {timeout_seconds} s",
                detail=f"It is at LSN {secondary.root.lsn}.",
            )
        time.sleep(pause)
        pause = min(0.01, pause * 2)


def wait_for_token(database: Database, token: str, timeout_seconds: float = WAIT_SECONDS) -> None:
    """Wait until a system shows its readers the commit that a token "EPOCH:LSN" names.

    Raises:
        ProgrammingError: it is no token.
        ReplicationError: it does not within that time, or that commit is no part of its history.
    """
    epoch, lsn = read_token(token)
    deadline = time.monotonic() + timeout_seconds
    pause = 0.0002
    while True:
        root = database.root
        system = find_system(database)
        if root.epoch > epoch and system is not None and ended_before(system.identity.history, epoch, lsn):
            raise ReplicationError(
                f"commit {token} is no part of this history",
                detail=f"Epoch {epoch} ended before LSN {lsn}: another primary leads, and has not got this commit.",
                hint="Look for it among the former primary's orphans.",
            )
        if root.lsn >= lsn and root.epoch >= epoch:
            return
        if time.monotonic() >= deadline:
            raise ReplicationError(
                f"commit {token} is not here within {timeout_seconds:g} s",
                detail=f"This system shows LSN {root.lsn} of epoch {root.epoch}.",
            )
        time.sleep(pause)
        pause = min(0.01, pause * 2)


def read_token(token: str) -> tuple[int, int]:
    epoch, colon, lsn = str(token).partition(":")
    if not (colon and epoch.isascii() and epoch.isdigit() and lsn.isascii() and lsn.isdigit()):
        raise ProgrammingError(f"not a commit's token: {token!r}", hint="commit_token() returns one.")
    return int(epoch), int(lsn)


def ended_before(history: Sequence[Term], epoch: int, lsn: int) -> bool:
    """Tell whether an epoch was over, on this history, before it got to this LSN."""
    return any(term.epoch > epoch and term.lsn < lsn for term in history)


def orphans(database: Database) -> list[Orphan]:
    """List the commits this former primary made and its successor lacks, oldest first, as far as its log held them.

    They are set aside when the database is attached to its successor, whose blocks then replace them.
    """
    system = find_system(database)
    return list(system.orphans) if system is not None else []


def outcome(database: Database, transaction: int) -> Outcome:
    """Tell what became of a commit in doubt (`CommitInDoubt.transaction`), on whichever system leads now.

    Raises:
        ReplicationError: this system does not lead: what it holds may yet be undone.
    """
    system = find_system(database)
    if system is None:
        return Outcome("aborted", None)
    if database.read_only is not None:
        raise ReplicationError("this system does not lead", hint="Ask the one that does.")
    if system.publisher is not None:
        with system.publisher.lock:
            system.publisher.drain()
            return system.identity.outcomes.find(transaction)
    return system.identity.outcomes.find(transaction)


def continue_alone(primary: Database) -> None:
    """Let a primary go on without the synchronous secondaries that it has lost; the choice is logged.

    They count again once they are in step. One that is promoted elsewhere meanwhile has another history.
    """
    system = find_system(primary)
    if system is None or system.publisher is None:
        raise ReplicationError("this database has no secondaries")
    system.publisher.losses.continue_alone()


def leads(database: Database) -> bool:
    """Tell whether this system takes writes at this moment."""
    system = find_system(database)
    if database.read_only is not None or system is None:
        return database.read_only is None
    publisher = system.publisher
    if publisher is not None and publisher.core.fenced_by is not None:
        return False
    return system.authority is None or system.authority.holds


def is_exposed(database: Database) -> bool:
    """Tell whether commits of this primary have fewer copies than they are meant to: see `loss.py`."""
    system = find_system(database)
    publisher = system.publisher if system is not None else None
    return publisher is not None and publisher.core.fenced_by is None and publisher.core.quorum.is_exposed


# Helpers, in call order.


def _await_step(replica: Replica, timeout_seconds: float, publisher: Publisher) -> None:
    deadline = publisher.clock() + timeout_seconds
    while True:
        moved = replica.link.pump()
        entry = replica.status
        if entry.state == "in step":
            return
        if entry.state == "refused":
            raise ReplicationError(f"the primary does not take this secondary: {entry.reason}")
        if not moved:
            if publisher.clock() >= deadline:
                raise ReplicationError(
                    f"the secondary did not catch up in {timeout_seconds} s",
                    detail=f"It is {entry.state}{f': {entry.reason}' if entry.reason else ''}.",
                )
            publisher.pause(0.005)


def _wake(primary: Database) -> None:
    system = find_system(primary)
    if system is not None and system.publisher is not None:
        system.publisher.wake()
