"""INSERT, UPDATE and DELETE: compiled like queries, run inside a storage transaction.

    run_dml
     +- plan.takes_many     an INSERT of values: one call for all rows of an executemany
     +- plan.atomic         all that may fail comes before a row, or all of them, are changed: nothing to undo
     +- else                a mark is set first, and restored if the statement fails half-way

Plans are kept with the statement's shape under what they depend on besides the schema: foreign_keys and the other
settings that
change the code, and registered functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from tandemdb.errors import NotSupportedError, OperationalError
from tandemdb.planner.bind.bound import Query
from tandemdb.planner.bind.query import Binder
from tandemdb.planner.change.foreign_keys import check_statement
from tandemdb.planner.change.insert import InsertEmitter
from tandemdb.planner.change.update_delete import ChangeEmitter, has_side_effects, node_replaces
from tandemdb.planner.change.updated_row import bind_returning
from tandemdb.planner.change.written_out import Lines, lines_of
from tandemdb.planner.emit.query import QueryEmitter
from tandemdb.planner.emit.writer import Generator
from tandemdb.planner.namespace import Namespace
from tandemdb.planner.nested import breaks_off, compares_own, open_statement, set_aside
from tandemdb.planner.plan import (
    Plan,
    checks_values,
    finish_plan,
    guard_here,
    guard_of,
    leave_at_once,
    new_binder,
    new_generator,
)
from tandemdb.planner.plan_settings import plan_key
from tandemdb.planner.schema.schema import CATALOG_NAMES, Table, View
from tandemdb.planner.syntax import ast
from tandemdb.storage.collector import collector_paused
from tandemdb.storage.errors import NeedsCopies

if TYPE_CHECKING:
    from tandemdb.planner.change.trigger_program import RowLayout
    from tandemdb.planner.session import Result, Session
    from tandemdb.planner.statement import Statement

WRITTEN_OUT_MAX = 3
"""So often a plan is written out at most, if the classes of values or columns change."""
COLLECTED_MAX = 1000
"""So many rows at once are written with the garbage collector held."""
SIMPLE = (ast.Literal, ast.Parameter, ast.Unary, ast.Binary, ast.Call, ast.Cast, ast.Collate, ast.IsNull)


class DmlPlan(Plan):
    """A compiled INSERT, UPDATE or DELETE; `run(roots, many or params, context)` returns batches of RETURNING rows."""

    __slots__ = (
        "single", "often", "written_out", "takes_many", "atomic", "rewrites", "skips", "calls_own", "compares",
        "database",
    )  # fmt: skip
    takes_many: bool
    single: bool
    """It changes one record at most, so that it may be worth writing out (`often`)."""
    often: Lines | None
    written_out: int
    """How often it was."""
    atomic: bool
    rewrites: bool
    """It replaces whole blocks' records, which may be done, and undone, in place."""
    skips: bool
    calls_own: bool
    """Whether registered functions run, which may run statements of their own meanwhile."""
    compares: bool
    """Whether collations that are no built-in ones may run."""
    database: int


def run_dml(session: Session, statement: Statement, rows: Iterable[Sequence[Any]], many: bool) -> Result:
    """Run a DML statement once for each set of values in `rows`.

    Raises:
        IntegrityError: a constraint; the statement leaves nothing then (earlier sets of an executemany stay).
    """
    if session.changing:
        with set_aside(session):
            return run_statement(session, statement, rows, many)
    return run_statement(session, statement, rows, many)


