"""Feeds: who brings a target from the root that it holds to the next.

    sync     committing thread:  write(held root -> new root)   secondaries acknowledge   commit in the target, return
    async    a thread beside:    write(held root -> newest root), commit; again and again. Commits that come faster than
             the target takes them go together, their rows' last state only.

    held root ---- commits since then ---> newest root         the old blocks are kept until the target has the new ones

A feed works only while its database leads, so that each node of a cluster can have one to the same target: whoever is
promoted takes over, and writes what the target lacks; a secondary keeps its last roots for that. If the target cannot
be reached, sync commits are refused; the thread tries again, later each time.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from tandemdb.replication.core.messages import LSN
from tandemdb.replication.errors import CommitInDoubt, ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.observers import OuterObserver
from tandemdb.replication.replica import leads
from tandemdb.replication.roles import between_transactions, observe
from tandemdb.replication.secondary_status import SecondaryStatus
from tandemdb.replication.system import System, system_of
from tandemdb.replication.targets.target import Position, Superseded, Target, TargetLost, TargetRefused, lies_on

if TYPE_CHECKING:
    from tandemdb.replication.core.peer import Mode
    from tandemdb.storage import CommitObserver, Database, Root, Transaction

log = logging.getLogger("tandemdb.replication")

IDLE_SECONDS = 0.5
RETRY_SECONDS = 0.1
RETRY_SECONDS_MAX = 5.0
WAIT_SECONDS = 30.0
RECENT_ROOTS = 32


def feed_to(database: Database, target: Target, mode: Mode, overwrite: bool = False, is_same: bool = False) -> Feed:
    """Write every commit of this database to a target from now on.

    If the database leads, the target holds all of it when this returns.

    Args:
        mode: "sync": a commit returns when the target has it. "async": at once.
        overwrite: let content of another origin be replaced.
        is_same: the database was just loaded from this target, at its position.
    Raises:
        TargetLost, TargetRefused, Superseded: it does not come to that.
    """
    system = system_of(database)
    if system.secondary is None:
        system.found_cluster()
    feed = Feed(database, target, mode, overwrite)
    try:
        if leads(database):
            feed.take_over()
        with between_transactions(database):
            if leads(database):
                feed.catch_up()
            system.wrappers.append(feed.wrap)
            system.targets.append(feed)
            observe(database, system)
    except BaseException:
        target.close()
        raise
    feed.start()
    return feed


class Feed:
    """One database's feed to one target. It holds the database weakly."""

    def __init__(self, database: Database, target: Target, mode: Mode, overwrite: bool) -> None:
        self._database = weakref.ref(database)
        self.target = target
        self.mode: Mode = mode
        self.overwrite = overwrite
        self.state = "asking"
        self.reason = ""
        self.transactions = 0
        self.loads = 0
        # The root and the position that the target holds; None before it was taken over.
        self._held: Root | None = None
        self._position: Position | None = None
        # Of a secondary: where its primary may have left the target when it died.
        self._recent: deque[Root] = deque(maxlen=RECENT_ROOTS)
        # What a commit with a lost answer may have brought it to.
        self._doubt: tuple[Root, Position] | None = None
        self._is_lost = False
        self._behind_since = 0.0
        self._pause = RETRY_SECONDS
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopped = threading.Event()

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def database(self) -> Database:
        database = self._database()
        if database is None:
            raise ReplicationError("the database is gone")
        return database

    @property
    def status(self) -> SecondaryStatus:
        """Tell how far the target has come, as of any secondary; bytes are not counted."""
        root = self.database.root
        applied = self._position.lsn if self._position is not None else 0
        lag = max(0, root.lsn - applied)
        behind = time.monotonic() - self._behind_since if lag and self._behind_since else 0.0
        state = self.state if leads(self.database) else "waiting"
        return SecondaryStatus(
            self.name, self.mode, state, LSN(applied), lag, 0, behind, self.loads, self.loads, (), self.reason
        )

    def wait(self, timeout_seconds: float = WAIT_SECONDS) -> None:
        """Wait until the target holds what the database holds now.

        Raises:
            TargetLost: it does not within that time. TargetRefused, Superseded: it never will.
        """
        root = self.database.root
        deadline = time.monotonic() + timeout_seconds
        while self._position is None or self._position.lsn < root.lsn:
            if self.state in ("refused", "superseded"):
                raise TargetRefused(f"{self.name} takes no more commits", detail=self.reason)
            if time.monotonic() >= deadline:
                raise TargetLost(f"{self.name} did not get to LSN {root.lsn} in time", detail=self.reason)
            self._wake.set()
            time.sleep(0.002)

    def detach(self) -> None:
        """Write no more; the target keeps what it has."""
        self._stopped.set()
        self._wake.set()
        database = self._database()
        if database is not None:
            system = system_of(database)
            with between_transactions(database):
                if self in system.targets:
                    system.targets.remove(self)
                    system.wrappers.remove(self.wrap)
                observe(database, system)
        with self._lock:
            self.target.close()

    def start(self) -> None:
        """Look after the target in a thread."""
        threading.Thread(
            target=look_after, args=(weakref.ref(self), self._wake), name=f"tandemdb feed of {self.name}", daemon=True
        ).start()

    def wrap(self, inner: CommitObserver | None) -> FeedObserver:
        """Return the observer of commits."""
        return FeedObserver(self, inner)

    # Roads to a target that holds the newest root.

    def take_over(self) -> None:
        """Become the one who writes to the target, whatever it takes to know which root it holds."""
        with self._lock:
            database, system = self.database, system_of(self.database)
            found = self.target.open()
            root = database.snapshot()
            if self._goes_on(found):
                return
            mine = Position(system.identity.cluster.hex(), system.identity.epoch, root.lsn, secrets.token_hex(16), 0)
            held = self._find_held(found, system, root)
            if held is not None and found is not None:
                self._do(lambda: self.target.write(held, held, found, mine._replace(lsn=held.lsn)))
                self._note(held, mine._replace(lsn=held.lsn))
                return
            if found is None and not self.overwrite and not self.target.is_empty():
                raise Superseded(
                    f"{self.name} holds data of another origin",
                    hint="Name an empty one, or pass overwrite=True to replace all that it holds.",
                )
            self._do(lambda: self.target.load(root, mine))
            self.loads += 1
            self._note(root, mine)

    def catch_up(self) -> None:
        """Bring the target to the newest root."""
        with self._lock:
            if self._position is None or self._is_lost:
                self.take_over()
            # By number, not by root: a commit that the target has already may not be visible yet.
            while self._position is not None and (root := self.database.root).lsn > self._position.lsn:
                self._write(root)
                self._finish()
            self._tell("in step", "")

    def begin(self, root: Root) -> None:
        """Write a commit that is on its way; `finish` or `undo` ends it. The lock is held until then."""
        self._lock.acquire()
        try:
            if self.state == "superseded":
                raise Superseded(f"{self.name} is written by another primary", detail=self.reason)
            if self._position is None or self._is_lost:
                self.take_over()
            self._write(root)
        except BaseException as error:
            self._fail(error)
            self._lock.release()
            raise

    def finish(self) -> None:
        try:
            self._finish()
            self._tell("in step", "")
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._lock.release()

    def undo(self) -> None:
        try:
            self._doubt = None
            self.target.rollback()
        finally:
            self._lock.release()

    def note_commit(self, root: Root) -> None:
        """A commit is visible that the target has not got, or not yet."""
        if self._position is None:
            self._recent.append(root)
        if not self._behind_since:
            self._behind_since = time.monotonic()
        self._wake.set()

    def work(self) -> float:
        """What the thread does when it is woken; returns after how many seconds it is to look again."""
        database = self._database()
        if database is None or self.state in ("refused", "superseded") or not leads(database):
            return IDLE_SECONDS
        try:
            self.catch_up()
        except ReplicationError as error:
            self._fail(error)
            self._pause = min(RETRY_SECONDS_MAX, self._pause * 2)
            return self._pause
        self._pause = RETRY_SECONDS
        return IDLE_SECONDS

    # Helpers, in call order.

    def _find_held(self, found: Position | None, system: System, root: Root) -> Root | None:
        """Find the root that the target holds, None if all of it must be replaced.

        Raises:
            Superseded: it holds what is newer, or another's.
        """
        if found is None:
            return None
        if found.cluster != system.identity.cluster.hex():
            if self.overwrite:
                return None
            raise Superseded(
                f"{self.name} holds another cluster's data",
                detail=f"It is at LSN {found.lsn} of epoch {found.epoch} of cluster {found.cluster:.8}.",
                hint="Start the database from it, name another target, or pass overwrite=True.",
            )
        if found.epoch > system.identity.epoch:
            raise Superseded(
                f"{self.name} holds epoch {found.epoch}, and this database is of epoch {system.identity.epoch}",
                hint="Another primary leads by now.",
            )
        if not lies_on(found, system.identity.history, root.lsn):
            return None
        if found.lsn == root.lsn:
            return root
        history = self.database.history
        kept = history.get(found.lsn) if history is not None else None
        return kept or next((recent for recent in self._recent if recent.lsn == found.lsn), None)

    def _goes_on(self, found: Position | None) -> bool:
        """After the target was lost: see that it is where it was, or where a commit in doubt has brought it.

        Raises:
            Superseded: it is elsewhere.
        """
        doubt, self._doubt = self._doubt, None
        self._is_lost = False
        if self._position is None:
            return False
        if doubt is not None and found == doubt[1]:
            self._note(*doubt)
        elif found != self._position:
            raise Superseded(f"{self.name} was written by another feed")
        return True

    def _write(self, root: Root) -> None:
        held, position = self._held, self._position
        assert held is not None and position is not None
        epoch = system_of(self.database).identity.epoch
        after = position._replace(epoch=epoch, lsn=root.lsn, sequence=position.sequence + 1)
        self._doubt = (root, after)
        try:
            self.target.write(held, root, position, after)
        except BaseException:
            self._doubt = None
            self.target.rollback()
            raise

    def _finish(self) -> None:
        doubt = self._doubt
        assert doubt is not None
        try:
            self.target.commit()
        except TargetRefused:
            self._doubt = None
            self.target.rollback()
            raise
        self._doubt = None
        self._note(*doubt)

    def _do(self, what: Callable[[], None]) -> None:
        """Write and commit."""
        try:
            what()
            self.target.commit()
        except BaseException:
            self.target.rollback()
            raise

    def _note(self, root: Root, position: Position) -> None:
        self._held, self._position = root, position
        self._recent.clear()
        self._behind_since = 0.0
        self.transactions += 1

    def _fail(self, error: BaseException) -> None:
        state = "lost"
        self._is_lost = True
        if isinstance(error, Superseded):
            state = "superseded"
        elif isinstance(error, TargetRefused) and self.mode == "async":
            state = "refused"
        detail = "; ".join([str(error), *getattr(error, "__notes__", ())])
        self._tell(state, detail)

    def _tell(self, state: str, reason: str) -> None:
        if state != self.state and state != "in step":
            emit("target_" + state, target=self.name, reason=reason)
        self.state, self.reason = state, reason


