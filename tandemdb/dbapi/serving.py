"""The server side of remote connections: one planner session for each client of a node.

    RemoteSession (remote.py)  --CALL run("SELECT ...", values)-->  ClientHandler --> Session --> Database
                               <--REPLY state, first rows---------     cursors: {3: rows not fetched yet}
                               --CALL fetch(3)----------------->

Every answer begins with the session's state (in a transaction? changes, last rowid), so that the client's side never
has to ask for it. Rows go in batches that are small at first and then of BATCH_BYTES; what a client does not fetch is
never computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from tandemdb.errors import NotSupportedError, OperationalError, ProgrammingError
from tandemdb.replication.acknowledging import acknowledging
from tandemdb.replication.core.levels import Level, level_of
from tandemdb.replication.system import leader_of

if TYPE_CHECKING:
    from tandemdb.planner.session import Session
    from tandemdb.storage import Database, Root

FIRST_ROWS = 100
BATCH_BYTES = 1 << 18
BATCH_ROWS_MAX = 10_000
CURSORS_MAX = 4096
WAIT_SECONDS_MAX = 3600.0
WARMING = (
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c)",
    "BEGIN IMMEDIATE",
    "INSERT INTO t (b, c) VALUES ('x', 1)",
    "UPDATE t SET c = c + 1 WHERE a = 1",
    "SELECT b, count(*) FROM t WHERE c > 1 GROUP BY b ORDER BY 1",
    "DELETE FROM t WHERE a = 1",
    "COMMIT",
)
VALUE_TYPES = frozenset({int, float, str, bytes, type(None)})

Row = tuple[Any, ...]
Answer = tuple[Any, tuple[Row, ...]]


def open_handler(database: Database) -> ClientHandler:
    """Make the handler of a client that has logged in: what a node takes as its `sessions`."""
    return ClientHandler(database)


def warm_up() -> None:
    """Load the planner, and have it plan once what clients ask for most: whoever comes after a failover is in a hurry.

    A statement's first run in a process takes a tenth of a second, most of it for imports.
    """
    from tandemdb.planner.session import Session
    from tandemdb.storage import Database

    session = Session(Database())
    for sql in WARMING:
        list(session.run(session.prepare(sql), ()).rows)
    session.close()


class OpenCursor:
    """Rows that a client has not fetched yet, and how many make a batch."""

    def __init__(self, rows: Iterator[Row]) -> None:
        """Begin with a small batch: most queries are done with it."""
        self.rows = rows
        self.batch_rows = FIRST_ROWS

    def take(self) -> tuple[tuple[Row, ...], bool]:
        """Return the next batch, and whether more may follow."""
        batch = tuple(islice(self.rows, self.batch_rows))
        more = len(batch) == self.batch_rows
        if more:
            from tandemdb.replication.network.wire import rows_bytes

            self.batch_rows = max(1, min(BATCH_ROWS_MAX, BATCH_BYTES * len(batch) // rows_bytes(batch)))
        return batch, more


class ClientHandler:
    """Runs one client's calls on a session of its own."""

    def __init__(self, database: Database) -> None:
        """Open the session; the planner is loaded with the node's first client."""
        from tandemdb.planner.session import Session

        self.database = database
        self.session: Session = Session(database)
        self._cursors: dict[int, OpenCursor] = {}
        self._next_cursor = 1
        self._columns: dict[str, Any] = {}
        self._level: Level | None = None
        self._was_fresh = False
        self._methods: dict[str, Callable[..., Answer]] = {
            "run": self.run,
            "fetch": self.fetch,
            "prepare": self.prepare,
            "run_many": self.run_many,
            "run_script": self.run_script,
            "begin": self.begin,
            "commit": self.commit,
            "rollback": self.rollback,
            "set_timeout": self.set_timeout,
            "describe": self.describe,
            "digest": self.digest,
            "keep_history": self.keep_history,
            "mark": self.mark,
            "was_committed": self.was_committed,
            "show": self.show,
            "restore": self.restore,
            "acknowledge": self.acknowledge,
            "wait_for_token": self.wait_for_token,
        }

    def call(self, method: str, arguments: Row) -> Answer:
        """Look a method up and call it.

        Raises:
            ProgrammingError: there is no such method.
        """
        function = self._methods.get(method)
        if function is None:
            raise ProgrammingError(f"a client's link has no method {method!r}")
        self._was_fresh = self._is_fresh()
        with acknowledging(self._level):
            value, rows = function(*arguments)
        return (*self.state(), value), rows

    def state(self) -> Row:
        """Return what the client's side keeps of the session, and whom to turn to if this node takes no writes.

        That is told only where nothing has been done in the transaction that a failed call belongs to.
        """
        session = self.session
        return (
            session.in_transaction,
            session.changes,
            session.total_changes,
            session.last_insert_rowid,
            leader_of(self.database) if self._was_fresh else "",
        )

    def interrupt(self) -> None:
        """Ask the running statement to stop."""
        self.session.interrupt()

    def close(self) -> None:
        """Roll back what is open."""
        self._cursors.clear()
        self.session.close()

    # Methods.

    def run(self, sql: str, values: Any, begin: str, knows_columns: bool, dropped: Any) -> Answer:
        """Run one statement; `begin` is a BEGIN that the client has put off until now."""
        for number in dropped:
            self._cursors.pop(number, None)
        check_values(values)
        session = self.session
        if begin:
            session.begin(begin)
        statement = session.prepare(sql)
        result = session.run(statement, tuple(values))
        columns = statement.columns
        if columns is None:
            return (result.changes, None, 0), ()
        described: Any = (columns, statement.column_types)
        known = knows_columns and self._columns.get(sql) == described
        if not known:
            if len(self._columns) >= CURSORS_MAX:
                self._columns.clear()
            self._columns[sql] = described
        cursor = OpenCursor(iter(result.rows))
        rows, more = cursor.take()
        number = self._keep(cursor) if more else 0
        return (result.changes, True if known else described, number), rows

    def fetch(self, number: int) -> Answer:
        """Return a cursor's next rows, and whether more may follow."""
        cursor = self._cursors.get(number)
        if cursor is None:
            raise OperationalError("the cursor's rows are gone")
        try:
            rows, more = cursor.take()
        except BaseException:
            del self._cursors[number]
            raise
        if not more:
            del self._cursors[number]
        return more, rows

    def prepare(self, sql: str) -> Answer:
        """Describe a statement as far as it is the same under any schema."""
        statement = self.session.prepare(sql)
        return (
            statement.kind,
            statement.is_dml,
            statement.is_read_only,
            statement.parameters,
            statement.has_tail,
        ), ()

    def run_many(self, sql: str, rows: Any, begin: str) -> Answer:
        """Run a statement once for each row of values."""
        for values in rows:
            check_values(values)
        if begin:
            self.session.begin(begin)
        return self.session.run_many(self.session.prepare(sql), [tuple(values) for values in rows]), ()

    def run_script(self, sql: str, begin: str) -> Answer:
        """Run the statements of a script."""
        if begin:
            self.session.begin(begin)
        self.session.run_script(sql)
        return None, ()

    def begin(self, kind: str) -> Answer:
        """BEGIN, of a kind that takes the writer's place at once."""
        self.session.begin(kind)
        return None, ()

    def commit(self) -> Answer:
        """COMMIT."""
        self.session.commit()
        return None, ()

    def rollback(self) -> Answer:
        """ROLLBACK."""
        self.session.rollback()
        return None, ()

    def set_timeout(self, seconds: float) -> Answer:
        """Set how long the session waits for another writer; answers whether commits here lack copies."""
        from tandemdb.replication.replica import is_exposed

        self.session.timeout = float(seconds)
        return is_exposed(self.database), ()

    def describe(self) -> Answer:
        """Return LSN and epoch of the newest root, and whether this node takes writes."""
        from tandemdb.replication.replica import leads

        root = self.database.root
        return (root.lsn, root.epoch, leads(self.database)), ()

    def wait_for_token(self, token: str, seconds: float) -> Answer:
        """Wait until this node shows a commit; holds up this client only."""
        from tandemdb.replication.replica import wait_for_token

        wait_for_token(self.database, token, min(float(seconds), WAIT_SECONDS_MAX))
        return None, ()

    def digest(self) -> Answer:
        """Return the digest of the newest root."""
        return self.database.digest(), ()

    def keep_history(self, commits: int) -> Answer:
        """Keep the states after the last commits."""
        if type(commits) is not int:
            raise NotSupportedError("keep_history() takes a number of commits")
        self.database.keep_history(commits)
        return None, ()

    def mark(self, token: str, begin: str) -> Answer:
        """Let the open transaction bear a token."""
        if type(token) is not str:
            raise ProgrammingError("a token is a str")
        if begin:
            self.session.begin(begin)
        self.session.mark(token)
        return None, ()

    def was_committed(self, token: str) -> Answer:
        """Tell whether the transaction with this token was committed."""
        if type(token) is not str:
            raise ProgrammingError("a token is a str")
        return self.session.was_committed(token), ()

    def show(self, lsn: int) -> Answer:
        """Show an earlier commit from here on, read-only."""
        from tandemdb.planner.session import Session
        from tandemdb.storage import Database

        root = self._find_root(lsn)
        past = Database(self.database.name, root)
        past.read_only = f"it shows LSN {lsn}"
        self.session.close()
        self.database, self.session = past, Session(past, timeout=self.session.timeout)
        return None, ()

    def restore(self, lsn: int) -> Answer:
        """Make the database what it was after an earlier commit."""
        from tandemdb.dbapi.beyond import Snapshot
        from tandemdb.dbapi.connection import connect

        snapshot = Snapshot(self._find_root(lsn))
        connection = connect(f":memory:{self.database.name}", timeout=self.session.timeout)
        try:
            connection.restore(snapshot)
        finally:
            connection.close()
        return None, ()

    def acknowledge(self, level: str | None) -> Answer:
        """Set what this link's commits wait for."""
        self._level = level_of(level)
        return None, ()

    def _is_fresh(self) -> bool:
        """Whether nothing was read or written in a transaction that may be open."""
        session = self.session
        if not session.in_transaction:
            return True
        held = any(each.transaction is not None or each.snapshot is not None for each in session.databases)
        return not held and not session.savepoints

    def _find_root(self, lsn: int) -> Root:
        from tandemdb.dbapi.beyond import no_such_moment
        from tandemdb.storage import HistoryGone

        if type(lsn) is not int:
            raise ProgrammingError("an LSN is a number")
        try:
            return self.database.root_at(lsn)
        except HistoryGone as error:
            raise no_such_moment(lsn, str(error)) from None

    def _keep(self, cursor: OpenCursor) -> int:
        if len(self._cursors) >= CURSORS_MAX:
            raise OperationalError(
                "too many cursors with rows left to fetch",
                detail=f"This connection has {len(self._cursors)}.",
                hint="Fetch their rows, or close them.",
            )
        number = self._next_cursor
        self._next_cursor += 1
        self._cursors[number] = cursor
        return number


def check_values(values: Any) -> None:
    """Refuse what no driver sends: values that are of no storage class."""
    if not VALUE_TYPES.issuperset(map(type, values)):
        raise ProgrammingError("bound values must be None, int, float, str or bytes")
