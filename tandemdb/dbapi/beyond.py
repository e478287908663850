"""What a connection does beyond sqlite3's: forks, snapshots, the past, digests, plans, and mirrors.

    database    root 39 ---- root 40 ---- root 41     as_of(39): a read-only connection on that root
                                            |  \\----- fork(): a database of its own from here, blocks shared
                                            v
                                         mirrors      replicate_to(target), replication_status(), promote()

All of these speak of committed data: what an open transaction has changed is not in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tandemdb.dbapi.modes import read_mode
from tandemdb.dbapi.state import ConnectionState
from tandemdb.errors import NotSupportedError, OperationalError, ProgrammingError

if TYPE_CHECKING:
    from tandemdb.dbapi.connection import Connection
    from tandemdb.replication.core.peer import Mode
    from tandemdb.storage import Root

COUNT_MAX = (1 << 63) - 1


class Snapshot:
    """A database as of one commit, held until the last reference to this object goes."""

    __slots__ = ("__weakref__", "root")
    __module__ = "tandemdb"

    def __init__(self, root: Root) -> None:
        """Hold a committed root."""
        self.root = root

    @property
    def lsn(self) -> int:
        """The number of the commit."""
        return self.root.lsn

    def digest(self) -> int:
        """Return the digest of the content; see `Connection.digest`."""
        from tandemdb.storage import root_digest

        return root_digest(self.root)

    def __repr__(self) -> str:
        return f"<tandemdb.Snapshot: LSN {self.lsn}>"


def check_lsn(moment: Any) -> int:
    """Return an LSN that was given for a moment, if it is one.

    Raises:
        ProgrammingError: it is neither an LSN nor a snapshot. OperationalError: no commit can have it.
    """
    if type(moment) is not int:
        raise ProgrammingError(
            f"a moment is an LSN or a snapshot, not {type(moment).__name__}",
            hint="connection.lsn tells the number of the last commit.",
        )
    if not 0 <= moment <= COUNT_MAX:
        raise no_such_moment(moment, "Commits are numbered from 1 on.")
    return moment


def check_token(token: Any) -> str:
    """Return a transaction's token, if it is one.

    Raises:
        ProgrammingError: it is no str, or has lone surrogates, which no message carries.
    """
    if not isinstance(token, str):
        raise ProgrammingError(f"a token is a str, not {type(token).__name__}")
    try:
        token.encode()
    except UnicodeEncodeError:
        raise ProgrammingError("a token is text that can be written in UTF-8") from None
    return token


def no_such_moment(lsn: int, why: str) -> OperationalError:
    """Make the error of a commit whose root is not kept."""
    return OperationalError(
        f"no such moment: LSN {lsn}",
        detail=why,
        hint="keep_history(commits) keeps the roots of commits made after it.",
    )


class Beyond(ConnectionState):
    """Methods that sqlite3's connections do not have."""

    __slots__ = ()

    def fork(self, name: str | None = None) -> Connection:
        """Open a connection on a copy of the database; neither sees the other's later changes.

        The new connection has this one's settings (isolation_level, autocommit, row_factory, text_factory,
        detect_types), but none of its functions and hooks.

        Args:
            name: None: the copy is private; else it is the database that `connect(":memory:NAME")` opens from now on,
                until its last connection is closed.
        Raises:
            ProgrammingError: the name is taken.
        Cost: O(1); the two share every block until one of them writes it.
        """
        with self._guard():
            return self._open_root(self._database.snapshot(), name)

    def snapshot(self) -> Snapshot:
        """Hold the database as it is now, for `as_of` and `restore`.

        Raises:
            NotSupportedError: the database is on a node; there, `keep_history` and LSNs serve.
        Cost: O(1).
        """
        with self._guard():
            return Snapshot(self._database.snapshot())

    def restore(self, moment: int | Snapshot) -> None:
        """Make the database what it was, as a commit of its own.

        Args:
            moment: a snapshot, or the LSN of a commit that `keep_history` has kept.
        Raises:
            ProgrammingError: this is no moment. OperationalError: a transaction is open; that commit is not kept.
        Cost: O(tables); O(rows) for a database that is mirrored.
        """
        from tandemdb.dbapi.copying import take_root

        with self._guard():
            if self._target.kind == "remote" and not isinstance(moment, Snapshot):
                self._database.restore(check_lsn(moment))  # type: ignore[attr-defined]
            else:
                take_root(self, self._find_moment(moment))

    def keep_history(self, commits: int) -> None:
        """Keep the states after the last `commits` commits for `as_of`; 0 forgets them.

        Raises:
            ProgrammingError: it is no number of commits.
        Cost: what those commits replaced stays in memory.
        """
        if type(commits) is not int or not 0 <= commits <= COUNT_MAX:
            raise ProgrammingError(f"keep_history() takes a number of commits, not {commits!r}")
        with self._guard():
            self._database.keep_history(commits)

    def as_of(self, moment: int | Snapshot) -> Connection:
        """Open a read-only connection on the database as it was.

        Args:
            moment: the LSN of a commit that `keep_history` has kept, or a snapshot.
        Raises:
            ProgrammingError: this is no moment. OperationalError: that commit is not kept.
        """
        with self._guard():
            if self._target.kind == "remote" and not isinstance(moment, Snapshot):
                from tandemdb.dbapi.connection import Connection

                lsn = check_lsn(moment)
                past = Connection(self._target.name, isolation_level=self._isolation_level)
                try:
                    past._session.show(lsn)
                except BaseException:
                    past.close()
                    raise
                past.row_factory = self.row_factory
                return past
            root = self._find_moment(moment)
            connection = self._open_root(root)
            connection._database.read_only = f"it shows LSN {root.lsn}"
            return connection

    def mark(self, token: str) -> None:
        """Let the open transaction bear a token, a name of your choice that no other one has.

        When a COMMIT ends in CommitInDoubt, `was_committed(token)` tells what became of it, on whichever system leads
        then. The token is written with the transaction, so it is there if, and only if, the transaction is.

        Raises:
            ProgrammingError: it is no text. OperationalError: no transaction is open.
            IntegrityError: a transaction with this token was committed before: this one repeats it.
        Cost: as one more row. The last 100,000 tokens are kept.
        """
        with self._guard():
            self._session.mark(check_token(token))

    def was_committed(self, token: str) -> bool:
        """Tell whether the transaction that bears this token was committed; one under way is waited for.

        Raises:
            ProgrammingError: it is no text.
            OperationalError: the system does not lead; a transaction is open and may be the one in question.
        """
        with self._guard():
            return bool(self._session.was_committed(check_token(token)))

    @property
    def lsn(self) -> int:
        """The number of the database's last commit."""
        self._check_open()
        return self._database.root.lsn

    def digest(self) -> int:
        """Return a 64-bit digest of the committed content; equal digests mean equal blocks.

        Raises:
            ProgrammingError: the connection is closed. OperationalError: its node does not answer.
        Cost: O(records) the first time, then O(blocks changed since).
        """
        with self._guard():
            return self._database.digest()

    def explain(self, sql: str, parameters: Any = ()) -> str:
        """Return the plan of a statement as a tree, as the SQLite shell draws EXPLAIN QUERY PLAN.

        Args:
            parameters: the values that the plan is for; NULL for each if none are given.
        Raises:
            OperationalError: the statement cannot be prepared.
        """
        with self._guard():
            statement = self._session.prepare(f"EXPLAIN QUERY PLAN {sql}")
            values = tuple(parameters) or (None,) * len(statement.parameters)
            rows = list(self._session.run(statement, values).rows)
        return "\n".join(["QUERY PLAN", *draw_tree(rows, 0, "")])

    def replicate_to(self, target: Any, mode: str = "sync", **options: Any) -> Any:
        """Mirror every commit of this database to another one.

        Args:
            target: a connection, or the URL of a node (tandemdb://HOST:PORT/NAME?secret_file=...), whose database
                becomes the mirror; its content is replaced and it turns read-only. Or a backup target of another kind,
                which gets rows: sqlite:///PATH, an SQLAlchemy engine or its URL; see docs/backup-targets.md.
            mode: "sync": a commit returns when the mirror has it; "async": it returns at once.
            options: those of `tandemdb.replication.attach`: name, overwrite, timeout_seconds, limits such as required
                (how many synchronous mirrors must have a commit) and on_loss (what happens when too few are there).
        Returns:
            The `tandemdb.replication.Replica`; for a node the `RemoteReplica`, which mends a broken link; for a backup
            target its `Feed` (status, wait(), detach()), for which overwrite is the only option.
        Raises:
            ProgrammingError: there is no such mode, or target. OperationalError: the target refuses.
        Cost: the first copy is O(blocks).
        """
        known_mode = read_mode(mode)
        if not isinstance(target, ConnectionState):
            from tandemdb.dbapi.targets.opening import is_target

            if is_target(target):
                return self._feed_target(target, known_mode, **options)
        if isinstance(target, str):
            return self._replicate_to_node(target, known_mode, **options)
        from tandemdb.replication import attach

        if not isinstance(target, ConnectionState):
            raise ProgrammingError(
                f"replicate_to() needs a tandemdb connection, not {type(target).__name__}",
                hint="Open the mirror with tandemdb.connect() first.",
            )
        with self._guard(), target._guard():
            self._check_here()
            if target._target.kind == "remote":
                raise NotSupportedError("this mirror is on a node", hint="Give replicate_to() the node's URL.")
            target._database.share()
            self._mirror_in_place(known_mode)
            return attach(self._database, target._database, known_mode, **options)

    def attach_store(self, address: str, secret_file: str = "") -> Any:
        """Keep the blocks of this database in a store process (`tandemdb store`) from now on.

        Every commit is there before anybody sees it. If this program dies, another one attaches an empty database to
        the store and goes on with what it holds.

        Args:
            address: "unix:PATH", or a HOST:PORT of this machine.
            secret_file: as the store's, if it has one.
        Returns:
            The `Attachment`; its `detach()` goes on without the store.
        Raises:
            OperationalError: no store answers, another program is attached to it, or both hold data already.
        Cost: the first copy is O(blocks), in either direction; then two messages to and fro for each commit.
        """
        from tandemdb.dbapi import stores
        from tandemdb.replication.network.address import Security

        with self._guard():
            if self._target.kind == "remote":
                raise NotSupportedError(
                    "this connection's database is on a node", hint="Start the node with --store ADDRESS."
                )
            self._database.share()
            leads = self._database.read_only is None
            return stores.attach(self._database, address, Security(secret_file), leads=leads)

    @contextmanager
    def acknowledging(self, level: str | None) -> Iterator[None]:
        """Let this connection's commits, within the `with`, wait for "none", "received", "applied" or "visible".

        See `tandemdb.replication.core.levels`. In this process it is the commits of this thread.

        Raises:
            ProgrammingError: there is no such level.
        """
        from tandemdb.replication.acknowledging import acknowledging
        from tandemdb.replication.core.levels import level_of

        if self._target.kind != "remote":
            with acknowledging(level):
                yield
            return
        session: Any = self._session
        session.acknowledge(level_of(level))
        try:
            yield
        finally:
            if not session.is_lost:
                session.acknowledge(None)

    def replication_status(self) -> Any:
        """Tell what this database is, and how far each of its mirrors has come, in the order they were added.

        Returns:
            A list of `tandemdb.replication.SecondaryStatus` that also has `role`, `epoch`, `lsn`, `is_exposed` and,
            of a mirror, `following`; as a text it is drawn for people, a catch-up with a bar.
        Raises:
            ProgrammingError: the connection is closed. OperationalError: its node does not answer.
        Cost: no message sent; of a remote connection, one call.
        """
        from tandemdb.replication import overview

        with self._guard():
            if self._target.kind == "remote":
                return self._database.overview()  # type: ignore[attr-defined]
            return overview(self._database)

    @property
    def is_lost(self) -> bool:
        """Whether the link to the node is gone, and this connection of no more use: open another."""
        return self._target.kind == "remote" and bool(self._session.is_lost)

    def commit_token(self) -> str:
        """Name the database's last commit, for `wait_for` on a mirror that is to show it.

        Take it after `commit()`: what that committed is in it.

        Raises:
            ProgrammingError: the connection is closed. OperationalError: its node does not answer.
        Cost: of a remote connection, one call.
        """
        with self._guard():
            root = self._database.root
            return f"{root.epoch}:{root.lsn}"

    def wait_for(self, token: str, timeout: float = 5.0) -> None:
        """Wait until this database, a mirror, shows the commit of a token: then one reads here what one wrote there.

        Raises:
            ProgrammingError: it is no token, or no time.
            OperationalError: it does not show it in that time, or never will: another primary leads, which lacks it.
        """
        from tandemdb.replication import wait_for_token

        if not isinstance(timeout, int | float) or timeout != timeout:
            raise ProgrammingError(f"a timeout is a number of seconds, not {timeout!r}")
        with self._guard():
            if self._target.kind == "remote":
                self._session.call("wait_for_token", token, float(timeout))
            else:
                wait_for_token(self._database, token, float(timeout))

    def promote(self) -> Any:
        """Make this mirror a primary: it takes writes from now on, in a new epoch.

        Returns:
            The `tandemdb.replication.PromotionReport` (epoch, the LSN that it begins after, what is missing); of a
            remote connection, the same as a dict.
        Raises:
            OperationalError: this is no mirror; with a coordinator: somebody leads.
        """
        from tandemdb.replication import promote

        with self._guard():
            if self._target.kind == "remote":
                return self._database.promote()  # type: ignore[attr-defined]
            return promote(self._database)

    def continue_alone(self) -> None:
        """Let this primary go on without the synchronous mirrors that it has lost, until they are back in step.

        One that is promoted elsewhere meanwhile has another history: see docs/replication.md.

        Raises:
            OperationalError: this is no primary with mirrors, or its node does not answer.
        """
        from tandemdb.replication import continue_alone

        with self._guard():
            if self._target.kind == "remote":
                self._database.continue_alone()  # type: ignore[attr-defined]
            else:
                continue_alone(self._database)

    def _feed_target(self, target: Any, mode: Mode, overwrite: bool = False, **unknown: Any) -> Any:
        """Write every commit to a backup target of another kind."""
        from tandemdb.dbapi.targets.opening import open_target
        from tandemdb.replication.targets import feed_to

        if unknown:
            raise ProgrammingError(
                f"unknown option of a backup target: {', '.join(unknown)}", detail="There is one: overwrite."
            )
        with self._guard():
            if self._target.kind == "remote":
                raise NotSupportedError(
                    "this connection's database is on a node", hint="Start the node with --backup-to URL."
                )
            self._database.share()
            return feed_to(self._database, open_target(target), mode, overwrite)

    def _replicate_to_node(self, url: str, mode: Mode, **options: Any) -> Any:
        """Mirror this database to a node."""
        from tandemdb.replication.linking import replicate_to
        from tandemdb.replication.network.address import read_address

        with self._guard():
            self._check_here()
            self._mirror_in_place(mode)
            return replicate_to(self._database, read_address(url), mode, **options)

    def _check_here(self) -> None:
        """Refuse to mirror what another process holds."""
        if self._target.kind == "remote":
            raise NotSupportedError(
                "this connection's database is on a node itself",
                hint="Start another node with --secondary-of this one's address.",
            )

    def _mirror_in_place(self, mode: Mode) -> None:
        """Let a private database go on changing in place if nothing but its own log is to be read by others."""
        if mode == "async":
            self._database.hold()
        else:
            self._database.share()

    def _find_moment(self, moment: int | Snapshot) -> Root:
        """Find a moment's root.

        Raises:
            OperationalError: that commit is not kept.
        """
        from tandemdb.storage import HistoryGone

        if isinstance(moment, Snapshot):
            return moment.root
        try:
            return self._database.root_at(check_lsn(moment))
        except HistoryGone as error:
            raise no_such_moment(moment, str(error)) from None

    def _open_root(self, root: Root, name: str | None = None) -> Connection:
        """Open a connection on a root, private or under a name, with this connection's settings."""
        from tandemdb.dbapi.copying import connect_to_root

        connection = connect_to_root(root, self._database.name if name is None else name, shared=name is not None)
        if self._thread is None:
            connection._thread = connection._owner = None
        connection._detect_types = self._detect_types
        connection._isolation_level = self._isolation_level
        connection._autocommit = self._autocommit
        connection._set_begin()
        connection._set_text_factory(self._text_factory)
        connection.row_factory = self.row_factory
        if connection._autocommit is False:
            connection._run("BEGIN")
        return connection


def draw_tree(rows: Sequence[Any], parent: int, indent: str) -> list[str]:
    """Draw the rows (id, parent, -, text) below a parent."""
    children = [row for row in rows if row[1] == parent]
    lines = []
    for row in children:
        last = row is children[-1]
        lines.append(f"{indent}{'`--' if last else '|--'}{row[3]}")
        lines += draw_tree(rows, row[0], indent + ("   " if last else "|  "))
    return lines
