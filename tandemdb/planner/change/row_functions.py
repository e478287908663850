"""Functions of one record, compiled from a table's expressions: what a partial index or one on expressions holds.

    CREATE INDEX by_name ON city (upper(name), area) WHERE area > 0

    def plan(context):
        def extract(key, record):
            if not (record[2] is not None and record[2] > 0): return None        not in this index
            return (sql_upper(record[1]), record[2])
        return extract

Storage calls `extract` for each record that comes or goes, under any connection: it knows no session, so what depends
on one (the clock) is refused, as SQLite refuses what is not deterministic.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_INT, Core, Expr, FunctionCall, Local, Query, walk
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.query import Binder, UserFunctions
from tandemdb.planner.bind.scope import Entry, EntryColumn, Scope
from tandemdb.planner.emit.expression import ExpressionEmitter
from tandemdb.planner.emit.writer import Frame, Generator, compile_source
from tandemdb.planner.namespace import namespace_of
from tandemdb.planner.runtime import patterns
from tandemdb.planner.schema.schema import load_schema
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.schema.schema import Index, Schema, Table
    from tandemdb.storage import Transaction

Extract = Callable[[Any, tuple[Any, ...]], tuple[Any, ...] | None]


def compile_extract(table: Table, index: Index, schema: Schema, users: UserFunctions | None = None) -> Extract:
    """The function that gives a computed index's column values for a record, None for one outside a partial index.

    A function that `users` registered as deterministic is called as it is now, whoever writes to the table later.

    Raises:
        OperationalError: an expression names a column or function that isn't there.
    """
    columns = [
        ast.Name("rowid") if column.position < 0 and column.expression is None
        else column.expression if column.position < 0
        else ast.Name(table.columns[column.position].name, table.name)
        for column in index.columns
    ]  # fmt: skip
    return compile_row_functions(table, columns, index.where, schema, index.name, users)


def compile_row_functions(
    table: Table, results: Sequence[ast.Expression | None], where: ast.Expression | None, schema: Schema, name: str,
    users: UserFunctions | None = None,
) -> Extract:  # fmt: skip
    """A function from (unique key, record) to the values of `results`, or to None where `where` is not true."""
    registered = users or UserFunctions()
    binder = ExpressionBinder(Binder(namespace_of(("main",), (schema,)), (), registered), row_scope(table))
    bound = [binder.bind_scalar(result) for result in results]
    test = None if where is None else binder.bind_scalar(where)
    generator = Generator((), ())
    generator.main = Frame("plan", ["context"], None)
    body = Frame("extract", ["key", "record"], generator.main)
    emitter = ExpressionEmitter(generator, body, None)
    if test is not None:
        body.emit(f"if not ({emitter.true(test)}):")
        body.emit("    return None")
    texts = [emitter.value(expression).text for expression in bound]
    body.emit(f"return ({', '.join(texts)},)")
    for line in body.source():
        generator.main.emit(line)
    generator.main.emit("return extract")
    source = "\n".join(generator.main.source()) + "\n"
    compiled: Extract = compile_source(source, f"index {name}", dict(generator.bound))(
        SchemaContext(date_function([*bound, *([] if test is None else [test])]), registered)
    )
    return compiled


def row_scope(table: Table) -> Scope:
    """The table's columns as parts of `record`; any value may come in any class."""
    scope = Scope(None, Core(), Query())
    offered = [
        EntryColumn(column.name, Local(f"record[{column.position}]", HOLDS_ANY, column.affinity, column.collation))
        for column in table.columns
    ]
    if not table.without_rowid:
        key = Local("key", HOLDS_INT, "INTEGER")
        offered.extend(EntryColumn(name, key, hidden=True) for name in ("rowid", "oid", "_rowid_"))
    scope.entries.append(Entry(table.name, None, offered, None))
    return scope


def date_function(expressions: Sequence[Expr]) -> str:
    """The first function that may read the clock, for the error's sake."""
    for expression in expressions:
        for node in walk(expression):
            if isinstance(node, FunctionCall) and node.function.needs_context:
                return node.name
    return ""


class SchemaContext:
    """What functions in an index may ask for: nothing that changes."""

    __slots__ = ("function", "users")

    def __init__(self, function: str, users: UserFunctions) -> None:
        self.function = function
        self.users = users

    def now(self) -> datetime.datetime:
        """Raises: OperationalError, for an index can't follow the clock."""
        raise OperationalError(f"non-deterministic use of {self.function}() in an index", code="SQLITE_ERROR")

    def user_function(self, name: str, count: int) -> Callable[..., Any]:
        """A function of the connection that makes the index."""
        return self.users.function(name, count)

    def collation_key_function(self, name: str) -> Callable[[Any], Any]:
        """A collation of the connection that makes the index, or a built-in one."""
        return self.users.collation_key(name)

    def like_function(self, pattern: Any, *escape: Any) -> Callable[[Any], bool | None]:
        """LIKE without regard to case: PRAGMA case_sensitive_like is a connection's own."""
        return patterns.like_function(pattern, *escape)


def derive_stale_keys(transaction: Transaction, users: UserFunctions | None) -> None:
    """Build the computed indexes that came without their functions, as a mirror gets them that leads now.

    One with a function or collation that is not registered stays as it is: unused, until it is.
    """
    schema = load_schema(transaction.root)
    remain = False
    for table in schema.tables.values():
        for index in table.indexes:
            key = transaction.root.tables[table.id].keys.get(index.id) if index.computed else None
            if key is None or not key.stale:
                continue
            try:
                extract = compile_extract(table, index, schema, users)
            except OperationalError:
                remain = True
            else:
                transaction.derive_key(index.id, extract)
    if not remain:
        transaction.own_root().has_stale = False


__all__ = ["Extract", "SchemaContext", "compile_extract", "compile_row_functions", "derive_stale_keys"]
