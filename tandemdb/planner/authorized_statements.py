"""What an authorizer is asked about each kind of statement, in SQLite's order.

    INSERT INTO t SELECT x FROM u      INSERT t, SELECT, READ u.x, then what t's triggers do
    UPDATE t SET a = b WHERE c         READ t.b, UPDATE t.a, READ t.c, triggers
    CREATE TABLE t (a UNIQUE)          INSERT sqlite_master, CREATE_TABLE t, ... UPDATE sqlite_master.type ...

SQLite runs statements of its own on sqlite_master to change the schema, and asks about those too; of ALTER TABLE,
ANALYZE and VACUUM only what they are is asked here, not what SQLite does to carry them out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.planner.authorization import SQLITE_SELECT, Authority, AuthorizedBinder
from tandemdb.planner.bind.bound import HOLDS_ANY, Core, Expr, Local, Query
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.from_items import FromBinder
from tandemdb.planner.bind.scope import ROWID_NAMES, Scope
from tandemdb.planner.syntax import ast, ddl

if TYPE_CHECKING:
    from tandemdb.planner.namespace import Namespace
    from tandemdb.planner.session import Session

CREATE_INDEX, CREATE_TABLE, CREATE_TEMP_INDEX, CREATE_TEMP_TABLE, CREATE_TEMP_TRIGGER = 1, 2, 3, 4, 5
CREATE_TEMP_VIEW, CREATE_TRIGGER, CREATE_VIEW, DELETE = 6, 7, 8, 9
DROP = {"INDEX": 10, "TABLE": 11, "TRIGGER": 16, "VIEW": 17}
DROP_TEMP = {"INDEX": 12, "TABLE": 13, "TRIGGER": 14, "VIEW": 15}
INSERT, PRAGMA, READ, TRANSACTION, UPDATE, ATTACH, DETACH, ALTER_TABLE = 18, 19, 20, 22, 23, 24, 25, 26
REINDEX, ANALYZE, CREATE_VTABLE, SAVEPOINT = 27, 28, 29, 32
CATALOG_COLUMNS = ("type", "name", "tbl_name", "rootpage", "sql")


def ask_about(session: Session, namespace: Namespace, authority: Authority, node: Any) -> Any:
    """Ask about a statement; the statement to run, without what is to be ignored.

    Raises:
        DatabaseError: something is denied.
        Ignored: the whole statement is to do nothing.
    """
    asker = Asker(session, namespace, authority)
    kind = type(node)
    if kind is ast.Explain:
        return node._replace(statement=ask_about(session, namespace, authority, node.statement))
    ask = ASK.get(kind)
    changed = None if ask is None else ask(asker, node)
    return node if changed is None else changed


class Asker:
    """Asks about one statement, and about the bodies of the triggers that it may fire."""

    def __init__(self, session: Session, namespace: Namespace, authority: Authority) -> None:
        self.session = session
        self.namespace = namespace
        self.authority = authority
        self.roots = [attached.root() for attached in session.databases]
        self.locals: Callable[[ast.Name], Expr | None] | None = None
        self.firing: set[Any] = set()

    def binder(self, with_: ast.With | None = None) -> AuthorizedBinder:
        binder = AuthorizedBinder(
            self.namespace, self.roots, self.session.users, self.authority, in_trigger=self.locals is not None
        )
        binder.locals = self.locals
        if with_ is not None:
            binder.enter_with(with_, Query(), None)
        return binder

    # ---- rows

    def select(self, node: ast.Select) -> None:
        self.binder().bind_select(node, None)

    def insert(self, node: ast.Insert) -> None:
        database, table = self.target(node.table)
        self.authority.require(INSERT, table.name, None, self.namespace.names[database])
        binder = self.binder(node.with_)
        source = node.source
        if source is not None:
            core = source.cores[0]
            if len(source.cores) == 1 and isinstance(core, ast.Values) and len(core.rows) == 1 and source.with_ is None:
                for item in core.rows[0]:
                    ExpressionBinder(binder, Scope(None, Core(), Query())).bind(item)
                self.authority.finish()
            else:
                binder.bind_select(source, None)
        outside = binder.locals
        for upsert in node.upserts:
            expressions = ExpressionBinder(binder, self.row_scope(binder, node.table, database))
            binder.locals = lambda name: excluded(name, table) or (None if outside is None else outside(name))
            for term in upsert.target or ():
                expressions.bind(term.expression)
            for assignment in upsert.assignments or ():
                self.assignment(assignment, table, database, expressions)
            if upsert.where is not None:
                expressions.bind(upsert.where)
        binder.locals = outside
        self.finish_change(binder, node, database, table, "INSERT", ())

    def update(self, node: ast.Update) -> ast.Update:
        database, table = self.target(node.table)
        binder = self.binder(node.with_)
        scope = self.row_scope(binder, node.table, database, node.source)
        expressions = ExpressionBinder(binder, scope)
        allowed = [item for item in node.assignments if self.assignment(item, table, database, expressions)]
        if node.source is not None:
            self.authority.require(SQLITE_SELECT)
        if node.where is not None:
            expressions.bind(node.where)
        columns = [name.lower() for item in node.assignments for name in item.columns]
        self.finish_change(binder, node, database, table, "UPDATE", columns)
        if not allowed:
            # Every column is to be left as it is: so say all of them.
            kept = node.assignments[0].columns[0]
            allowed = [ast.Assignment((kept,), ast.Name(kept, node.table.alias or node.table.name))]
        return node._replace(assignments=allowed)

    def assignment(self, item: ast.Assignment, table: Any, database: int, expressions: ExpressionBinder) -> bool:
        expressions.bind(item.expression)
        name = self.namespace.names[database]
        allowed = True
        for written in item.columns:
            column = table.by_name.get(written.lower())
            shown = "ROWID" if column is None else column.name
            allowed = self.authority.ask(UPDATE, table.name, shown, name) and allowed
        return allowed

    def delete(self, node: ast.Delete) -> None:
        database, table = self.target(node.table)
        self.authority.ask(DELETE, table.name, None, self.namespace.names[database])
        binder = self.binder(node.with_)
        scope = self.row_scope(binder, node.table, database)
        if node.where is not None:
            ExpressionBinder(binder, scope).bind(node.where)
        self.finish_change(binder, node, database, table, "DELETE", ())

    def finish_change(
        self, binder: AuthorizedBinder, node: Any, database: int, table: Any, event: str, columns: Sequence[str]
    ) -> None:
        """RETURNING, subqueries, and the triggers that fire."""
        self.authority.finish()
        if node.returning:
            expressions = ExpressionBinder(binder, self.row_scope(binder, node.table, database))
            for item in node.returning:
                if isinstance(item.expression, ast.Star):
                    binder.expand_star(item.expression, expressions.scope)
                else:
                    expressions.bind(item.expression)
            self.authority.finish()
        self.triggers(database, table, event, columns)

    def row_scope(
        self, binder: AuthorizedBinder, target: ast.TableName, database: int, joined: ast.Source | None = None
    ) -> Scope:
        core, query = Core(), Query()
        query.cores = [core]
        scope = Scope(None, core, query)
        table = ast.TableSource(target.name, target.schema or self.namespace.names[database], target.alias)
        FromBinder(binder, scope).bind(table)
        if joined is not None:
            FromBinder(binder, scope).bind(joined)
        return scope

    def target(self, name: ast.TableName) -> tuple[int, Any]:
        return self.namespace.require_table(name.name, name.schema)

    def triggers(self, database: int, table: Any, event: str, columns: Sequence[str]) -> None:
        from tandemdb.planner.change.trigger_program import body_namespace
        from tandemdb.planner.change.triggers import triggers_on

        for home, trigger in triggers_on(self.namespace, table, database):
            of_columns = [name.lower() for name in trigger.node.columns]
            if trigger.event != event or trigger in self.firing or (of_columns and not set(of_columns) & set(columns)):
                continue
            held = self.locals, self.namespace, self.authority.in_trigger
            self.authority.in_trigger = True
            self.firing.add(trigger)
            self.authority.path.append(trigger.name)
            self.locals, self.namespace = self.row_names(table, database), body_namespace(self.namespace, home)
            try:
                if trigger.node.when is not None:
                    ExpressionBinder(self.binder(), Scope(None, Core(), Query())).bind(trigger.node.when)
                for statement in trigger.node.body:
                    ASK[type(statement)](self, statement)
            finally:
                self.locals, self.namespace, self.authority.in_trigger = held
                self.authority.path.pop()
                self.firing.discard(trigger)

    def row_names(self, table: Any, database: int) -> Callable[[ast.Name], Expr | None]:
        """NEW.x and OLD.x in a trigger's body."""

        def find(name: ast.Name) -> Expr | None:
            if name.schema is not None or (name.table or "").lower() not in ("new", "old"):
                return None
            column = table.by_name.get(name.column.lower())
            if column is None and name.column.lower() not in ROWID_NAMES:
                return None
            self.authority.ask_column(table.name, "ROWID" if column is None else column.name, database)
            return Local("row", HOLDS_ANY)

        return find

    # ---- the schema

    def catalog(self, action: int, database: str, column: str | None = None) -> None:
        name = "sqlite_temp_master" if database == "temp" else "sqlite_master"
        self.authority.require(action, name, column, database)

    def home(self, node: Any) -> str:
        from tandemdb.planner.schema.names import find_home

        position = find_home(node, self.namespace)
        if position is None:
            return ""
        return "temp" if position == 1 and getattr(node, "temporary", False) else self.namespace.names[position]

    def write_catalog_row(self, database: str) -> None:
        for column in CATALOG_COLUMNS:
            self.catalog(UPDATE, database, column)
        self.catalog(READ, database, "ROWID")

    def create_table(self, node: ddl.CreateTable) -> None:
        database = self.home(node)
        self.catalog(INSERT, database)
        self.authority.require(CREATE_TEMP_TABLE if database == "temp" else CREATE_TABLE, node.name, None, database)
        if node.if_not_exists and self.namespace.find_table(node.name, database) is not None:
            return
        if node.select is not None:
            self.select(node.select)
        self.write_catalog_row(database)

    def create_index(self, node: ddl.CreateIndex) -> None:
        database = self.home(node)
        self.catalog(INSERT, database)
        action = CREATE_TEMP_INDEX if database == "temp" else CREATE_INDEX
        self.authority.require(action, node.name, node.table, database)
        found = self.namespace.find_table(node.table, database)
        if found is None:
            return
        binder = self.binder()
        expressions = ExpressionBinder(binder, self.row_scope(binder, ast.TableName(node.table, database), found[0]))
        for term in node.columns:
            expressions.bind(term.expression)
        self.catalog(INSERT, database)
        self.authority.require(REINDEX, node.name, None, database)

    def create_view(self, node: ddl.CreateView) -> None:
        database = self.home(node)
        self.catalog(INSERT, database)
        self.authority.require(CREATE_TEMP_VIEW if database == "temp" else CREATE_VIEW, node.name, None, database)
        self.write_catalog_row(database)

    def create_trigger(self, node: ddl.CreateTrigger) -> None:
        database = self.home(node)
        action = CREATE_TEMP_TRIGGER if database == "temp" else CREATE_TRIGGER
        self.authority.require(action, node.name, node.table, database)
        found = self.namespace.find_table(node.table, node.table_schema)
        self.catalog(INSERT, database if found is None else self.namespace.names[found[0]])
        self.catalog(INSERT, database)

    def create_virtual_table(self, node: Any) -> None:
        database = self.home(node)
        self.catalog(INSERT, database)
        self.authority.require(CREATE_VTABLE, node.name, node.module, database)

    def drop(self, node: ddl.Drop) -> None:
        database = self.home(node)
        if not database:
            return
        action = (DROP_TEMP if database == "temp" else DROP)[node.kind]
        schema = self.namespace.schemas[self.session.find_database(database)]
        assert schema is not None
        lowered = node.name.lower()
        owner: str | None = None
        if node.kind == "INDEX":
            owner = schema.indexes[lowered].table_name
        elif node.kind == "TRIGGER":
            owner = schema.triggers[lowered].table_name
        if node.kind != "TRIGGER":
            self.catalog(DELETE, database)
        self.authority.require(action, node.name, owner, database)
        if node.kind in ("TABLE", "VIEW"):
            self.authority.require(DELETE, node.name, None, database)
        elif node.kind == "TRIGGER":
            self.catalog(DELETE, database)
        self.catalog(DELETE, database)
        self.catalog(READ, database, "tbl_name" if node.kind in ("TABLE", "VIEW") else "name")
        self.catalog(READ, database, "type")
        if node.kind in ("TABLE", "INDEX"):
            trees = 1 if node.kind == "INDEX" else 1 + len(schema.tables[lowered].indexes)
            for _ in range(trees):
                self.catalog(UPDATE, database, "rootpage")
                self.catalog(READ, database, "rootpage")

    def alter(self, node: Any) -> None:
        database = self.home(node)
        dropped = node.column if isinstance(node, ddl.DropColumn) else None
        self.authority.require(ALTER_TABLE, database, node.table, dropped)

    # ---- the rest

    def begin(self, node: ast.Begin) -> None:
        self.authority.require(TRANSACTION, "BEGIN")

    def commit(self, node: ast.Commit) -> None:
        self.authority.require(TRANSACTION, "COMMIT")

    def rollback(self, node: ast.Rollback) -> None:
        if node.savepoint is None:
            self.authority.require(TRANSACTION, "ROLLBACK")
        else:
            self.authority.require(SAVEPOINT, "ROLLBACK", node.savepoint)

    def savepoint(self, node: ast.Savepoint) -> None:
        self.authority.require(SAVEPOINT, "BEGIN", node.name)

    def release(self, node: ast.Release) -> None:
        self.authority.require(SAVEPOINT, "RELEASE", node.name)

    def pragma(self, node: ast.Pragma) -> None:
        value = str(node.value) if node.has_value else None
        self.authority.require(PRAGMA, node.name, value, node.schema)

    def attach(self, node: ast.Attach) -> None:
        self.authority.require(ATTACH, text_of(node.file))

    def detach(self, node: ast.Detach) -> None:
        self.authority.require(DETACH, text_of(node.schema))

    def analyze(self, node: ast.Analyze) -> None:
        for position, schema in enumerate(self.namespace.schemas):
            for table in schema.tables.values() if schema is not None else ():
                if node.name is None or table.name.lower() == node.name.lower():
                    self.authority.require(ANALYZE, table.name, None, self.namespace.names[position])

    def reindex(self, node: ast.Reindex) -> None:
        for position, schema in enumerate(self.namespace.schemas):
            for index in schema.indexes.values() if schema is not None else ():
                if node.name is None or node.name.lower() in (index.name.lower(), index.table_name.lower()):
                    self.authority.require(REINDEX, index.name, None, self.namespace.names[position])


