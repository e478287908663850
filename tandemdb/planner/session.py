"""Sessions: one SQL connection without the DB-API around it.

    prepare(text) --> Statement        looked up in the namespace's cache; parsed and planned on a miss
    run(statement, values) --> Result
         |  select             roots as of now (or the transaction's) -> plan.run(...) -> batches of rows
         |  insert, update,    a storage transaction, begun here and committed here unless BEGIN stands open;
         |  delete             a mark before the statement restores it if it fails half-way
         |  create, drop ...   the same, with the functions of ddl
         +- begin, commit, savepoint ...

A statement outside BEGIN ... COMMIT commits by itself. The DB-API's rules of when to begin are laid on top by `dbapi`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from tandemdb.errors import OperationalError, ProgrammingError
from tandemdb.planner.connection_settings import Settings
from tandemdb.planner.context import Context, RecordContext
from tandemdb.planner.databases import Attached, Opened, end_all
from tandemdb.planner.hooks import Hooks
from tandemdb.planner.lowered_limits import Limits, set_limit
from tandemdb.planner.namespace import Namespace, namespace_of
from tandemdb.planner.nested import abort_error, breaks_off, comparing_error, refuse, refuse_schema_change
from tandemdb.planner.schema.schema import load_schema
from tandemdb.planner.statement import Statement, prepare
from tandemdb.planner.syntax import ast
from tandemdb.storage import Database, Root, Transaction

NO_ROWS: tuple[()] = ()
from_iterable = chain.from_iterable


class Result:
    """What a statement gave: `rows` as an iterator of tuples, `changes` -1 unless it was DML.

    `batches` are the lists of rows from which they come, if these are made while they are read, else None.
    """

    __slots__ = ("rows", "changes", "columns", "batches")

    def __init__(
        self,
        rows: Iterator[tuple[Any, ...]],
        changes: int,
        columns: tuple[str, ...] | None,
        batches: Iterable[Sequence[tuple[Any, ...]]] | None = None,
    ) -> None:
        self.rows = rows
        self.batches = batches
        self.changes = changes
        self.columns = columns


class Session(Hooks):
    """One connection's state: databases, transaction, settings, registered functions, counters."""

    __slots__ = (
        "__weakref__",
        "_namespace",
        "_schemas",
        "aborted",
        "changes",
        "changing",
        "comparing",
        "context",
        "databases",
        "deferred_checks",
        "depth",
        "exporter",
        "firing",
        "implicit",
        "in_transaction",
        "last_insert_rowid",
        "limits",
        "main",
        "marks",
        "opener",
        "record_context",
        "savepoints",
        "schema",
        "settings",
        "statement_checks",
        "timeout",
        "total_changes",
    )

    def __init__(self, database: Database, *, timeout: float = 5.0) -> None:
        super().__init__()
        self.databases = [Attached("main", database)]
        self.timeout = timeout
        self.settings = Settings()
        self.limits = Limits()
        self.context = Context(self)
        self.record_context = RecordContext(self)
        self.in_transaction = False
        self.changes = 0
        self.total_changes = 0
        self.last_insert_rowid = 0
        self.savepoints: list[tuple[str, dict[int, Any], bool]] = []
        self.marks: dict[int, Any] | None = None
        self.deferred_checks: list[Any] = []
        self.statement_checks: dict[Any, None] = {}
        self.firing: list[Any] = []
        self.depth = 0
        # While a statement runs that calls registered functions (see nested): how many such there are, whether there
        # is a transaction only until it ends, and whether a function has rolled the transaction back.
        self.changing = 0
        self.implicit = self.aborted = False
        # Whether a registered collation runs, in the midst of a change.
        self.comparing = False
        self.opener: Callable[[str], Opened] | None = None
        self.exporter: Callable[[Root, str], None] | None = None
        self.main = self.databases[0]
        self.schema: Any = self  # the schema of main, if that is the only database and was looked at
        self._schemas: tuple[Any, ...] = ()
        self._namespace: Namespace | None = None

    # ---- preparing

    def prepare(self, sql: str) -> Statement:
        """The statement of a text, from the cache if this schema has seen it.

        Raises:
            OperationalError: a syntax error.
        """
        if self.authorizer is not None or self.authorized:
            from tandemdb.planner.authorization import prepare_authorized

            authorized = prepare_authorized(self, sql)
            if authorized is not None:
                return authorized
        namespace = self.namespace()
        found = namespace.plans.get(sql)
        if found is None:
            found = prepare(sql, namespace)
        return found

    def namespace(self) -> Namespace:
        """The schemas of all databases as this session sees them now."""
        if len(self.databases) == 1:
            root = self.databases[0].root()
            schema = root.schema
            if schema is None:
                schema = load_schema(root)
            if schema is self.schema:
                return self._namespace  # type: ignore[return-value]
            # In this order: an error in between must not leave the new schema with the old namespace.
            namespace = self._namespace = namespace_of(("main",), (schema,))
            self.schema = schema
            return namespace
        schemas = tuple([load_schema(attached.root()) for attached in self.databases])
        if schemas != self._schemas:
            self._namespace = namespace_of([attached.name for attached in self.databases], schemas)
            self._schemas = schemas
        return self._namespace  # type: ignore[return-value]

    def roots(self) -> list[Any]:
        """The root of each database that a statement reads; inside BEGIN they stay the same until written to."""
        if self.in_transaction and len(self.databases) == 1:
            main = self.main
            if main.transaction is None and main.snapshot is None:
                main.snapshot = main.database.root
        return [attached.root() for attached in self.databases]

    def hold_snapshots(self, plan: Any, roots: Sequence[Any]) -> None:
        """Inside BEGIN, go on reading the roots that a statement over several databases has read."""
        for place in {database for database, _, _ in plan.guards}:
            attached = self.databases[place]
            if attached.transaction is None and attached.snapshot is None:
                attached.snapshot = roots[place]

    def interrupt(self) -> None:
        """Ask the running statement to stop, also where it is a commit that waits to be acknowledged."""
        super().interrupt()
        for attached in self.databases:
            transaction = attached.transaction
            if transaction is not None:
                transaction.interrupt_wait()

    def functions_changed(self) -> None:
        """Forget plans that rest on what is registered; what is open is not changed in place while functions run."""
        super().functions_changed()
        for attached in self.databases:
            if attached.transaction is not None:
                attached.transaction.leave_in_place()

    # ---- running

    def run(self, statement: Statement, values: Sequence[Any] = ()) -> Result:
        """Run a prepared statement with its bound values.

        Raises:
            DatabaseError: as sqlite3 names the failure; nothing of the statement remains then.
        """
        if self.watched:
            self.start_watched(statement)
        if statement.kind == "select":
            if statement.namespace is not self.namespace():
                statement = self.prepare(statement.sql)
            return self.run_select(statement, values)
        if self.comparing and statement.kind != "explain":
            raise comparing_error()
        if statement.bulk is not None:
            from tandemdb.planner.script import insert_rows

            changes = insert_rows(self, statement.bulk.prefix, statement.bulk.rows)
            return Result(iter(()), changes, None)
        if statement.is_dml:
            return self.run_dml(statement, (values,), many=False)
        from tandemdb.planner.commands import run_command

        return run_command(self, statement, values)

    def start_watched(self, statement: Statement) -> None:
        try:
            self.watch_start(statement)
        except OperationalError:
            if self.in_transaction and (statement.is_dml or statement.kind == "ddl"):
                self.end_transaction(commit=False)
            raise

    def run_select(self, statement: Statement, values: Sequence[Any]) -> Result:
        roots = self.roots()
        params = (*values, *statement.literals) if statement.literals else values
        shape = statement.shape
        key = self.plan_settings
        self.context._now = None
        if self.plan_settings is not None and not self.comparing:
            self.keep_for_cursor()  # a function of the user's might change what is being read
        if self.comparing:
            return self.read_half_changed(statement, roots, params)
        found = shape.run_plan(roots, params, self.context, key)
        if found is None:
            plan = self.compile_select(statement, roots, params, key)
            batches = plan.run(roots, params, self.context)
        else:
            plan, batches = found
        if self.in_transaction and len(roots) > 1:
            self.hold_snapshots(plan, roots)
        if statement.columns is not plan.columns:
            statement.columns = plan.columns
            statement.column_types = plan.column_types
        if plan.streams:
            # The first batch is read now, so that an error shows where the statement is run.
            stream = iter(batches)
            first = next(stream, NO_ROWS)
            self.keep_for_cursor()
            batches = chain((first,), stream)
            return Result(from_iterable(batches), -1, plan.columns, batches)
        if plan.flat:
            return Result(iter(batches), -1, plan.columns)
        self.keep_for_cursor()
        return Result(from_iterable(batches), -1, plan.columns, batches)

    def read_half_changed(self, statement: Statement, roots: Sequence[Any], params: Sequence[Any]) -> Result:
        """Run a query of a collation's own in the midst of a change: all its rows now, for nothing of it may be kept.

        Raises:
            OperationalError: it met what is only half changed.
        """
        plan = self.compile_select(statement, roots, params, self.plan_settings)
        try:
            rows = [*plan.iterate(plan.run(roots, params, self.context))]
        except (LookupError, TypeError) as error:
            raise comparing_error() from error
        statement.columns, statement.column_types = plan.columns, plan.column_types
        return Result(iter(rows), -1, plan.columns)

    def compile_select(self, statement: Statement, roots: Sequence[Any], params: Sequence[Any], key: Any) -> Any:
        from tandemdb.planner.plan import compile_select

        shape = statement.shape
        plan = compile_select(
            shape.node, statement.namespace, roots, params, self.users, shape.literal_base, statement.sql[:60],
            shape.authority,
        )  # fmt: skip
        plan.settings = key
        shape.add_plan(plan)
        return plan

    def keep_for_cursor(self) -> None:
        """Freeze what a cursor goes on reading: the next change is made to copies."""
        for attached in self.databases:
            if attached.transaction is not None:
                attached.transaction.renew_stamp()
            elif attached.database.alone:
                attached.database.hold()

    def run_many(self, statement: Statement, rows: Iterable[Sequence[Any]]) -> int:
        """Run a DML statement once for each set of values; the number of rows changed.

        Raises:
            DatabaseError: at the first set that fails; the sets before it stay done.
        """
        if self.watched or not statement.is_dml:
            changes = 0
            for values in rows:
                result = self.run(statement, values)
                changes += max(0, result.changes)
            return changes
        return self.run_dml(statement, rows, many=True).changes

    def run_dml(self, statement: Statement, rows: Iterable[Sequence[Any]], *, many: bool) -> Result:
        from tandemdb.planner.change.dml import run_dml

        if self.comparing:
            raise comparing_error()
        return run_dml(self, statement, rows, many)

    def run_script(self, sql: str) -> None:
        """Run every statement of a script; rows are discarded."""
        from tandemdb.planner.script import run_script

        run_script(self, sql)

    def split(self, sql: str) -> Iterator[tuple[str, int]]:
        """Each statement of a script and its offset."""
        from tandemdb.planner.syntax.lexer import split_script

        return split_script(sql)

    # ---- transactions

    def begin(self, kind: str = "DEFERRED") -> None:
        """BEGIN.

        Raises:
            OperationalError: a transaction is open already; database is locked (IMMEDIATE, EXCLUSIVE).
        """
        if self.implicit:
            self.implicit = False
            return
        if kind != "DEFERRED":
            self.check_writable()
        if self.in_transaction:
            raise OperationalError("cannot start a transaction within a transaction", code="SQLITE_ERROR")
        if kind != "DEFERRED":
            try:
                in_place = len(self.databases) == 1 and self.plan_settings is None
                for attached in self.databases:
                    if not attached.read_only:
                        attached.begin(self.timeout, in_place, users=self.users)
            except BaseException:
                end_all(self.databases, commit=False)
                raise
        self.in_transaction = True

    def commit(self) -> None:
        """COMMIT.

        Raises:
            OperationalError: no transaction is open.
            IntegrityError: a deferred foreign key is violated; the transaction stays open.
        """
        if not self.in_transaction:
            raise OperationalError("cannot commit - no transaction is active", code="SQLITE_ERROR")
        main = self.main
        transaction = main.transaction
        several = len(self.databases) > 1
        special = several or self.changing or self.savepoints or self.deferred_checks or main.undone
        if transaction is None or transaction.closed or special:
            if self.implicit:
                return
            refuse(self, "commit transaction")
            self.end_transaction(commit=True)
            return
        # The usual case of what `end_transaction` does, without its loops.
        try:
            main.commit()
        except BaseException:
            self.note_end(commit=True)
            raise
        main.transaction = main.snapshot = None
        self.in_transaction = self.settings.defer_foreign_keys = False

    def rollback(self) -> None:
        """ROLLBACK.

        Raises:
            OperationalError: no transaction is open.
        """
        if not self.in_transaction:
            raise OperationalError("cannot rollback - no transaction is active", code="SQLITE_ERROR")
        if self.comparing:
            raise comparing_error()
        if self.implicit:
            return
        self.end_transaction(commit=False)
        if self.changing:
            self.aborted = True
            if self.marks is not None:
                self.marks.clear()

    def mark(self, token: str) -> None:
        """Let the open transaction bear a token, by which `was_committed` knows it.

        Raises:
            OperationalError: no transaction is open; database is locked.
            IntegrityError: a transaction with this token was committed before.
        """
        from tandemdb.planner.tokens import write_token

        if not self.in_transaction:
            raise OperationalError("cannot name a transaction - no transaction is active", code="SQLITE_ERROR")
        self.atomic(lambda: write_token(self.write(), token))

    def was_committed(self, token: str) -> bool:
        """Tell whether a transaction with this token was committed; one that is being committed is waited for.

        Raises:
            OperationalError: a transaction is open here; another one stays open and may be the one; this system does
                not lead, so that what it holds may yet be undone.
        """
        from tandemdb.planner.tokens import was_committed

        if self.in_transaction:
            raise OperationalError("cannot ask for an outcome within a transaction", code="SQLITE_ERROR")
        try:
            return was_committed(self.main.begin(self.timeout, settled=True).root, token)
        finally:
            self.main.end(commit=False)

    def end_transaction(self, *, commit: bool) -> None:
        if commit and self.deferred_checks:
            from tandemdb.planner.change.foreign_keys import check_deferred

            check_deferred(self)
        try:
            end_all(self.databases, commit=commit)
        except BaseException:
            self.note_end(commit=commit)
            raise
        self.in_transaction = False
        if self.savepoints:
            self.savepoints.clear()
        if self.deferred_checks:
            self.deferred_checks = []
        self.settings.defer_foreign_keys = False

    def note_end(self, *, commit: bool) -> None:
        """Note what has become of the transaction though an error came at its end: it may be over all the same."""
        if not commit:
            end_all(self.databases, commit=False)
        for attached in self.databases:
            attached.note_end()
        if any(attached.undone for attached in self.databases):
            self.savepoints.clear()  # They are of what is no more.
        elif not any(attached.transaction for attached in self.databases):
            self.in_transaction = False
            self.savepoints.clear()

    def check_writable(self) -> None:
        """Raises: OperationalError, after PRAGMA query_only."""
        if self.settings.query_only:
            raise OperationalError("attempt to write a readonly database", code="SQLITE_READONLY")

    def write_records(self) -> Transaction:
        """As `write`, of main, for a statement that changes single records and need not be undone."""
        # A function of the user's might change, through this session, what is being read.
        return self.main.begin(self.timeout, in_place=self.plan_settings is None, users=self.users)

    def write(self, database: int = 0) -> Transaction:
        """The write transaction of a database; marked first if the running statement may have to be undone."""
        attached = self.databases[database]
        transaction = attached.transaction
        if self.settings.query_only:
            self.check_writable()
        if transaction is None:
            if self.aborted:
                raise abort_error()
            transaction = attached.begin(self.timeout, users=self.users)
        marks = self.marks
        if marks is not None and database not in marks:
            marks[database] = transaction.mark()
        return transaction

    def atomic(self, work: Callable[[], Any]) -> Any:
        """Run `work` as one statement: undone if it raises, committed by itself outside a transaction.

        An error whose `conflict_action` is FAIL keeps what was done, ROLLBACK ends the whole transaction.
        """
        outer, self.marks = self.marks, {}
        try:
            result = work()
        except BaseException as error:
            marks, self.marks = self.marks, outer
            self.undo(marks, self.action_of(error))
            raise
        if outer is not None:
            for database, mark in self.marks.items():
                outer.setdefault(database, mark)  # what the outer statement goes back to, if it fails
        self.marks = outer
        if not self.in_transaction and self.depth == 0:
            self.commit_statement()
        return result

    def failed(self, error: BaseException) -> None:
        """Book a statement that failed before it changed anything: outside a transaction nothing stays open.

        What interrupts Python itself may come in the midst of a change: then the whole transaction goes.
        """
        self.changes = 0
        self.undo({}, "ROLLBACK" if breaks_off(error) else self.action_of(error))

    def action_of(self, error: BaseException) -> str | None:
        """What an error's conflict clause asks to take back.

        OR ROLLBACK means the set of values that failed where each is a transaction of its own, though all are in one
        until a statement that may call functions has ended (see nested); in a statement that a function runs, all.
        """
        action = getattr(error, "conflict_action", None)
        return "ABORT" if action == "ROLLBACK" and self.implicit and self.marks is None else action

    def undo(self, marks: dict[int, Any], action: str | None) -> None:
        if action == "ROLLBACK" or (not self.in_transaction and action != "FAIL"):
            self.end_transaction(commit=False)
            return
        if action != "FAIL":
            for database, mark in marks.items():
                transaction = self.databases[database].transaction
                if transaction is not None and not transaction.closed:
                    transaction.restore(mark)
        if not self.in_transaction:
            self.commit_statement()

    def commit_statement(self) -> None:
        """Commit what a statement outside BEGIN wrote."""
        main = self.main
        transaction = main.transaction
        if transaction is not None and len(self.databases) == 1 and not self.deferred_checks:
            # The usual case, without loops.
            try:
                transaction.commit()
            except BaseException:
                main.end(commit=False)
                raise
            main.transaction = main.snapshot = None
            return
        try:
            if self.deferred_checks:
                from tandemdb.planner.change.foreign_keys import check_deferred

                check_deferred(self)
            end_all(self.databases, commit=True)
        except BaseException:
            end_all(self.databases, commit=False)
            self.deferred_checks = []
            raise
        self.deferred_checks = []

    def end_left_open(self) -> None:
        """Roll back what a statement outside a transaction has written, if something has kept it from its own end."""
        if not self.in_transaction and not self.changing and any(attached.transaction for attached in self.databases):
            end_all(self.databases, commit=False)

    def set_limit(self, name: str, value: int) -> None:
        """Set one of the limits that a running statement meets: a field of `Limits`."""
        set_limit(self, name, value)

    # ---- databases and the end

    def close(self) -> None:
        """Roll back what is open and let go of the databases."""
        self.ready.clear()
        if self.databases and (self.in_transaction or any(a.transaction for a in self.databases)):
            self.end_transaction(commit=False)
        for attached in self.databases[1:]:
            attached.close()
        # Session and contexts refer to each other, so they stay until cycles are collected; the data does not.
        if self.main.database.alone:
            self.main.database.forget()
        self.main.database = Database()
        self.databases = [self.main]

    def find_database(self, name: str) -> int:
        """The position of a database by name.

        Raises:
            OperationalError: unknown database.
        """
        for position, attached in enumerate(self.databases):
            if attached.name.lower() == name.lower():
                return position
        raise OperationalError(f"unknown database {name}", code="SQLITE_ERROR")

    def temp_database(self) -> int:
        """The position of temp, which is made when first needed."""
        if len(self.databases) == 1 or self.databases[1].name != "temp":
            if len(self.databases) > 1:
                refuse_schema_change(self)  # The running statement knows databases by their positions.
            self.databases.insert(1, Attached("temp", Database("temp")))
            self.databases_changed()
        return 1

    def databases_changed(self) -> None:
        """Look the namespace up anew: a database has come or gone."""
        self.schema, self._schemas = self, ()
        self.ready.clear()


__all__ = ["ProgrammingError", "Result", "Session", "ast"]
