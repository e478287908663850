"""When partial indexes and indexes on expressions help: what a query must ask for.

    CREATE INDEX i ON city (upper(name)) WHERE area > 0

    WHERE upper(name) = ? AND area > 0        the same expression compared, the index's own condition among the query's
    CREATE INDEX j ON city (name) WHERE name IS NOT NULL
    WHERE name = ?                            a comparison is never true of NULL, so it implies the condition

A number or text of the query counts as equal to one of the index only where the plan is made for that very text
(`Source.exact`): a plan shared by statements that differ in their literals must not rest on one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tandemdb.planner.bind.bound import Column, Expr, QueryIn, Rowid, Source, walk
from tandemdb.planner.syntax import ast
from tandemdb.planner.syntax.tree import walk as tree_walk
from tandemdb.planner.syntax.tree import without_slots

NULL_IS_NOT = frozenset({"=", "<>", "<", "<=", ">", ">="})


def rests_on_literals(parts: Sequence[Any], namespace: Any) -> bool:
    """Whether a table of the statement, given as all its nodes, has an index whose own literals it may repeat."""
    tables = [
        schema.tables[name]
        for part in parts
        if type(part) is ast.TableSource or type(part) is ast.TableName
        for schema in namespace.schemas
        if schema is not None and (name := part.name.lower()) in schema.tables
    ]
    return any(
        isinstance(part, ast.Literal)
        for table in tables
        for index in table.indexes
        if index.computed
        for part in tree_walk((index.where, *(column.expression for column in index.columns)))
    )


def is_usable(source: Source, index: Any, conjuncts: Sequence[Expr], stored: Any) -> bool:
    """Whether the index holds every row that can satisfy the conjuncts."""
    if index.id not in stored.keys or stored.keys[index.id].stale:
        return False
    if index.where is None:
        return True
    return all(implied(source, term, conjuncts) for term in bound_terms(source, index.where))


def implied(source: Source, term: Expr, conjuncts: Sequence[Expr]) -> bool:
    if any(is_same(source, term, conjunct) for conjunct in conjuncts):
        return True
    if not isinstance(term, ast.IsNull) or not term.negated:
        return False
    return any(is_same(source, term.operand, part) for conjunct in conjuncts for part in never_null(conjunct))


def never_null(conjunct: Expr) -> list[Expr]:
    """The expressions that are not NULL where the conjunct is true."""
    if isinstance(conjunct, ast.Binary) and conjunct.operator in NULL_IS_NOT:
        return [conjunct.left, conjunct.right]
    if isinstance(conjunct, (ast.InList, ast.Like)):
        return [conjunct.operand]
    if isinstance(conjunct, QueryIn):
        return list(conjunct.operands) if not conjunct.negated else []
    return []


def is_same(source: Source, own: Expr, asked: Expr) -> bool:
    """Whether the query's expression is the index's."""
    while isinstance(asked, ast.Collate):
        asked = asked.operand
    if type(own) is not type(asked):
        return False
    if not source.exact and any(isinstance(part, ast.Literal) and part.slot >= 0 for part in walk(asked)):
        return False
    return repr(without_slots(own)) == repr(without_slots(asked))


def bound_column(source: Source, column: Any) -> Expr:
    """The expression that an index's column stands for."""
    if column.position >= 0:
        return Column(source, column.position)
    return Rowid(source) if column.expression is None else bind_over(source, column.expression)


def bound_terms(source: Source, where: ast.Expression) -> list[Expr]:
    from tandemdb.planner.bind.query import split_and

    return split_and(bind_over(source, where))


def bind_over(source: Source, expression: ast.Expression) -> Expr:
    """An expression of the schema, bound to the source's columns."""
    from tandemdb.planner.bind.bound import Core, Query
    from tandemdb.planner.bind.expression import ExpressionBinder
    from tandemdb.planner.bind.query import Binder
    from tandemdb.planner.bind.scope import Entry, EntryColumn, Scope
    from tandemdb.planner.namespace import Namespace
    from tandemdb.planner.user_functions import AssumedFunctions

    assert source.table is not None
    scope = Scope(None, Core(), Query())
    offered = [EntryColumn(column.name, Column(source, column.position)) for column in source.table.columns]
    if not source.table.without_rowid and source.table.rowid_position < 0:
        offered.append(EntryColumn("rowid", Rowid(source), hidden=True))
    scope.entries.append(Entry(source.table.name, None, offered, None))
    binder = Binder(Namespace((), ()), (), AssumedFunctions())
    return ExpressionBinder(binder, scope).bind_scalar(expression)
