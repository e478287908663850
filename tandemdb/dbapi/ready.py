"""Ready statements: for each text that a connection has run, one function that does all of the next run.

    session.ready    "SELECT a FROM t WHERE id = ?"  --> select(cursor, values)   root -> plan.run -> the cursor's rows
                     ("SELECT a ... id = \\0i",)      --> the same for all texts of a template (see `patterns`)
                     "UPDATE t SET a = ? ..."        --> change(cursor, values)   BEGIN, plan.run, commit, counters
                     "SAVEPOINT s"                   --> command(cursor, values)

    connection._ready is session.ready     while nobody wants to see or change what passes by
                      is NOT_READY         else: converters, a text factory, a trace callback, an authorizer...

Such a function answers False where it does not suit (another schema, values that must be adapted, a plan for other
classes), having done nothing but perhaps the implicit BEGIN; then the cursor goes the ordinary way and makes a new one.

What can change between two runs of a text is looked at in three ways. The schema and whatever else another connection
may commit: by the root, in each call. What belongs to this session (registered functions, PRAGMAs, callbacks, attached
databases): whatever changes it empties `session.ready`. What belongs to the connection: it swaps `_ready`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from tandemdb.dbapi.parameters import is_plain
from tandemdb.dbapi.patterns import note_pattern, read_by_pattern
from tandemdb.dbapi.rows import NO_ROWS, readable

if TYPE_CHECKING:
    from tandemdb.dbapi.connection import Connection
    from tandemdb.dbapi.cursor import Cursor
    from tandemdb.dbapi.parameters import Shape

Ready: TypeAlias = "Callable[..., bool]"

READY_MAX = 4096
"""Texts that a session keeps ready."""
NOT_READY: MappingProxyType[Any, Any] = MappingProxyType({})
RUNS_OFTEN = 100
"""So often a connection runs a change of one record before its plan is written out: that takes half a millisecond."""
TEMPLATE_CHARACTERS_MAX = 500
"""No longer text is looked at for others that differ in literals only: an INSERT of many rows has a way of its own."""
COMMANDS = frozenset({"begin", "commit", "rollback", "savepoint", "release"})
IMPLICIT = "BEGIN "
"""What `Connection._begin` is where a change begins a deferred transaction."""

from_iterable = chain.from_iterable


def make_ready(session: Any, statement: Any) -> None:
    """Let the next run of a statement, which has just run, do without preparing and checking it again."""
    if session.watched or len(session.databases) != 1 or statement.namespace is not session.namespace():
        return
    keep = partial(keep_ready, session, statement.sql)
    if statement.kind in COMMANDS:
        keep(make_command(session, statement))
    else:
        make_run(session, statement, keep)


def make_template_ready(session: Any, statement: Any, shape: Shape, template: str) -> None:
    """As `make_ready`, for all texts that differ from this one in the values of their literals only."""
    from tandemdb.planner.statement import find_lifted

    if session.watched or len(session.databases) != 1 or statement.namespace is not session.namespace():
        return
    found, pinned = find_lifted(statement.namespace, template, statement.sql)
    if found is statement.shape and not shape.warned:
        key = note_pattern(template, pinned)
        fill = partial(with_pinned, literals=statement.literals, pinned=pinned) if pinned else None
        make_run(session, statement, lambda run: keep_ready(session, key, (fill(run) if fill else run, shape)))


def with_pinned(run: Ready, literals: Sequence[Any], pinned: Mapping[int, str]) -> Ready:
    """Make a function that runs a statement with the literals that its pattern reads: all but the pinned ones."""
    places = [place for place in range(len(literals)) if place not in pinned]

    def fill(cursor: Cursor, values: Sequence[Any], others: Sequence[Any]) -> bool:
        filled = [*literals]
        for place, literal in zip(places, others, strict=True):
            filled[place] = literal
        return run(cursor, values, filled)

    return fill


def run_template(cursor: Cursor, connection: Connection, sql: str, values: tuple[Any, ...]) -> tuple[str, bool]:
    """Run a text that was not seen before as another one of its template; the template, and whether that was done."""
    if len(sql) > TEMPLATE_CHARACTERS_MAX or connection._limits or not sql.isascii():
        return "", False
    literals: Sequence[Any]
    found = read_by_pattern(sql)
    if found is not None:
        key, literals = found
    elif ";" in sql:
        return "", False
    else:
        from tandemdb.planner.syntax.lexer import lift_literals

        template, literals = lift_literals(sql)
        key = (template,)
    known = connection._ready.get(key)
    if known is None:
        return key[0], False
    run, shape = known
    if not run(cursor, values, literals):
        return key[0], False
    connection._note_shape(sql, shape)
    return key[0], True


def keep_ready(session: Any, key: Any, made: Any) -> None:
    """Keep what was made ready, among not too many."""
    if len(session.ready) >= READY_MAX:
        session.ready.clear()
    session.ready[key] = made


def make_run(session: Any, statement: Any, keep: Callable[[Ready], None]) -> None:
    """Make the function for a query or a change, and have it kept."""
    if statement.kind == "select":
        keep(make_select(session, statement, statement.shape.plans[0]))
    elif statement.is_dml:
        plans = statement.shape.plans
        if plans and plans[0].atomic and plans[0].checks_all and not plans[0].calls_own and statement.bulk is None:
            plan = plans[0]
            if plan.often is not None:
                keep(make_change(session, statement, plan.often, plan))
            else:
                change = make_change(session, statement, plan)
                keep(make_counting(session, statement, plan, change, keep) if plan.single else change)


def make_select(session: Any, statement: Any, plan: Any) -> Ready:
    """Make the function for a query, by how its plan gives rows."""
    if not plan.flat:
        return make_batches(session, statement, plan)
    if statement.literals or plan.uses_context or not plan.checks_all:
        return make_careful(session, statement, plan)
    main = session.main
    database = main.database
    run, columns, count, context = plan.run, plan.columns, len(statement.parameters), session.context
    schema = session.schema

    def select(cursor: Cursor, values: Sequence[Any]) -> bool:
        root = main.root_in_transaction() if session.in_transaction else database.root
        if root.schema is not schema or len(values) != count:
            return False
        rows = run((root,), values, context)
        if rows is None:
            return False
        cursor._columns = columns
        cursor._rows = iter(rows)
        cursor._rowcount = -1
        cursor._lastrowid = session.last_insert_rowid
        return True

    return select


def make_careful(session: Any, statement: Any, plan: Any) -> Ready:
    """As `make_select`, for plans that have literals, do not check all values, or ask their context."""
    main = session.main
    database = main.database
    run, columns, count, context = plan.run, plan.columns, len(statement.parameters), session.context
    checks_all = plan.checks_all
    schema = session.schema

    def select(cursor: Cursor, values: Sequence[Any], literals: Sequence[Any] = statement.literals) -> bool:
        root = main.root_in_transaction() if session.in_transaction else database.root
        if root.schema is not schema or len(values) != count or session.interrupted:
            return False
        if not checks_all and not is_plain(values):
            return False
        context._now = None
        rows = run((root,), (*values, *literals) if literals else values, context)
        if rows is None:
            return False
        cursor._columns = columns
        cursor._rows = iter(rows)
        cursor._rowcount = -1
        cursor._lastrowid = session.last_insert_rowid
        return True

    return select


def make_batches(session: Any, statement: Any, plan: Any) -> Ready:
    """As `make_select`, for plans whose rows are read while they are fetched, or are the blocks' own lists."""
    main = session.main
    database = main.database
    run, columns, count, context = plan.run, plan.columns, len(statement.parameters), session.context
    checks_all, streams = plan.checks_all, plan.streams
    schema = session.schema

    def select(cursor: Cursor, values: Sequence[Any], literals: Sequence[Any] = statement.literals) -> bool:
        root = main.root_in_transaction() if session.in_transaction else database.root
        if root.schema is not schema or len(values) != count or session.interrupted:
            return False
        if not checks_all and not is_plain(values):
            return False
        context._now = None
        batches = run((root,), (*values, *literals) if literals else values, context)
        if batches is None:
            return False
        if streams:
            # The first batch is read now, so that an error shows where the statement is run.
            batches = iter(batches)
            batches = chain((next(batches, ()),), batches)
        session.keep_for_cursor()
        cursor._columns = columns
        cursor._rows = from_iterable(readable(batches, columns))
        cursor._rowcount = -1
        cursor._lastrowid = session.last_insert_rowid
        return True

    return select


