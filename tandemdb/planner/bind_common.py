"""Common table expressions: each is bound where it is first read and its rows are made once.

    WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT n FROM c

    CommonDefinition (the text, the scope it stands in)
        | first use
    CommonRows c    setup: SELECT 1      steps: [SELECT n + 1 FROM <queue> ...]     operators: [UNION ALL]

The rows are made in the query that carries the WITH clause, before its own rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.errors import OperationalError
from tandemdb.planner import ast
from tandemdb.planner.bound import HOLDS_ANY, CommonRows, Query, SourceColumn
from tandemdb.planner.scope import Scope

if TYPE_CHECKING:
    from tandemdb.planner.bind import Binder


class CommonDefinition:
    """One table of a WITH clause. `depth` is the number of WITH frames visible where it stands."""

    __slots__ = ("table", "depth", "owner", "parent", "rows", "binding")

    def __init__(self, table: ast.CommonTable, depth: int, owner: Query, parent: Scope | None) -> None:
        self.table = table
        self.depth = depth
        self.owner = owner
        self.parent = parent
        self.rows: CommonRows | None = None
        self.binding = False

    def use(self, binder: Binder) -> CommonRows:
        """The table's rows, bound at the first use.

        Raises:
            OperationalError: `circular reference: c`, or a column count that does not match.
        """
        if self.rows is not None:
            if self.binding and not self.rows.recursive:
                raise OperationalError(f"circular reference: {self.table.name}", code="SQLITE_ERROR")
            self.rows.uses += 1
            return self.rows
        self.rows = CommonRows(self.table.name)
        self.binding = True
        hidden, binder.common = binder.common, binder.common[: self.depth]
        try:
            recursive = reads_itself(self.table)
            if recursive:
                self.bind_recursive(binder, self.rows)
            else:
                self.rows.query = binder.bind_select(self.table.select, self.parent)
                self.rows.columns = self.named_columns(self.rows.query)
        finally:
            binder.common = hidden
            self.binding = False
        self.rows.uses += 1
        self.owner.common.append(self.rows)
        return self.rows

    def named_columns(self, query: Query) -> list[SourceColumn]:
        names = self.table.columns
        if names and len(names) != len(query.columns):
            raise OperationalError(
                f"table {self.table.name} has {len(query.columns)} values for {len(names)} columns",
                code="SQLITE_ERROR",
            )
        columns = [column._replace(classes=HOLDS_ANY) for column in query.columns]
        if names:
            columns = [column._replace(name=name) for column, name in zip(columns, names, strict=True)]
        return unique_names(columns)

    def bind_recursive(self, binder: Binder, rows: CommonRows) -> None:
        """Split the compound where it first reads itself: what stands before sets up, the rest are the steps."""
        select = self.table.select
        first = next(i for i, core in enumerate(select.cores) if core_reads(core, self.table.name))
        if first == 0:
            raise OperationalError(f"circular reference: {self.table.name}", code="SQLITE_ERROR")
        setup = ast.Select(select.cores[:first], select.operators[: first - 1], with_=select.with_)
        rows.setup = binder.bind_select(setup, self.parent)
        rows.columns = self.named_columns(rows.setup)
        rows.recursive = True
        for core in select.cores[first:]:
            rows.steps.append(binder.bind_select(ast.Select([core], with_=select.with_), self.parent))
        rows.operators = list(select.operators[first - 1 :])
        for step in rows.steps:
            if len(step.columns) != len(rows.columns):
                raise OperationalError(
                    f"SELECTs to the left and right of {rows.operators[0]} do not have the same number of result "
                    "columns",
                    code="SQLITE_ERROR",
                )
        # ORDER BY and LIMIT of the compound order and bound the queue: resolved on a query that has the setup's columns.
        outline = Query()
        outline.cores = list(rows.setup.cores)
        outline.operators = list(rows.setup.operators)
        outline.columns = list(rows.columns)
        for number, term in enumerate(select.order_by, 1):
            scopes = [Scope(None, core, outline) for core in outline.cores]
            if len(outline.cores) == 1:
                outline.cores = outline.cores * 2
                scopes = scopes * 2
            outline.order_by.append(binder.bind_order_term(number, term, outline, scopes))
        binder.bind_limit(select, outline, None)
        rows.query = outline


def unique_names(columns: list[SourceColumn]) -> list[SourceColumn]:
    """Columns of a subquery with the names that are taken already made unique, as SQLite does: x, x:1, x:2."""
    taken: set[str] = set()
    found = []
    for column in columns:
        name, number = column.name, 0
        while name.lower() in taken:
            number += 1
            name = f"{column.name}:{number}"
        taken.add(name.lower())
        found.append(column._replace(name=name))
    return found


def reads_itself(table: ast.CommonTable) -> bool:
    return any(core_reads(core, table.name) for core in table.select.cores)


def core_reads(core: ast.SelectCore | ast.Values, name: str) -> bool:
    """Whether the FROM clause of a core, or a subquery anywhere in it, names the table."""
    lowered = name.lower()
    pending: list[object] = [core]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.TableSource) and node.schema is None and node.name.lower() == lowered:
            return True
        if isinstance(node, ast.Select) and node.with_ is not None and any(
            table.name.lower() == lowered for table in node.with_.tables
        ):
            continue
        if isinstance(node, (list, tuple)):
            pending.extend(node)
    return False