def run_statement(session: Session, statement: Statement, rows: Iterable[Sequence[Any]], many: bool) -> Result:
    from tandemdb.planner.session import Result

    if statement.namespace is not session.namespace():
        statement = session.prepare(statement.sql)
    literals = statement.literals
    if not isinstance(rows, (list, tuple)):
        rows = list(rows)
    if literals:
        rows = [(*row, *literals) for row in rows]
    if not rows:
        return Result(iter(()), 0, None)
    key = plan_key(session)
    gathers = len(rows) > 1
    if gathers:
        key = (*key, "rows")
    context = session.context
    context._now = session.record_context._now = None
    position = 0 if len(session.databases) == 1 else find_target(statement.namespace, statement.shape.node.table, "")[0]
    attached = session.databases[position]
    unread = attached.transaction is None and attached.snapshot is None
    plan, roots = read_and_plan(session, statement, rows[0], key, gathers)
    session.check_writable()
    if unread:
        # What it changes must be what it has read: other writers are shut out before it reads, and once more if one of
        # them was quicker. Only now, for a statement that cannot be compiled waits for nobody.
        attached.snapshot = None
        if (plan.atomic or plan.rewrites) and len(session.databases) == 1:
            session.write_records()
        else:
            session.write(position)
        if attached.root() is not roots[position]:
            try:
                if statement.namespace is not session.namespace():
                    statement = session.prepare(statement.sql)
                plan, roots = read_and_plan(session, statement, rows[0], key, gathers)
            except BaseException:
                if not session.in_transaction:
                    attached.end(commit=False)
                raise
    statement.columns = plan.columns
    if session.in_transaction and len(roots) > 1:
        session.hold_snapshots(plan, roots)
    if plan.takes_many:
        work = partial(run_inserts, session, plan, roots, rows, context)
    else:
        work = partial(run_each, session, statement, plan, roots, rows, context, key, position)
    if session.plan_settings is not None and (plan.calls_own or plan.compares or not plan.atomic):
        batches, changes = open_statement(session, work, len(rows))
    else:
        batches, changes = work()
    return Result(chain.from_iterable(batches), changes, plan.columns)


def read_and_plan(session: Session, statement: Statement, row: Any, key: Any, gathers: bool) -> tuple[Any, list[Any]]:
    """The statement's plan for the roots as they are now, and these."""
    roots = session.roots()
    shape = statement.shape
    session.authority = shape.authority
    plan = shape.find_plan(roots, row, key)
    if plan is None:
        name = statement.sql[:60]
        later = LoopLater(shape, statement.namespace, name) if gathers else None
        try:
            plan = compile_dml(session, shape.node, statement.namespace, roots, row, shape.literal_base, name,
                               gathers=gathers, later=later)  # fmt: skip
        except Exception as error:
            error.unprepared = True  # type: ignore[attr-defined]
            raise
        plan.settings = key
        shape.add_plan(plan)
    return plan, roots


def run_inserts(
    session: Session, plan: DmlPlan, roots: Sequence[Any], rows: Sequence[Any], context: Any
) -> tuple[Any, int]:
    """The last row's batches, and the rows changed; what triggers changed besides is not counted."""
    if not plan.atomic or undoes_calls(session, plan, rows):
        batches: Any = ()
        changes = 0
        try:
            for row in rows:
                batches = session.atomic(partial(run_checked, session, plan, roots, (row,), context))
                changes += session.changes
        except Exception as error:
            error.changes_before = changes  # type: ignore[attr-defined]
            raise
        return batches, changes
    if plan.skips and len(rows) > 1:
        # The last row alone, for changes() tells whether it was skipped.
        _, changes = insert_together(session, plan, roots, rows[:-1], context)
        try:
            batches, last = insert_together(session, plan, roots, rows[-1:], context)
        except Exception as error:
            error.changes_before += changes  # type: ignore[attr-defined]
            raise
        return batches, changes + last
    return insert_together(session, plan, roots, rows, context)


def insert_together(
    session: Session, plan: DmlPlan, roots: Sequence[Any], rows: Sequence[Any], context: Any
) -> tuple[Any, int]:
    """As `run_inserts`, with one call of the plan: each row is checked before it is inserted, and nothing undone."""
    try:
        if len(rows) == 1:
            batches = run_in_place(session, plan, roots, rows, context)
        elif len(rows) < COLLECTED_MAX:
            batches = plan.run(roots, rows, context)
        else:
            with collector_paused():
                batches = plan.run(roots, rows, context)
    except BaseException as error:
        # Rows before the one that failed were statements of their own; that one changed nothing.
        error.changes_before, session.changes = session.changes, 0  # type: ignore[attr-defined]
        rolls_back = getattr(error, "conflict_action", "") == "ROLLBACK" and session.in_transaction
        half_done = breaks_off(error)
        session.undo({}, "ROLLBACK" if half_done or (rolls_back and not session.implicit) else "FAIL")
        raise
    if not session.in_transaction and session.depth == 0:
        session.commit_statement()
    changes = session.changes
    if len(rows) > 1:
        session.changes = changes // len(rows)  # changes() tells of the last row's statement.
    return batches, changes