def make_change(session: Any, statement: Any, plan: Any, general: Any = None) -> Ready:
    """Make the function for an INSERT, UPDATE or DELETE that checks all before it changes a row (`DmlPlan.atomic`).

    Args:
        general: the plan that takes what this one does not.
    """
    from tandemdb.storage.errors import NeedsCopies  # not with the module: `import tandemdb` loads no storage

    main = session.main
    writer = main.database.writer
    run, columns, count = plan.run, plan.columns, len(statement.parameters)
    context, copying_context = session.record_context, session.context
    takes_many = plan.takes_many
    schema = session.schema
    otherwise: Any = None if general is None or not general.takes_many else general.run
    others = 0

    def run_otherwise(root: Any, values: Sequence[Any], params: Any, context: Any) -> Any:
        """Run the general plan; where that is asked often, what was written out is for values that come no more."""
        nonlocal others
        if not is_plain(values):
            return None
        others += 1
        if others == RUNS_OFTEN and general.often is plan:
            general.often = None
            session.ready.clear()
        return otherwise((root,), (params,), context)

    def change(cursor: Cursor, values: Sequence[Any], literals: Sequence[Any] = statement.literals) -> bool:
        nonlocal context
        if len(values) != count or (takes_many and not is_plain(values)):  # else the plan itself looks at each value
            return False
        if not session.in_transaction:
            begin = cursor._connection._begin
            if begin == IMPLICIT:
                session.in_transaction = True  # all that begin("DEFERRED") does
            elif begin:
                session.begin(begin[len(IMPLICIT) :])
        # Nothing is read before other writers are shut out, for it must still be so when it is changed.
        transaction = main.transaction
        began = transaction is None and main.snapshot is None
        if transaction is None:
            transaction = session.write_records()
        root = transaction.root
        if root.schema is not schema:
            if began:
                main.end(commit=False)
            return False
        params = (*values, *literals) if literals else values
        if takes_many:
            params = (params,)
        context._now = copying_context._now = None
        before = session.total_changes
        done = len(transaction.undo)
        try:
            try:
                batches = run((root,), params, context)
                if batches is None and otherwise is not None:
                    batches = run_otherwise(root, values, params, context)
            except NeedsCopies as error:
                if error.many:
                    context = copying_context
                transaction.leave_in_place(done)
                session.total_changes = before
                batches = run((transaction.root,), params, copying_context)
                if batches is None and otherwise is not None:
                    batches = run_otherwise(transaction.root, values, params, copying_context)
        except BaseException as error:
            if transaction.in_place and (writer.changing is not None or len(transaction.undo) > done):
                transaction.leave_in_place(done)
            session.failed(error)
            raise
        if batches is None:
            if began:
                main.end(commit=False)
            return False
        if not session.in_transaction:
            session.commit_statement()
        cursor._lastrowid = session.last_insert_rowid
        cursor._columns = columns
        if columns is None:
            cursor._rows = NO_ROWS
            cursor._rowcount = session.total_changes - before
        else:
            cursor._take_returned(from_iterable(batches), session.total_changes - before)
        return True

    return change


def make_counting(session: Any, statement: Any, plan: Any, change: Ready, keep: Callable[[Ready], None]) -> Ready:
    """Make a function that does as `change` does, until it has run often: then it pays to compile the plan anew."""
    from tandemdb.planner.change.dml import write_out

    runs = 0

    def counting(cursor: Cursor, values: Sequence[Any], literals: Sequence[Any] = statement.literals) -> bool:
        nonlocal runs
        done = change(cursor, values, literals)
        runs += done
        if runs >= RUNS_OFTEN:
            runs = 0
            if write_out(session, statement, plan, values):
                keep(make_change(session, statement, plan.often, plan))
        return done

    return counting


def make_command(session: Any, statement: Any) -> Ready:
    """Make the function for a BEGIN, COMMIT, SAVEPOINT..."""
    from tandemdb.planner.commands import RUNNERS

    run, node = RUNNERS[statement.kind], statement.shape.node

    def command(cursor: Cursor, values: Sequence[Any]) -> bool:
        if values:
            return False
        run(session, node)
        cursor._rows = NO_ROWS
        cursor._columns = None
        cursor._rowcount = -1
        cursor._lastrowid = session.last_insert_rowid
        return True

    return command