def excluded(name: ast.Name, table: Any) -> Expr | None:
    """EXCLUDED.x in DO UPDATE, which nobody is asked about."""
    known = name.column.lower() in table.by_name or name.column.lower() in ROWID_NAMES
    return Local("row", HOLDS_ANY) if known and (name.table or "").lower() == "excluded" else None


def text_of(expression: Any) -> str | None:
    """The text of a literal or name; None for a value that is known later."""
    if isinstance(expression, ast.Literal):
        return None if expression.value is None else str(expression.value)
    return expression.column if isinstance(expression, ast.Name) else None


ASK: dict[type, Callable[[Asker, Any], Any]] = {
    ast.Select: Asker.select, ast.Insert: Asker.insert, ast.Update: Asker.update, ast.Delete: Asker.delete,
    ddl.CreateTable: Asker.create_table, ddl.CreateIndex: Asker.create_index, ddl.CreateView: Asker.create_view,
    ddl.CreateTrigger: Asker.create_trigger, ddl.CreateVirtualTable: Asker.create_virtual_table, ddl.Drop: Asker.drop,
    ddl.RenameTable: Asker.alter, ddl.RenameColumn: Asker.alter, ddl.AddColumn: Asker.alter,
    ddl.DropColumn: Asker.alter,
    ast.Begin: Asker.begin, ast.Commit: Asker.commit, ast.Rollback: Asker.rollback, ast.Savepoint: Asker.savepoint,
    ast.Release: Asker.release, ast.Pragma: Asker.pragma, ast.Attach: Asker.attach, ast.Detach: Asker.detach,
    ast.Analyze: Asker.analyze, ast.Reindex: Asker.reindex,
}  # fmt: skip