def run_each(
    session: Session, statement: Statement, plan: DmlPlan, roots: Sequence[Any], rows: Sequence[Any], context: Any,
    key: Any, position: int,
) -> tuple[Any, int]:  # fmt: skip
    batches: Any = ()
    changes = 0
    for number, row in enumerate(rows):
        if number:
            session.write(position)
            roots = session.roots()
            if not plan.fits(roots, row):
                shape = statement.shape
                found = shape.find_plan(roots, row, key)
                if found is None:
                    found = compile_dml(
                        session, shape.node, statement.namespace, roots, row, shape.literal_base, statement.sql[:60]
                    )
                    found.settings = key
                    shape.add_plan(found)
                plan = found
        current, reading = plan, roots
        if (plan.atomic or (plan.rewrites and may_undo(session))) and not undoes_calls(session, plan, rows):
            batches = run_atomic(session, current, reading, row, context)
        else:
            batches = session.atomic(partial(run_checked, session, current, reading, row, context))
        changes += session.changes
    return batches, changes


def undoes_calls(session: Session, plan: DmlPlan, rows: Sequence[Any]) -> bool:
    """Whether a set of values that fails takes back what functions that it called have changed, too.

    In autocommit mode each set is a transaction of its own. In an open one, SQLite sets no mark for such a plan either.
    """
    return plan.calls_own and session.implicit and session.changing == 1 and len(rows) > 1


def run_checked(session: Session, plan: DmlPlan, roots: Sequence[Any], values: Any, context: Any) -> Any:
    """Run a plan and judge the foreign keys it touched. What is undone does not count as changes."""
    before = session.total_changes
    try:
        try:
            if plan.calls_own:
                session.write(plan.database)  # marked now, so that what they change is told from what is read here
            batches = plan.run(roots, values, context)
        except BaseException as error:
            if session.statement_checks and getattr(error, "conflict_action", None) == "FAIL":
                check_statement(session)
            raise
        if session.statement_checks:
            check_statement(session)
    except BaseException as error:
        session.statement_checks.clear()
        if getattr(error, "conflict_action", None) != "FAIL":
            # The plan counted last, unless it failed before it had begun.
            if session.total_changes != before:
                session.total_changes -= session.changes
            session.changes = 0
        raise
    return batches


def run_atomic(session: Session, plan: DmlPlan, roots: Sequence[Any], row: Any, context: Any) -> Any:
    try:
        batches = run_in_place(session, plan, roots, row, context)
    except BaseException as error:
        session.failed(error)
        raise
    if not session.in_transaction and session.depth == 0:
        session.commit_statement()
    return batches


def may_undo(session: Session) -> bool:
    """Whether what a statement has changed when it fails is taken back without a mark: all of it in place."""
    transaction = session.main.transaction
    in_place = transaction is not None and transaction.in_place and transaction.changes is None
    return in_place and len(session.databases) == 1 and not session.depth


def run_in_place(session: Session, plan: DmlPlan, roots: Sequence[Any], params: Any, context: Any) -> Any:
    """Run a plan that changes nothing before all its checks; in place, if the transaction can.

    `dbapi.ready` has the same written out, for texts that were run before.
    """
    transaction = session.main.transaction
    if transaction is None or not transaction.in_place or len(roots) != 1 or session.depth:
        return plan.run(roots, params, context)
    before, done = session.total_changes, len(transaction.undo)
    try:
        return plan.run(roots, params, session.record_context)
    except NeedsCopies:
        transaction.leave_in_place(done)
        session.total_changes = before
        return plan.run([transaction.root], params, context)
    except BaseException:
        if transaction.in_place and (transaction.writer.changing is not None or len(transaction.undo) > done):
            transaction.leave_in_place(done)
        raise


