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
from tandemdb.planner.bind.bound import HOLDS_ANY, CommonRows, Query, SourceColumn
from tandemdb.planner.bind.scope import Scope
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import Binder


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
        if binder.authority is not None:
            binder.authority.path.append(self.table.name)
        try:
            first = first_step(self.table)
            if first is not None:
                self.bind_recursive(binder, self.rows, first)
            else:
                self.rows.query = binder.bind_select(self.table.select, self.parent)
                self.rows.columns = self.named_columns(self.rows.query)
        finally:
            if binder.authority is not None:
                binder.authority.path.pop()
            binder.common = hidden
            self.binding = False
        self.rows.uses += 1
        self.owner.common.append(self.rows)
        for query in (self.rows.query, self.rows.setup, *self.rows.steps):
            if query is not None:
                self.owner.outer |= query.outer
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

    def bind_recursive(self, binder: Binder, rows: CommonRows, first: int) -> None:
        """Bind what stands before the core `first` as the setup, the rest as the steps."""
        select = self.table.select
        setup = ast.Select(select.cores[:first], select.operators[: first - 1], with_=select.with_)
        rows.setup = binder.bind_select(setup, self.parent)
        rows.columns = self.named_columns(rows.setup)
        rows.recursive = True
        for core in select.cores[first:]:
            rows.steps.append(binder.bind_select(ast.Select([core], with_=select.with_), self.parent))
            if rows.steps[-1].cores[0].is_aggregate:
                raise OperationalError("recursive aggregate queries not supported", code="SQLITE_ERROR")
            if rows.steps[-1].cores[0].windows:
                raise OperationalError("cannot use window functions in recursive queries", code="SQLITE_ERROR")
        if binder.authority is not None:
            binder.authority.recursive()
        rows.operators = list(select.operators[first - 1 :])
        for step in rows.steps:
            if len(step.columns) != len(rows.columns):
                raise OperationalError(
                    f"SELECTs to the left and right of {rows.operators[0]} do not have the same number of result "
                    "columns",
                    code="SQLITE_ERROR",
                )
        # ORDER BY and LIMIT of the compound order and bound the queue: resolved on a query that has the setup's
        # columns.
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


CHAIN_MAX = 20
"""WITH clauses with more tables than this have them bound in order, lest each calls for the one before while it is
bound.
"""


def bind_in_order(binder: Binder, frame: dict[str, CommonDefinition], main: object) -> None:
    """Bind those tables of a WITH clause that are read, by `main` or by one another, in their order."""
    read: set[str] = set()
    pending = [main]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.TableSource) and node.schema is None:
            lowered = node.name.lower()
            if lowered in frame and lowered not in read:
                read.add(lowered)
                pending.append(frame[lowered].table.select)
        elif isinstance(node, (list, tuple)):
            pending.extend(node)
    for name, definition in frame.items():
        if name in read:
            definition.use(binder)


def first_step(table: ast.CommonTable) -> int | None:
    """The place of the first core that reads the table itself, as a recursive one must; None if it is not recursive.

    The steps are the last cores, joined by one and the same UNION or UNION ALL, whose FROM names the table once.

    Raises:
        OperationalError: the table is named twice in a step.
    """
    cores, operators = table.select.cores, table.select.operators
    first = None
    for place in range(len(cores) - 1, 0, -1):
        if operators[place - 1] != operators[-1] or operators[-1] not in ("UNION", "UNION ALL"):
            break
        core = cores[place]
        direct = sum(names_table(item, table.name) for item in items_of(core))
        if direct > 1:
            raise OperationalError(f"multiple references to recursive table: {table.name}", code="SQLITE_ERROR")
        if not direct:
            break
        first = place
    if first is not None and any(count_references(core, table.name) > 1 for core in cores[first:]):
        raise OperationalError(f"multiple recursive references: {table.name}", code="SQLITE_ERROR")
    return first


def items_of(core: ast.SelectCore | ast.Values) -> list[ast.Source]:
    """The items of FROM, those in parentheses as one."""
    found: list[ast.Source] = []
    item = core.source if isinstance(core, ast.SelectCore) else None
    while isinstance(item, ast.Join):
        found.append(item.right)
        item = item.left
    return found if item is None else [*found, item]


def names_table(node: object, name: str) -> bool:
    return isinstance(node, ast.TableSource) and node.schema is None and node.name.lower() == name.lower()


def count_references(core: ast.SelectCore | ast.Values, name: str) -> int:
    """How often the table is named, in subqueries too, unless they have a WITH of their own for it."""
    count = 0
    pending: list[object] = [core]
    while pending:
        node = pending.pop()
        if names_table(node, name):
            count += 1
        elif isinstance(node, ast.Select) and node.with_ is not None and any(
            table.name.lower() == name.lower() for table in node.with_.tables
        ):
            continue
        elif isinstance(node, (list, tuple)):
            pending.extend(node)
    return count
