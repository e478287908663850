"""Remote sessions, of `connect("tandemdb://HOST:PORT/NAME")`: a planner's session, at the other end of a link.

    Cursor.execute --> RemoteSession.run --CALL run--> node: the session itself (serving.py)
                   <-- RemoteResult.rows <--REPLY-----  first rows; the next batch is fetched when these are used up

    prepare(sql)       asked for once a text: what is kept (kind, parameters) is the same under any schema
    begin("DEFERRED")  goes with the next statement: it cannot fail, and costs no round trip of its own

A connection whose link is lost stays lost, for its transaction is: open another. One whose node has handed over to
another goes on there with its next transaction. Functions, collations and hooks are Python code of this process and
cannot run on the node: they are refused.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NoReturn

from tandemdb.dbapi.exposure import warn_of_exposure
from tandemdb.errors import Error, NotSupportedError, OperationalError
from tandemdb.replication.core.identity import Identity
from tandemdb.replication.errors import CommitInDoubt, LeaseLost, LinkLost, PrimaryFenced
from tandemdb.replication.network import handshake, transport
from tandemdb.replication.network.address import Address, read_address, read_addresses
from tandemdb.replication.network.calls import ANSWERS, Caller

if TYPE_CHECKING:
    from tandemdb.replication.core.messages import Reply

STATEMENTS_MAX = 1024
MANY_ROWS_FIRST = 256
MANY_ROWS_MAX = 10_000
MANY_BYTES = 1 << 20
OPERATOR_SECONDS = 30.0
SEARCH_SECONDS = 0.02
# What each answer begins with: in a transaction? changes, total, last rowid, who leads if this node does not.
STATE_FIELDS = 5
REDIRECTS_MAX = 3

Row = tuple[Any, ...]


def open_session(url: str, timeout: float) -> tuple[RemoteSession, RemoteDatabase]:
    """Connect to a node as a client; `timeout` is how long a writer waits there for another.

    Raises:
        ProgrammingError: the URL is not a database's address.
        OperationalError: nobody listens there, the secrets differ, there is no such database...
    """
    addresses = read_addresses(url)
    session = RemoteSession(addresses[0]) if len(addresses) == 1 else find_leader(addresses, timeout)
    session.timeout = float(timeout)
    if session.call("set_timeout", session.timeout).value[STATE_FIELDS]:
        warn_of_exposure(str(session.address))
    return session, RemoteDatabase(session)


def find_leader(addresses: list[Address], timeout: float) -> RemoteSession:
    """Connect to whichever of these nodes takes writes, waiting for one to do so.

    Each is tried in a thread of its own: one that is stopped, or behind a dead line, delays no other.

    Raises:
        LinkLost: none does within that time.
    """
    found: queue.SimpleQueue[RemoteSession] = queue.SimpleQueue()
    over = threading.Event()
    reasons: dict[str, str] = {}

    def search(address: Address) -> None:
        while not over.is_set():
            try:
                session = RemoteSession(address)
                if session.call("describe").value[STATE_FIELDS][2] and not over.is_set():
                    session.wants_leader = True
                    found.put(session)
                    return
                session.close()
                reasons[str(address)] = "does not lead"
            except Error as error:
                reasons[str(address)] = str(error)
            over.wait(SEARCH_SECONDS)

    for address in addresses:
        threading.Thread(target=search, args=(address,), name=f"tandemdb search at {address}", daemon=True).start()
    try:
        session = found.get(timeout=max(timeout, SEARCH_SECONDS))
    except queue.Empty:
        known = "; ".join(f"{address}: {reasons.get(str(address), 'no answer')}" for address in addresses)
        raise LinkLost(f"none of {len(addresses)} nodes takes writes", detail=known) from None
    finally:
        over.set()
    while not found.empty():
        found.get().close()
    return session


def log_in(address: Address, purpose: str) -> tuple[Caller, int, bytes]:
    """Connect and log in; returns the caller, and the link's number and ticket for `interrupt`."""
    channel = transport.connect(address)
    try:
        me = Identity(b"", "", b"")
        _, welcome = handshake.log_in(channel, me, address.security.secret, address.name, purpose)
    except BaseException:
        channel.close()
        raise
    handshake.open_up(channel, ANSWERS)
    return Caller(channel), welcome.link, welcome.ticket