def write_out(session: Session, statement: Statement, plan: DmlPlan, values: Sequence[Any]) -> bool:
    """Write, as `plan.often`, what does the same in less time for values of these classes; False if that can't be."""
    roots, shape = session.roots(), statement.shape
    params = (*values, *statement.literals)
    if statement.namespace is not session.namespace() or not plan.fits(roots, params):
        return False
    session.authority = shape.authority
    node, namespace = shape.node, statement.namespace
    binder, generator = start_dml(session, node, namespace, roots, params, shape.literal_base)
    generator.written_out = generator.whole = True
    database, table = find_target(namespace, node.table, type(node).__name__)
    write_dml(session, node, binder, generator, database, table)
    guard = guard_of(generator, binder, ())
    plan.written_out += 1
    fits = generator.single and checks_values(generator, len(params))
    plan.single = fits and plan.written_out < WRITTEN_OUT_MAX
    plan.often = lines_of(generator, guard, node) if fits else None
    return fits


# ---- compiling


class LoopLater:
    """An INSERT's loop over rows that cannot be taken by whole columns, compiled when such rows come."""

    __slots__ = ("shape", "namespace", "name", "run")

    def __init__(self, shape: Any, namespace: Namespace, name: str) -> None:
        self.shape = shape
        self.namespace = namespace
        self.name = name
        self.run: Any = None

    def __call__(self, roots: Sequence[Any], rows: Sequence[Any], context: Any) -> Any:
        if self.run is None:
            shape = self.shape
            self.run = compile_dml(context.session, shape.node, self.namespace, roots, rows[0], shape.literal_base,
                                   f"{self.name} (row by row)", gathers=True).run  # fmt: skip
        return self.run(roots, rows, context)



def compile_dml(
    session: Session, node: Any, namespace: Namespace, roots: Sequence[Any], params: Sequence[Any],
    literal_base: int | None, name: str, layout: RowLayout | None = None, gathers: bool = False,
    later: LoopLater | None = None, written_out: bool = False,
) -> DmlPlan:  # fmt: skip
    """Compile an INSERT, UPDATE or DELETE; `layout` tells where NEW and OLD stand if it is part of a trigger.

    `gathers`: it will be run for many sets of values at once, so that an INSERT should append its rows together;
    `later` takes those that must be looked at one by one. `written_out`: it runs often, one record at a time.

    Raises:
        OperationalError: as sqlite3 words what is wrong with the statement.
    """
    binder, generator = start_dml(session, node, namespace, roots, params, literal_base, in_trigger=layout is not None)
    generator.written_out = written_out
    if layout is not None:
        binder.locals = layout.names(generator)
    database, table = find_target(namespace, node.table, type(node).__name__)
    if isinstance(table, View):
        from tandemdb.planner.change.views import compile_view_change

        return compile_view_change(session, node, binder, generator, database, table, name)
    many = layout is None and isinstance(node, ast.Insert) and takes_many(node) and not written_out
    emitter, atomic = write_dml(session, node, binder, generator, database, table, many, gathers,
                                later if many else None)  # fmt: skip
    columns = None
    if node.returning:
        columns = tuple(name for name, _ in bind_returning(emitter, "record", "key", node.returning))
    if not many and layout is None:
        guard_here(generator, binder, ())
        if isinstance(node, ast.Insert) and emitter.given.query is not None:
            nothing = "return ([],)" if node.returning else "return ()"
            leave_at_once(emitter.queries, emitter.given.query, "context.changed(0)", nothing)
    plan = finish_plan(generator, binder, name, columns, DmlPlan)
    plan.checks_all = layout is None and (many or checks_values(generator, len(params)))
    plan.explanation = emitter.queries.explanation.lines
    plan.takes_many = many
    plan.single, plan.rewrites = generator.single, generator.rewrites
    plan.often, plan.written_out = None, 0
    plan.skips = many and may_skip(node, table)
    side_effects = has_side_effects(session, namespace, database, table)
    replaces = node_replaces(node, table)
    plan.calls_own, plan.runs_programs = binder.user_calls, side_effects
    plan.compares = compares(session, binder, table)
    plan.database = database
    one_by_one = isinstance(node, ast.Insert) or emitter.changes_one
    plain = not side_effects and returns_plainly(node) and (not replaces or many and emitter.replaces_only)
    plan.atomic = atomic and plain and (one_by_one or not plan.calls_own)
    return plan


