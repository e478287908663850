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
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.events import emit
from tandemdb.replication.replica import leads
from tandemdb.replication.roles import between_transactions, observe
from tandemdb.replication.secondary_status import SecondaryStatus
from tandemdb.replication.system import System, system_of
from tandemdb.replication.targets.feed_observer import FeedObserver
from tandemdb.replication.targets.target import (
    NotCommitted,
    Position,
    Superseded,
    Target,
    TargetLost,
    TargetRefused,
    claims_of,
    lies_on,
)
from tandemdb.replication.unmirrorable import check_decodable

if TYPE_CHECKING:
    from tandemdb.replication.core.peer import Mode
    from tandemdb.storage import CommitObserver, Database, Root

log = logging.getLogger("tandemdb.replication")

IDLE_SECONDS = 0.5
RETRY_SECONDS = 0.1
RETRY_SECONDS_MAX = 5.0
WAIT_SECONDS = 30.0
RECENT_ROOTS = 32


def feed_to(database: Database, target: Target, mode: Mode, overwrite: bool = False) -> Feed:
    """Write every commit of this database to a target from now on.

    If the database leads, the target holds all of it when this returns.

    Args:
        mode: "sync": a commit returns when the target has it. "async": at once.
        overwrite: write everything anew, and let content of another origin be replaced.
    Raises:
        TargetLost, TargetRefused, Superseded: it does not come to that.
        ReplicationError: the database feeds it already.
        NotSupportedError: the database holds text that is no UTF-8.
    """
    system = system_of(database)
    former = next((feed for feed in system.targets if feed.name == target.name), None)
    if former is not None and former.state not in ("refused", "superseded"):
        raise ReplicationError(f"this database feeds {target.name} already", hint="Detach that feed first.")
    check_decodable(database)
    if system.secondary is None:
        system.found_cluster()
    feed = Feed(database, target, mode, overwrite)
    try:
        if leads(database):
            feed.take_over(overwrite)
        with between_transactions(database):
            if leads(database):
                feed.catch_up()
            if former is not None:
                former.leave(system)
            system.wrappers.append(feed.wrap)
            system.targets.append(feed)
            observe(database, system)
    except BaseException:
        target.close()
        raise
    if former is not None:
        former.end()
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
        # The epoch of this database in which it was taken over.
        self._epoch = 0
        # A commit that the target has or may have, and that was taken back here.
        self._given_up: Root | None = None
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
        root, position = self.database.root, self._position
        applied = position.lsn if position is not None else 0
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
            ReplicationError: the feed is detached.
        """
        root = self.database.root
        deadline = time.monotonic() + timeout_seconds
        while not self._holds(root):
            if self.state in ("refused", "superseded"):
                kind = TargetRefused if self.state == "refused" else Superseded
                raise kind(f"{self.name} takes no more commits", detail=self.reason)
            if self.state == "detached":
                raise ReplicationError(f"the feed of {self.name} is detached")
            if time.monotonic() >= deadline:
                why = self.reason if leads(self.database) else "This database does not lead, and feeds nobody."
                raise TargetLost(f"{self.name} did not get to LSN {root.lsn} in time", detail=why)
            self._wake.set()
            time.sleep(0.002)

    def detach(self) -> None:
        """Write no more; the target keeps what it has.

        Raises:
            ReplicationError: a transaction is open; the feed goes on.
        """
        database = self._database()
        if database is not None:
            system = system_of(database)
            with between_transactions(database):
                self.leave(system)
                observe(database, system)
        self.end()

    def leave(self, system: System) -> None:
        """Hear of no more commits, once `roles.observe` is called; the caller holds the writer's place."""
        if self in system.targets:
            system.targets.remove(self)
            system.wrappers.remove(self.wrap)

    def end(self) -> None:
        """Let thread and target go."""
        self._stopped.set()
        self._wake.set()
        with self._lock:
            self.state, self.reason = "detached", ""
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

    def take_over(self, anew: bool = False) -> None:
        """Become the one who writes to the target, whatever it takes to know which root it holds.

        Args:
            anew: write everything, whatever it holds.
        """
        with self._lock:
            database, system = self.database, system_of(self.database)
            # Read before it is asked who leads: a former primary soon has its successor's epoch, and is none in that.
            epoch = system.identity.epoch
            if not leads(database):
                raise ReplicationError(f"this database does not lead, and does not write to {self.name}")
            found = self.target.open()
            is_new, self._epoch = self._epoch != epoch, epoch
            if self._goes_on(found):
                return
            if found is not None and self._position is not None and not is_new:
                raise Superseded(f"{self.name} was written by another feed")
            self._held = self._position = self._given_up = None
            root = database.snapshot()
            mine = Position(system.identity.cluster.hex(), epoch, root.lsn, secrets.token_hex(16), 0)
            claims_of(system).writers.add(mine.writer)
            held = self._find_held(found, system, epoch, root)
            if held is not None and found is not None and not anew:
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
            position = self._claim()
            # By number, not by root: a commit that the target has already may not be visible yet.
            while (root := self.database.root).lsn > position.lsn or self._held is self._given_up:
                position = self._write(root)
                self._finish()
            self._tell("in step", "")

    def begin(self, root: Root) -> None:
        """Write a commit that is on its way; `finish` or `undo` ends it. The lock is held until then."""
        self._lock.acquire()
        try:
            if self.state == "superseded" and self._epoch == system_of(self.database).identity.epoch:
                raise Superseded(f"{self.name} is written by another primary", detail=self.reason)
            self._claim()
            if self._held is self._given_up:
                # First, for its number is about to name this commit: who is promoted must not take one for the other.
                self._write(self.database.root)
                self._finish()
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

    def take_back(self, root: Root) -> None:
        """A commit that was begun, and perhaps finished, does not stand: the target is to forget it, too."""
        with self._lock:
            if self._doubt is not None and self._doubt[0] is root:
                position = self._doubt[1]
            elif self._position is not None and self._held is root:
                position = self._position
            else:
                return
            self._given_up = root
            claims_of(system_of(self.database)).undone.add((position.writer, position.sequence))
            self._wake.set()

    def note_commit(self, root: Root) -> None:
        """A commit is visible that the target has not got, or not yet."""
        if self._position is None or system_of(self.database).secondary is not None:
            self._recent.append(root)
            if len(self._recent) == RECENT_ROOTS and self._lock.acquire(blocking=False):
                self._held = self._position = self._given_up = None  # Of the time when this led: long replaced.
                self._lock.release()
        if not self._behind_since:
            self._behind_since = time.monotonic()
        self._wake.set()

    def work(self) -> float:
        """What the thread does when it is woken; returns after how many seconds it is to look again."""
        database = self._database()
        if database is None or not leads(database):
            return IDLE_SECONDS
        if self.state in ("refused", "superseded") and self._epoch == system_of(database).identity.epoch:
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

    def _holds(self, root: Root) -> bool:
        """Tell whether the target is known to hold a root, or a later one, and nothing that was taken back."""
        position = self._position
        if position is None or self._is_lost or self._held is self._given_up:
            return False
        return position.lsn >= root.lsn

    def _claim(self) -> Position:
        """See that this feed, in this epoch, is the one that writes to the target; return where that is."""
        if self._position is None or self._is_lost or self._epoch != system_of(self.database).identity.epoch:
            self.take_over()
        assert self._position is not None
        return self._position

    def _goes_on(self, found: Position | None) -> bool:
        """Tell whether the target is where this feed has left it, or where a commit in doubt has brought it."""
        doubt, self._doubt = self._doubt, None
        self._is_lost = False
        if doubt is not None and found == doubt[1]:
            self._note(*doubt)
        if self._held is not self._given_up:
            self._given_up = None
        return found is not None and found == self._position

    def _find_held(self, found: Position | None, system: System, epoch: int, root: Root) -> Root | None:
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
        if found.epoch > epoch:
            raise Superseded(
                f"{self.name} holds epoch {found.epoch}, and this database is of epoch {epoch}",
                hint="Another primary leads by now.",
            )
        if claims_of(system).is_foreign(found, system.identity.history, root.lsn):
            if self.overwrite:
                return None
            raise Superseded(
                f"{self.name} has been written since this database was started from it",
                detail=f"It is at LSN {found.lsn} of epoch {found.epoch}, by another primary.",
                hint="Start a database from it anew, or pass overwrite=True to replace what was written.",
            )
        if not claims_of(system).knows(found) or not lies_on(found, system.identity.history, root.lsn):
            return None
        if found.lsn == root.lsn:
            return root
        history = self.database.history
        kept = history.get(found.lsn) if history is not None else None
        return kept or next((recent for recent in self._recent if recent.lsn == found.lsn), None)

    def _write(self, root: Root) -> Position:
        """Write what is new in a root; return where `_finish` brings the target."""
        held, position = self._held, self._position
        assert held is not None and position is not None
        after = position._replace(epoch=self._epoch, lsn=root.lsn, sequence=position.sequence + 1)
        self._doubt = (root, after)
        try:
            self.target.write(held, root, position, after)
        except BaseException:
            self._doubt = None
            self.target.rollback()
            raise
        return after

    def _finish(self) -> None:
        doubt = self._doubt
        assert doubt is not None
        try:
            self.target.commit()
        except (TargetRefused, NotCommitted):
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
        if root is not self._given_up:
            self._given_up = None
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