class FeedObserver(OuterObserver):
    """Stands around all others: the target's commit is the last step, and what it refuses no secondary has seen."""

    def __init__(self, feed: Feed, inner: CommitObserver | None) -> None:
        super().__init__(inner)
        self.feed = feed

    def committing(self, transaction: Transaction, root: Root) -> Callable[[], None] | None:
        feed = self.feed
        if feed.mode == "async" or system_of(feed.database).secondary is not None:
            return super().committing(transaction, root)
        if not root_changes(transaction, root):
            return super().committing(transaction, root)
        feed.begin(root)
        try:
            wait = super().committing(transaction, root)
            if wait is not None:
                wait()
        except BaseException:
            feed.undo()
            raise
        try:
            feed.finish()
        except TargetLost as error:
            raise in_doubt(feed, error) from error
        return None

    def installed(self, root: Root) -> None:
        super().installed(root)
        self.feed.note_commit(root)


def root_changes(transaction: Transaction, root: Root) -> bool:
    """Tell whether a commit has a number of its own: a derived key or a begun epoch has not."""
    return bool(root.lsn != transaction.base.lsn)


def in_doubt(feed: Feed, error: TargetLost) -> CommitInDoubt:
    return CommitInDoubt(
        "commit in doubt: the backup target did not answer its COMMIT",
        0,
        detail=f"The transaction is rolled back here; {feed.name} may hold it until the next commit. {error}",
        hint="Repeat the transaction: the target is brought to what this database holds.",
    )


def look_after(feed: weakref.ref[Feed], wake: threading.Event) -> None:
    """Do the feed's work when woken, until it is detached or gone."""
    pause = 0.0
    while True:
        wake.wait(pause)
        wake.clear()
        found = feed()
        if found is None or found._stopped.is_set() or found._database() is None:
            return
        try:
            pause = found.work()
        except Exception:
            log.exception("the feed of %s failed; it is tried again", found.name)
            pause = RETRY_SECONDS_MAX
        del found