def start_dml(
    session: Session, node: Any, namespace: Namespace, roots: Sequence[Any], params: Sequence[Any],
    literal_base: int | None, *, in_trigger: bool = False,
) -> tuple[Binder, Generator]:  # fmt: skip
    """A binder that knows the statement's WITH, and a generator."""
    authority = None if in_trigger else session.authority
    binder = new_binder(namespace, roots, session.users, authority, in_trigger=in_trigger)
    if node.with_ is not None:
        binder.enter_with(node.with_, Query(), None)
    generator = new_generator(params, roots, literal_base)
    generator.reserved = binder.variables
    return binder, generator


def write_dml(
    session: Session, node: Any, binder: Binder, generator: Generator, database: int, table: Table, many: bool = False,
    gathers: bool = False, later: LoopLater | None = None,
) -> tuple[Any, bool]:  # fmt: skip
    """Write the statement; who wrote it, and whether all that may fail comes before its first change."""
    atomic = isinstance(node, ast.Insert) and not binder.in_trigger and takes_many(node)
    if generator.written_out and atomic:
        # For one row, of values of these classes, into columns that hold no others than now.
        binder.tables_read[database, table.id] = binder.roots[database].tables[table.id]
    generator.main.arguments[1] = "many" if many else "params"
    queries = QueryEmitter(generator, generator.main, None)
    if isinstance(node, ast.Insert):
        emitter: Any = InsertEmitter(queries, binder, node, table, database, session, many, gathers, later)
        emitter.write()
        return emitter, atomic
    emitter = ChangeEmitter(queries, binder, node, table, database, session)
    return emitter, emitter.write_update() if isinstance(node, ast.Update) else emitter.write_delete()


def compares(session: Session, binder: Binder, table: Table) -> bool:
    """Whether the statement itself, the table's keys or those of its foreign keys call a collation of the user's."""
    if any(kind == "collation" for kind, *_ in binder.users.asked) or compares_own(table):
        return True
    schemas = binder.namespace.schemas if session.settings.foreign_keys and table.foreign_keys else ()
    return any(compares_own(parent) for schema in schemas if schema is not None for parent in schema.tables.values())


def returns_plainly(node: Any) -> bool:
    """Whether what RETURNING computes, once the row is changed, can raise no error."""
    return {type(column.expression) for column in node.returning} <= {ast.Name, ast.Star, ast.Literal, ast.Parameter}


def may_skip(node: ast.Insert, table: Table) -> bool:
    """Whether the INSERT may leave a row out, or change another row in its place."""
    if node.action is not None:
        return node.action == "IGNORE"
    ignoring = [table.primary_conflict, *(index.conflict for index in table.indexes)]
    ignoring += [column.not_null_conflict for column in table.columns]
    return bool(node.upserts) or "IGNORE" in ignoring


def takes_many(node: ast.Insert) -> bool:
    """Whether the statement inserts one row of plain values, so that one call can insert a row for each set of them."""
    if node.source is None or len(node.source.cores) != 1 or node.source.with_ is not None:
        return False
    core = node.source.cores[0]
    if not isinstance(core, ast.Values) or len(core.rows) != 1:
        return False
    from tandemdb.planner.syntax.tree import walk

    clauses = (core.rows, [u.assignments for u in node.upserts], [u.where for u in node.upserts])
    simple = (*SIMPLE, ast.Name, ast.Assignment, ast.OrderTerm, ast.Case)
    if not all(isinstance(part, simple) for part in walk(clauses)):
        return False
    return all(isinstance(part, simple) for item in node.returning for part in walk(item.expression))


def find_target(namespace: Namespace, target: ast.TableName, what: str) -> tuple[int, Any]:
    lowered = target.name.lower()
    if lowered in CATALOG_NAMES:
        raise OperationalError(f"table {CATALOG_NAMES and target.name} may not be modified", code="SQLITE_ERROR")
    database, table = namespace.require_table(target.name, target.schema)
    if isinstance(table, Table) and lowered.startswith("sqlite_") and lowered not in ("sqlite_sequence",) and (
        not lowered.startswith("sqlite_stat")
    ):
        raise OperationalError(f"table {table.name} may not be modified", code="SQLITE_ERROR")
    return database, table


__all__ = ["NotSupportedError", "run_dml"]
