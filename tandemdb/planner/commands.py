"""Statements that are neither queries nor DML: transactions, schema changes, PRAGMA, EXPLAIN, ATTACH.

    BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE    the session's transaction and its stack of marks
    CREATE, DROP, ALTER                            `schema.create` on the storage transaction of the right database
    PRAGMA                                         `pragma.run_pragma`
    EXPLAIN [QUERY PLAN]                           the plan's generated Python, or its tree as SQLite words it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import NotSupportedError, OperationalError
from tandemdb.planner.emit.explain import EXPLAIN_COLUMNS
from tandemdb.planner.nested import changing, refuse, refuse_schema_change
from tandemdb.planner.syntax import ast, ddl

if TYPE_CHECKING:
    from tandemdb.planner.session import Result, Session
    from tandemdb.planner.statement import Statement


def run_command(session: Session, statement: Statement, values: Sequence[Any]) -> Result:
    """Run one statement of these kinds.

    Raises:
        DatabaseError: as sqlite3 names the failure.
    """
    from tandemdb.planner.session import Result

    runner = RUNNERS.get(statement.kind)
    rows: Sequence[tuple[Any, ...]] = ()
    if runner is not None:
        answer = runner(session, statement.shape.node)
    elif statement.kind == "explain":
        answer = explain(session, statement, values)
    elif statement.kind in ("attach", "detach", "vacuum"):
        from tandemdb.planner import attachments

        if statement.kind != "vacuum":
            refuse_schema_change(session)
        elif session.implicit:
            refuse(session, "VACUUM")
        answer = getattr(attachments, statement.kind)(session, statement.shape.node, values)
    else:
        answer = session.atomic(lambda: run_ddl(session, statement.shape.node, values))
    statement.columns = None
    if answer is not None:
        statement.columns, rows = tuple(answer[0]), answer[1]
    return Result(iter(rows), -1, statement.columns)


# ---- transactions


def begin(session: Session, node: ast.Begin) -> None:
    session.begin(node.kind)


def commit(session: Session, node: ast.Commit) -> None:
    if session.implicit:
        raise OperationalError("cannot commit - no transaction is active", code="SQLITE_ERROR")
    session.commit()


def rollback(session: Session, node: ast.Rollback) -> None:
    if node.savepoint is None:
        if session.implicit:
            raise OperationalError("cannot rollback - no transaction is active", code="SQLITE_ERROR")
        session.rollback()
        return
    refuse(session, "roll back to savepoint")
    savepoints = session.savepoints
    place = find_savepoint(session, node.savepoint)
    name, marks, begun = savepoints[place]
    for position, attached in enumerate(session.databases):
        transaction = attached.transaction
        if transaction is not None:
            if position in marks:
                transaction.restore(marks[position])
            else:
                attached.end(commit=False)
    del savepoints[place + 1 :]
    savepoints[place] = (name, mark_all(session), begun)


def savepoint(session: Session, node: ast.Savepoint) -> None:
    refuse(session, "open savepoint")
    begun = not session.in_transaction
    session.in_transaction = True
    session.savepoints.append((node.name, mark_all(session), begun))


def release(session: Session, node: ast.Release) -> None:
    refuse(session, "release savepoint")
    savepoints = session.savepoints
    place = find_savepoint(session, node.name)
    if savepoints[place][2]:
        session.end_transaction(commit=True)
        return
    del savepoints[place:]


def mark_all(session: Session) -> dict[int, Any]:
    databases = session.databases
    if len(databases) == 1:
        transaction = session.main.transaction
        return {} if transaction is None else {0: transaction.mark()}
    return {
        position: attached.transaction.mark()
        for position, attached in enumerate(databases)
        if attached.transaction is not None
    }


def find_savepoint(session: Session, name: str) -> int:
    savepoints = session.savepoints
    if savepoints and savepoints[-1][0] == name:
        return len(savepoints) - 1
    lowered = name.lower()
    for place in range(len(savepoints) - 1, -1, -1):
        if savepoints[place][0].lower() == lowered:
            return place
    raise OperationalError(f"no such savepoint: {name}", code="SQLITE_ERROR")


# ---- schema


def run_ddl(session: Session, node: Any, values: Sequence[Any]) -> None:
    from tandemdb.planner.schema.names import find_home

    home = find_home(node, session.namespace())
    if home is None:
        return
    if isinstance(node, LOCKING):
        refuse_schema_change(session)
    named = getattr(node, "schema", None) or ""
    if home == 1 and (getattr(node, "temporary", False) or named.lower() == "temp"):
        home = session.temp_database()
    if getattr(node, "if_not_exists", False):
        # It waits for no other writer then, and passes where nothing may be written, for programs begin so.
        attached = session.databases[home]
        if is_there(attached.root_in_transaction() if session.in_transaction else attached.root(), node):
            return
    transaction = session.write(home)
    session.users.offer_collations()
    database = session.databases[home].name
    runner = DDL.get(type(node))
    if runner is None:
        raise NotSupportedError(f"tandemdb does not support {type(node).__name__} statements yet")
    with changing(session):
        runner(session, transaction, node, database, values)


def is_there(root: Any, node: Any) -> bool:
    """Whether IF NOT EXISTS leaves nothing to do."""
    from tandemdb.planner.schema.schema import load_schema

    schema, lowered = load_schema(root), node.name.lower()
    if isinstance(node, (ddl.CreateIndex, ddl.CreateTrigger)):
        known = schema.indexes if isinstance(node, ddl.CreateIndex) else schema.triggers
        return lowered in known and node.table.lower() in schema.tables
    return lowered in schema.tables or lowered in schema.views


def create_table(session: Session, transaction: Any, node: ddl.CreateTable, database: str, values: Any) -> None:
    from tandemdb.planner.schema import create

    if node.select is None:
        create.create_table(transaction, node, users=session.users)
        return
    from tandemdb.planner.plan import compile_select
    from tandemdb.planner.schema.schema import load_schema

    if not create.name_is_free(load_schema(transaction.root), node):
        return
    roots = session.roots()
    plan = compile_select(node.select, session.namespace(), roots, values, session.users, None, "create table as")
    rows = list(plan.iterate(plan.run(roots, values, session.context)))
    create.create_table(
        transaction, node, columns_of_select=list(zip(plan.columns or (), plan.affinities, strict=True)), rows=rows,
        users=session.users,
    )  # fmt: skip


def create_index(session: Session, transaction: Any, node: ddl.CreateIndex, database: str, values: Any) -> None:
    from tandemdb.planner.schema import create

    create.create_index(transaction, node, database=database, users=session.users)


def create_view(session: Session, transaction: Any, node: ddl.CreateView, database: str, values: Any) -> None:
    from tandemdb.planner.schema import create

    create.create_view(transaction, node, database=database)


def create_trigger(session: Session, transaction: Any, node: ddl.CreateTrigger, database: str, values: Any) -> None:
    from tandemdb.planner.schema import create

    # A temporary trigger may be on a table of any database.
    found = session.namespace().find_table(node.table, node.table_schema) if database == "temp" else None
    create.create_trigger(transaction, node, database=database, owner=found[1] if found else None)


def create_virtual_table(session: Session, transaction: Any, node: Any, database: str, values: Any) -> None:
    from tandemdb.planner.schema import create

    create.create_virtual_table(transaction, node)


def drop(session: Session, transaction: Any, node: ddl.Drop, database: str, values: Any) -> None:
    from tandemdb.planner.schema import drop as ddl_drop

    before: Callable[[Any], None] | None = None
    if session.settings.foreign_keys and node.kind == "TABLE":
        from tandemdb.planner.change.foreign_keys import before_drop_table

        position = session.find_database(database)

        def before(table: Any) -> None:
            before_drop_table(session, position, table)

    orphaned = has_temporary_triggers(session, node, database)
    ddl_drop.drop(transaction, node, database=database, before_drop=before)
    if orphaned:
        ddl_drop.drop_triggers_of(session.write(1), node.name)


def has_temporary_triggers(session: Session, node: ddl.Drop, database: str) -> bool:
    """Whether triggers of temp are on the table or view that goes from another database."""
    namespace = session.namespace()
    if node.kind not in ("TABLE", "VIEW") or database == "temp" or namespace.names[1:2] != ("temp",):
        return False
    temporary = namespace.schemas[1]
    found = namespace.find_table(node.name, None)
    if temporary is None or found is None or namespace.names[found[0]] != database:
        return False
    return any(trigger.table_name.lower() == node.name.lower() for trigger in temporary.triggers.values())


def alter(session: Session, transaction: Any, node: Any, database: str, values: Any) -> None:
    from tandemdb.planner.schema import alter as alterations

    alterations.alter_table(session, transaction, node, database)


DDL: dict[type, Callable[[Session, Any, Any, str, Any], None]] = {
    ddl.CreateTable: create_table,
    ddl.CreateIndex: create_index,
    ddl.CreateView: create_view,
    ddl.CreateTrigger: create_trigger,
    ddl.CreateVirtualTable: create_virtual_table,
    ddl.Drop: drop,
    ddl.RenameTable: alter,
    ddl.RenameColumn: alter,
    ddl.AddColumn: alter,
    ddl.DropColumn: alter,
}


LOCKING = (ddl.CreateIndex, ddl.Drop, ddl.RenameTable, ddl.RenameColumn, ddl.AddColumn, ddl.DropColumn)
"""What changes tables that there are."""


# ---- the rest


def pragma(session: Session, node: ast.Pragma) -> Any:
    from tandemdb.planner.pragma.pragma import run_pragma

    answer = session.atomic(lambda: run_pragma(session, node))
    session.change_key = None  # It may have changed what plans depend on.
    session.ready.clear()
    return answer


def nothing(session: Session, node: Any) -> None:
    """An empty text."""


def analyze(session: Session, node: ast.Analyze) -> None:
    from tandemdb.planner.schema import analyze as analysis

    session.atomic(lambda: analysis.analyze(session, node))


def reindex(session: Session, node: ast.Reindex) -> None:
    from tandemdb.planner.schema import analyze as analysis

    with changing(session):
        analysis.reindex(session, node)


def explain(session: Session, statement: Statement, values: Sequence[Any]) -> Any:
    """EXPLAIN QUERY PLAN gives SQLite's tree; EXPLAIN the generated Python, a line a row."""
    node: ast.Explain = statement.shape.node
    inner = node.statement
    values = list(values) or [None] * len(statement.parameters)
    roots = session.roots()
    if isinstance(inner, ast.Select):
        from tandemdb.planner.plan import compile_select

        plan = compile_select(inner, session.namespace(), roots, values, session.users, None, "explain")
    elif isinstance(inner, (ast.Insert, ast.Update, ast.Delete)):
        from tandemdb.planner.change.dml import compile_dml

        plan = compile_dml(session, inner, session.namespace(), roots, values, None, "explain")
    else:
        return ((EXPLAIN_COLUMNS, []) if node.query_plan else (("line", "code"), []))
    if node.query_plan:
        return EXPLAIN_COLUMNS, plan.explanation
    return ("line", "code"), list(enumerate(plan.source.splitlines(), 1))


RUNNERS: dict[str, Callable[[Session, Any], Any]] = {
    "begin": begin,
    "commit": commit,
    "rollback": rollback,
    "savepoint": savepoint,
    "release": release,
    "pragma": pragma,
    "reindex": reindex,
    "analyze": analyze,
    "empty": nothing,
}
