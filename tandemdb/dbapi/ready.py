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

import builtins
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
ROWS_MANY = 100
"""So many sets of values make it worth while to write the change of one record out for them."""
TEMPLATE_CHARACTERS_MAX = 500
"""No longer text is looked at for others that differ in literals only: an INSERT of many rows has a way of its own."""
COMMANDS = frozenset({"begin", "commit", "rollback", "savepoint", "release"})
IMPLICIT = "BEGIN "
"""What `Connection._begin` is where a change begins a deferred transaction."""

from_iterable = chain.from_iterable


def make_ready(session: Any, statement: Any) -> None:
    """Let the next run of a statement, which has just run, do without preparing and checking it again."""
    if not may_keep(session, statement):
        return
    keep = partial(keep_ready, session, statement.sql)
    if statement.kind in COMMANDS:
        keep(make_command(session, statement))
    else:
        make_run(session, statement, keep)


def make_template_ready(session: Any, statement: Any, shape: Shape, template: str) -> bool:
    """As `make_ready`, for all texts that differ from this one in the values of their literals only, if that can be."""
    if not may_keep(session, statement):
        return False
    pinned = statement.shared_by(template)
    if pinned is None or shape.warned:
        return False
    key = note_pattern(template, pinned)
    fill = partial(with_pinned, literals=statement.literals, pinned=pinned) if pinned else None
    make_run(session, statement, lambda run: keep_ready(session, key, (fill(run) if fill else run, shape)))
    return True


def with_pinned(run: Ready, literals: Sequence[Any], pinned: Mapping[int, str]) -> Ready:
    """Make a function that runs a statement with the literals that its pattern reads: all but the pinned ones."""
    places = [place for place in range(len(literals)) if place not in pinned]

    def fill(cursor: Cursor, values: Sequence[Any], others: Sequence[Any]) -> bool:
        filled = [*literals]
        for place, literal in zip(places, others, strict=True):
            filled[place] = literal
        return run(cursor, values, filled)

    return fill


def run_template(
    cursor: Cursor, connection: Connection, sql: str, values: tuple[Any, ...], known: bool
) -> tuple[str, bool]:
    """Run a text as another one of its template; the template, and whether that was done.

    Args:
        known: it has run before, perhaps on another database. What takes longer than the ordinary way is left.
    """
    if len(sql) > TEMPLATE_CHARACTERS_MAX or connection._limits or not sql.isascii():
        return "", False
    tried = connection._template_tried
    if len(tried) >= READY_MAX:
        tried.clear()
    tried.add(sql)
    literals: Sequence[Any]
    found = read_by_pattern(sql)
    if found is not None:
        key, literals = found
    elif known or ";" in sql:
        return "", False
    else:
        from tandemdb.planner.syntax.lexer import lift_literals

        template, literals = lift_literals(sql)
        key = (template,)
    made = connection._ready.get(key)
    if made is None:
        return "" if known and len(key) > 1 else key[0], False
    run, shape = made
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
        if plans and does_all_first(plans[0]) and statement.bulk is None:
            plan = plans[0]
            change = make_change(session, statement, plan)
            if plan.often is not None:
                change = make_written_out(session, statement, plan, change)
            elif plan.single:
                change = make_counting(session, statement, plan, change, keep)
            keep(change)


def may_run_rows(connection: Connection, shape: Any, statement: Any, rows: Any) -> bool:
    """Whether `run_rows` may take these sets of values, as far as the first of them shows."""
    return (
        type(rows) is list
        and len(rows) >= ROWS_MANY
        and statement.kind in ("update", "delete")
        and connection._ready is not NOT_READY
        and connection._session.in_transaction
        and connection._tracer is None
        and not connection._limits
        and not shape.warned
        and not statement.shape.node.returning
        and type(rows[0]) is tuple
        and len(rows[0]) == len(shape.names)
        and is_plain(rows[0])
    )


def run_rows(cursor: Cursor, session: Any, statement: Any, rows: Sequence[Any]) -> tuple[int, int]:
    """Run a change of one record for many sets of values, in a transaction: for those up to the first that needs more.

    Returns how many sets are done, and how many records they have changed.
    """
    from tandemdb.planner.change.dml import write_out
    from tandemdb.storage.collector import collector_paused

    lastrowid = cursor._lastrowid
    # The ordinary way finds, or makes, the plan for the settings of now, and puts it in front.
    changes, done = session.run_many(statement, rows[:1]), 1
    if not may_keep(session, statement):
        return done, changes
    plan = statement.shape.plans[0] if statement.shape.plans else None
    if plan is None or not (does_all_first(plan) and plan.single):
        return done, changes
    if plan.often is None and not write_out(session, statement, plan, rows[done]):
        return done, changes
    change = make_written_out(session, statement, plan, make_change(session, statement, plan))
    try:
        with collector_paused():  # what is noted for a rollback lives until the transaction ends
            for values in rows[done:]:
                if type(values) is not tuple or not change(cursor, values):
                    break
                done += 1
                changes += cursor._rowcount
    finally:
        cursor._lastrowid = lastrowid
    return done, changes


def may_keep(session: Any, statement: Any) -> bool:
    """Whether what is made ready for a statement now is good for its next runs."""
    return not session.watched and len(session.databases) == 1 and statement.namespace is session.namespace()