class RemoteStatement:
    """A text that the node has prepared; `columns` are those of its last run."""

    __slots__ = ("column_types", "columns", "has_tail", "is_dml", "is_read_only", "kind", "parameters", "sql")

    def __init__(self, sql: str, described: Sequence[Any]) -> None:
        """Take over what the node says of the text."""
        self.sql = sql
        self.kind, self.is_dml, self.is_read_only, parameters, self.has_tail = described
        self.parameters: tuple[str | None, ...] = tuple(parameters)
        self.columns: tuple[str, ...] | None = None
        self.column_types: tuple[str | None, ...] | None = None


class RemoteResult:
    """What a statement gave."""

    __slots__ = ("changes", "columns", "rows")

    def __init__(self, rows: Iterator[Row], changes: int, columns: tuple[str, ...] | None) -> None:
        """Hold the rows, fetched as they are asked for."""
        self.rows = rows
        self.changes = changes
        self.columns = columns


class RemoteSession:
    """A session on a node, with the methods and attributes of the planner's."""

    def __init__(self, address: Address) -> None:
        """Connect and log in."""
        self.address = address
        self.in_transaction = False
        self.changes = 0
        self.total_changes = 0
        self.last_insert_rowid = 0
        self.trace: Callable[[str], Any] | None = None
        self._statements: OrderedDict[str, RemoteStatement] = OrderedDict()
        self._begin = ""
        self.dropped: list[int] = []
        self.timeout = 5.0
        # Whether the node has a transaction of this session open: one that a BEGIN put off has not.
        self._is_open_there = False
        # Whether any node would do, if only it leads: then a link to one that does no more is given up.
        self.wants_leader = False
        self._caller, self._link, self._ticket = log_in(address, "client")

    @property
    def caller(self) -> Caller:
        """The link's other end at present."""
        return self._caller

    @property
    def is_lost(self) -> bool:
        """Whether the link is gone."""
        return self._caller.channel.is_closed

    # Statements.

    def prepare(self, sql: str) -> RemoteStatement:
        """Return the statement of a text; the node is asked the first time."""
        statement = self._statements.get(sql)
        if statement is None:
            statement = RemoteStatement(sql, self.call("prepare", sql).value[STATE_FIELDS])
            self._statements[sql] = statement
            if len(self._statements) > STATEMENTS_MAX:
                self._statements.popitem(last=False)
        return statement

    def end_left_open(self) -> None:
        """Nothing is left open here: the node's own session sees to that."""

    def run(self, statement: RemoteStatement, values: Sequence[Any] = ()) -> RemoteResult:
        """Run a statement on the node.

        Raises:
            DatabaseError: what the node's session raised.
            CommitInDoubt: the link was lost before the answer to a change came.
            LinkLost: it was lost before the answer to a query came.
        """
        if self.trace is not None:
            self.trace(statement.sql)
        dropped, self.dropped = self.dropped, []
        begin, self._begin = self._begin, ""
        knows = statement.columns is not None
        arguments = (statement.sql, tuple(values), begin, knows, dropped)
        commits = statement.kind == "commit" or not (self.in_transaction or statement.is_read_only)
        reply = self.call("run", *arguments, commits=commits)
        changes, columns, cursor = reply.value[STATE_FIELDS]
        if columns is None:
            statement.columns = None
        elif columns is not True:
            statement.columns = tuple(columns[0])
            statement.column_types = None if columns[1] is None else tuple(columns[1])
        rows: Iterator[Row] = iter(reply.rows)
        if cursor:
            rows = chain(rows, chain.from_iterable(Batches(self, cursor)))
        return RemoteResult(rows, changes, statement.columns)

    def run_many(self, statement: RemoteStatement, rows: Iterable[Sequence[Any]]) -> int:
        """Run a statement for each row of values, sent in batches; the number of rows changed."""
        if self.trace is not None:
            self.trace(statement.sql)
        remaining = iter(rows)
        size = MANY_ROWS_FIRST
        changes = 0
        commits = not self.in_transaction
        while batch := [tuple(values) for values in islice(remaining, size)]:
            begin, self._begin = self._begin, ""
            sent = self._caller.channel.bytes_sent
            changes += self.call("run_many", statement.sql, batch, begin, commits=commits).value[STATE_FIELDS]
            sent = max(1, self._caller.channel.bytes_sent - sent)
            size = max(1, min(MANY_ROWS_MAX, len(batch) * MANY_BYTES // sent))
        return changes

    def run_script(self, sql: str) -> None:
        """Run the statements of a script."""
        if self.trace is not None:
            self.trace(sql)
        begin, self._begin = self._begin, ""
        self.call("run_script", sql, begin, commits=True)

    def split(self, sql: str) -> Iterator[tuple[str, int]]:
        """Each statement of a script and its offset; found out here."""
        from tandemdb.planner.syntax.lexer import split_script

        return split_script(sql)

    # Transactions.

    def begin(self, kind: str = "DEFERRED") -> None:
        """BEGIN; a deferred one goes with the next statement."""
        if kind == "DEFERRED" and not self.in_transaction and not self._caller.channel.is_closed:
            self._begin = kind
            self.in_transaction = True
        else:
            self.call("begin", kind)

    def commit(self) -> None:
        """COMMIT."""
        self._end("commit")

    def rollback(self) -> None:
        """ROLLBACK."""
        self._end("rollback")

    def mark(self, token: str) -> None:
        """Let the open transaction bear a token."""
        begin, self._begin = self._begin, ""
        self.call("mark", token, begin)

    def was_committed(self, token: str) -> bool:
        """Ask whether the transaction with this token was committed."""
        return bool(self.call("was_committed", token).value[STATE_FIELDS])

    def show(self, lsn: int) -> None:
        """Show an earlier commit from here on, read-only."""
        self.call("show", lsn)

    def acknowledge(self, level: str | None) -> None:
        """Set what commits wait for; None: what the node's settings say."""
        self.call("acknowledge", level)

    def close(self) -> None:
        """Close the link; the node rolls back what is open."""
        self.in_transaction = False
        self._begin = ""
        self._caller.close()

    def interrupt(self) -> None:
        """Ask the node, over another link, to stop what this session is running."""
        operator, _, _ = log_in(self.address, "operator")
        try:
            operator.call("interrupt", self._link, self._ticket, seconds=OPERATOR_SECONDS)
        finally:
            operator.close()

    # What is Python code of this process.

    def create_function(self, name: str, narg: int, function: Any, deterministic: bool = False) -> None:
        """Refuse; see `refuse_code`."""
        refuse_code("functions")

    def create_aggregate(self, name: str, narg: int, aggregate: Any) -> None:
        """Refuse; see `refuse_code`."""
        refuse_code("aggregates")

    def create_window_function(self, name: str, narg: int, aggregate: Any) -> None:
        """Refuse; see `refuse_code`."""
        refuse_code("window functions")

    def create_collation(self, name: str, compare: Any) -> None:
        """Refuse; see `refuse_code`."""
        refuse_code("collations")

    def set_authorizer(self, callback: Any) -> None:
        """Refuse one; none is what there is."""
        if callback is not None:
            refuse_code("authorizers")

    def set_progress_handler(self, callback: Any, instructions: int = 0) -> None:
        """Refuse one; none is what there is."""
        if callback is not None:
            refuse_code("progress handlers")

    def set_trace_callback(self, callback: Callable[[str], Any] | None) -> None:
        """Call back with the text of each statement before it is sent."""
        self.trace = callback

    @property
    def databases(self) -> NoReturn:
        """Refuse; see `refuse_blocks`."""
        refuse_blocks()

    # Helpers, in call order.

    def call(self, method: str, *arguments: Any, commits: bool = False) -> Reply:
        """Call the node, and keep its session's state; what one that has handed over refuses goes to its successor."""
        for _ in range(REDIRECTS_MAX):
            was_open = self._is_open_there
            try:
                return self._call(method, arguments, commits)
            except OperationalError as error:
                state = getattr(error, "remote_state", None)
                moved = state is not None and error.sqlite_errorname == "SQLITE_READONLY" and state[STATE_FIELDS - 1]
                if not moved:
                    raise
                self._move(str(moved), was_open)
        return self._call(method, arguments, commits)

    def _call(self, method: str, arguments: Sequence[Any], commits: bool) -> Reply:
        try:
            reply = self._caller.call(method, *arguments)
        except LinkLost as error:
            self.in_transaction = False
            self._begin = ""
            if commits:
                raise CommitInDoubt(
                    "commit in doubt: the link to the node was lost before its answer came",
                    0,
                    detail=str(error),
                    hint="Connect again, to whichever node leads, and ask was_committed(token), if the transaction"
                    " bears one by mark(token), or look whether the change is there.",
                ) from error
            raise
        except Exception as error:
            state = getattr(error, "remote_state", None)
            if state is not None:
                self._take_state(state)
            if self.wants_leader and isinstance(error, PrimaryFenced | LeaseLost):
                self.close()
            raise
        self._take_state(reply.value)
        return reply

    def _move(self, url: str, is_open: bool) -> None:
        """Go on at the node that leads now, in a transaction that was open; nothing was done in it yet."""
        address = read_address(url, self.address.security)
        caller, link, ticket = log_in(address, "client")
        self._caller.close()
        self._caller, self._link, self._ticket, self.address = caller, link, ticket, address
        self.dropped.clear()
        self._take_state(self._caller.call("set_timeout", self.timeout).value)
        if is_open:
            self._take_state(self._caller.call("begin", "DEFERRED").value)

    def _take_state(self, state: Sequence[Any]) -> None:
        self._is_open_there = bool(state[0])
        self.in_transaction = state[0] or bool(self._begin)
        self.changes, self.total_changes, self.last_insert_rowid = state[1], state[2], state[3]

    def _end(self, method: str) -> None:
        if self._begin:
            # Nothing was done since BEGIN, and the node has not heard of it.
            self._begin = ""
            self.in_transaction = False
            return
        self.call(method, commits=method == "commit")


class Batches:
    """A cursor's further rows, fetched as they are asked for. If the rest is not wanted, the node hears it later."""

    __slots__ = ("_more", "caller", "cursor", "session")

    def __init__(self, session: RemoteSession, cursor: int) -> None:
        """Fetch nothing yet."""
        self.session = session
        self.caller = session.caller
        self.cursor = cursor
        self._more = True

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> tuple[Row, ...]:
        if not self._more:
            raise StopIteration
        self._more = False  # An error ends the cursor on the node, too.
        if self.caller is not self.session.caller:
            raise OperationalError(
                "the cursor's rows are gone", detail="The connection has moved to another node since they were asked."
            )
        reply = self.session.call("fetch", self.cursor)
        self._more = bool(reply.value[STATE_FIELDS])
        return reply.rows

    def __del__(self) -> None:
        if self._more and self.caller is self.session.caller:
            self.session.dropped.append(self.cursor)


class RemoteRoot:
    """What is known here of a root on a node."""

    __slots__ = ("epoch", "lsn")

    def __init__(self, lsn: int, epoch: int) -> None:
        """Hold its numbers."""
        self.lsn = lsn
        self.epoch = epoch


class RemoteDatabase:
    """A database on a node, as far as a connection asks its database for more than SQL."""

    observer = None

    def __init__(self, session: RemoteSession) -> None:
        """Use the session's link."""
        self.session = session
        self.name = session.address.name

    @property
    def root(self) -> RemoteRoot:
        """The numbers of the newest root. Cost: a round trip."""
        lsn, epoch, _ = self.session.call("describe").value[STATE_FIELDS]
        return RemoteRoot(lsn, epoch)

    def digest(self) -> int:
        """Return the digest of the newest root; the node computes it."""
        return int(self.session.call("digest").value[STATE_FIELDS])

    def keep_history(self, commits: int) -> None:
        """Keep the states after the last commits, on the node."""
        self.session.call("keep_history", commits)

    def restore(self, lsn: int) -> None:
        """Make the node's database what it was after an earlier commit."""
        self.session.call("restore", lsn, commits=True)

    def snapshot(self) -> NoReturn:
        """Refuse: see `refuse_blocks`."""
        refuse_blocks()

    def begin(self, timeout: float) -> NoReturn:
        """Refuse: see `refuse_blocks`."""
        refuse_blocks()

    def root_at(self, lsn: int) -> NoReturn:
        """Refuse: see `refuse_blocks`."""
        refuse_blocks()

    def status(self) -> dict[str, Any]:
        """Return the node's status."""
        return dict(self._operate("status"))

    def overview(self) -> Any:
        """Return the node's status as `replication_status` gives it."""
        from tandemdb.replication.overview import overview_of_status

        return overview_of_status(self.status())

    def promote(self) -> dict[str, Any]:
        """Promote the node."""
        return dict(self._operate("promote"))

    def continue_alone(self) -> None:
        """Let the node go on without the secondaries it has lost."""
        self._operate("continue_alone")

    def _operate(self, method: str) -> Any:
        operator, _, _ = log_in(self.session.address, "operator")
        try:
            return operator.call(method, seconds=OPERATOR_SECONDS).value
        finally:
            operator.close()


def refuse_blocks() -> NoReturn:
    """Refuse what needs roots and blocks: they are in the node's memory.

    Raises:
        NotSupportedError: always.
    """
    raise NotSupportedError(
        "this needs the database in this process, not on a node",
        hint="Copy it with SQL, or let a database of this process follow the node.",
    )


def refuse_code(what: str) -> NoReturn:
    """Refuse to register Python code.

    Raises:
        NotSupportedError: always.
    """
    raise NotSupportedError(
        f"{what} cannot be registered on a remote connection: they are Python code of this process, "
        "and statements run on the node",
        hint="Open the database in this process and let a node mirror it: connection.replicate_to(url).",
    )