def does_all_first(plan: Any) -> bool:
    """Whether a change checks all before it changes a row, and calls nothing registered, which may run statements."""
    return bool(plan.atomic and plan.checks_all and not plan.calls_own and not plan.compares)


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


def make_change(session: Any, statement: Any, plan: Any) -> Ready:
    """Make the function for an INSERT, UPDATE or DELETE that checks all before it changes a row (`DmlPlan.atomic`)."""
    from tandemdb.storage.errors import NeedsCopies  # not with the module: `import tandemdb` loads no storage

    main = session.main
    writer = main.database.writer
    run, columns, count = plan.run, plan.columns, len(statement.parameters)
    context, copying_context = session.record_context, session.context
    takes_many = plan.takes_many
    schema = session.schema

    def change(cursor: Cursor, values: Sequence[Any], literals: Sequence[Any] = statement.literals) -> bool:
        nonlocal context
        if len(values) != count or (takes_many and not is_plain(values)):  # else the plan itself looks at each value
            return False
        transaction = main.transaction
        began = False
        if transaction is None or not session.in_transaction:
            transaction, began = open_transaction(cursor, session, main)
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
            except NeedsCopies as error:
                if error.many:
                    context = copying_context
                transaction.leave_in_place(done)
                session.total_changes = before
                batches = run((transaction.root,), params, copying_context)
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


def open_transaction(cursor: Cursor, session: Any, main: Any) -> tuple[Any, bool]:
    """The transaction that a change belongs to, and whether the change alone has begun it.

    Nothing is read before other writers are shut out, for it must still be so when it is changed.
    """
    if not session.in_transaction:
        begin = cursor._connection._begin
        if begin == IMPLICIT:
            session.in_transaction = True  # all that begin("DEFERRED") does
        elif begin:
            session.begin(begin[len(IMPLICIT) :])
    transaction = main.transaction
    if transaction is not None:
        return transaction, False
    alone = main.snapshot is None
    return session.write_records(), alone


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
                keep(make_written_out(session, statement, plan, change))
        return done

    return counting


def make_written_out(session: Any, statement: Any, plan: Any, change: Ready) -> Ready:
    """Make the function that does all of a run of `plan.often`, and leaves to `change` what that is not for."""
    often, main = plan.often, session.main
    misfits = 0

    def run_otherwise(cursor: Cursor, values: Sequence[Any], literals: Sequence[Any], began: bool) -> bool:
        """Where that is asked often, what was written out is for values that come no more."""
        nonlocal misfits
        if began:
            main.end(commit=False)
        misfits += 1
        if misfits == RUNS_OFTEN and plan.often is often:
            plan.often = None
            session.ready.clear()
        return change(cursor, values, literals)

    make = whole_run(often, statement.sql)
    return make(session, main, plan.columns, len(statement.parameters), statement.literals, change, run_otherwise)  # type: ignore[no-any-return]


HEAD = """\
def make(session, main, columns, count, given_literals, otherwise, run_otherwise):
    context, schema, writer = session.record_context, session.schema, main.database.writer
    def change(cursor, values, literals=given_literals):
        if len(values) != count:
            return False
        transaction, began = main.transaction, False
        if transaction is None or not session.in_transaction:
            transaction, began = open_transaction(cursor, session, main)
        root = transaction.root
        if root.schema is not schema:
            return run_otherwise(cursor, values, literals, began)
"""
WORK = """\
        done = len(transaction.undo)
        try:
"""
FAILED = """\
        except NeedsCopies:
            transaction.leave_in_place(done)
            return otherwise(cursor, values, literals)
        except BaseException as error:
            if transaction.in_place and (writer.changing is not None or len(transaction.undo) > done):
                transaction.leave_in_place(done)
            session.failed(error)
            raise
        session.changes = changes
        session.total_changes += changes
"""
INSERTED = """\
        if last is not None:
            session.last_insert_rowid = last
"""
TAIL = """\
        if not session.in_transaction:
            session.commit_statement()
        cursor._lastrowid = session.last_insert_rowid
        cursor._columns = columns
"""
ROWLESS = """\
        cursor._rows = NO_ROWS
        cursor._rowcount = changes
        return True
    return change
"""
RETURNING = """\
        cursor._take_returned(returned, changes)
        return True
    return change
"""


def whole_run(often: Any, sql: str) -> Any:
    """Compile what makes, for a session, the function around the lines of a change that runs often.

    In one piece, for the call of a plan, and what it is told, take a fifth of the time.
    """
    if often.made:
        return often.made[0]
    from tandemdb.planner.emit.writer import compile_source
    from tandemdb.storage.errors import NeedsCopies

    lines = [HEAD, *("    " + line + "\n" for line in often.loads)]
    if often.guard:
        lines += [f"        if {often.guard}:\n", "            return run_otherwise(cursor, values, literals, began)\n"]
    lines += [WORK, *("        " + line + "\n" for line in often.work), FAILED]
    lines += [INSERTED if often.inserts else "", TAIL, RETURNING if often.returns else ROWLESS]
    bound = {**often.bound, "open_transaction": open_transaction, "NeedsCopies": NeedsCopies, "NO_ROWS": NO_ROWS,
             "__builtins__": builtins}  # fmt: skip
    often.made.append(compile_source("".join(lines), f"{sql[:60]} (often)", bound, "make"))
    return often.made[0]


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
