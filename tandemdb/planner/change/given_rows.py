"""The rows that an INSERT is given: what brings them, and which value of one goes into which column.

    INSERT INTO city (name, id) ...        targets = [1, 0]: the places of the columns named

    VALUES (?, ?)                          one row, or with executemany:  for p0, p1, in many:
    VALUES (...), (...)                    given_rows_1 = [(...,), (...,)];  for given in given_rows_1:
    SELECT ...                             rows_1 = all rows of the query;   for given in rows_1:

Columns not named get their defaults; generated ones nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_NULL, Core, Expr, Query
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.scope import ROWID_NAMES, Scope
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.change.insert import InsertEmitter


class GivenRows:
    """The rows of one INSERT, for its emitter to write about."""

    def __init__(self, emitter: InsertEmitter) -> None:
        self.emitter = emitter
        self.table, self.node = emitter.table, emitter.node
        self.targets, self.rowid_at = self.find_targets()
        self.rows: list[list[Expr]] = []
        """Bound expressions, if not a query makes the rows."""
        self.name = "many"
        """The name of the list of rows; "" for a single row of expressions."""
        self.query: Query | None = None
        """The query that makes the rows, if one does."""
        self.classes: Sequence[int] | None = None
        """What the columns of the rows that a query gives may hold, if that is known."""

    def find_targets(self) -> tuple[list[int], int]:
        """The positions of the columns that the statement gives values for, and the place of an explicit rowid (-1)."""
        table, node = self.table, self.node
        if node.columns is None:
            return [column.position for column in table.columns if column.generated is None], -1
        targets, rowid_at = [], -1
        for place, name in enumerate(node.columns):
            column = table.by_name.get(name.lower())
            if column is None and name.lower() in ROWID_NAMES and not table.without_rowid:
                rowid_at = place
                targets.append(table.rowid_position)
                continue
            if column is None:
                raise OperationalError(f"table {table.name} has no column named {name}", code="SQLITE_ERROR")
            if column.generated is not None:
                raise OperationalError(f'cannot INSERT into generated column "{column.name}"', code="SQLITE_ERROR")
            targets.append(column.position)
        return targets, rowid_at

    def bind(self) -> None:
        """Bind the expressions; a query is written as well, for its rows are made before the first is inserted."""
        node, binder = self.node, self.emitter.binder
        if node.source is None:
            self.rows = [[]]
            return
        values_only = all(isinstance(c, ast.Values) for c in node.source.cores) and node.source.with_ is None
        if values_only and not node.source.order_by and node.source.limit is None:
            expressions = ExpressionBinder(binder, Scope(None, Core(), Query()))
            rows = [row for c in node.source.cores for row in c.rows]
            for row in rows:
                if len(row) != len(rows[0]):
                    raise OperationalError("all VALUES must have the same number of terms", code="SQLITE_ERROR")
                self.check_width(len(row))
            self.rows = [[expressions.bind_scalar(item) for item in row] for row in rows]
            if len(rows) > 1:
                self.emitter.queries.explanation.constant(len(rows))
            return
        self.query = binder.bind_select(node.source, None)
        self.check_width(len(self.query.columns))
        self.emitter.frame.body.append("    # The rows are made before the first is inserted.")
        self.name = self.emitter.queries.rows(self.query)
        self.classes = self.emitter.queries.row_classes

    def check_width(self, found: int) -> None:
        expected = len(self.targets)
        if found == expected:
            return
        if self.node.columns is None:
            raise OperationalError(
                f"table {self.table.name} has {expected} columns but {found} values were supplied", code="SQLITE_ERROR"
            )
        raise OperationalError(f"{found} values for {expected} columns", code="SQLITE_ERROR")

    @property
    def is_one_row(self) -> bool:
        """Whether there is one row of expressions, evaluated for each execution of an executemany."""
        return self.query is None and len(self.rows) == 1

    # ---- written into the statement's function

    def name_rows(self) -> None:
        """Give the list of the rows a name, unless it has one."""
        emitter = self.emitter
        if self.query is not None or emitter.many:
            return
        if self.is_one_row:
            self.name = ""
            return
        texts = [[emitter.queries.expressions.value(item).text for item in row] for row in self.rows]
        self.name = emitter.generator.name("given_rows")
        rows = ", ".join([f"({', '.join(row)},)" for row in texts])
        emitter.frame.body.insert(0, f"    {self.name} = [{rows}]")

    def open_loop(self) -> None:
        """Write the loop's head; `values` are available in the loop."""
        emitter, frame = self.emitter, self.emitter.frame
        if self.query is None and emitter.many:
            count = len(emitter.generator.types)
            names = "".join(f"p{place}, " for place in range(count)) or "_"
            frame.emit(f"for {names.rstrip() if count else names} in many:")
            emitter.generator.row_bound = True
        elif self.is_one_row:
            frame.emit("for _ in (None,):")
        else:
            frame.emit(f"for given in {self.name}:")
        frame.depth += 1

    def values(self) -> list[Code]:
        """A row's values, in the order in which they are given."""
        if not self.is_one_row:
            return [Code(f"given[{place}]", HOLDS_ANY, True) for place in range(len(self.targets))]
        return [self.emitter.queries.expressions.value(item) for item in self.rows[0]]

    def place(self, given: Sequence[Code]) -> tuple[list[Code | None], Code | None]:
        """Each column's value: the one given, else its default; None for generated ones. And the rowid's, if given."""
        codes: list[Code | None] = [None] * len(self.table.columns)
        rowid: Code | None = None
        named = set()
        for place, (position, code) in enumerate(zip(self.targets, given, strict=self.node.source is not None)):
            if place == self.rowid_at:
                rowid = code
            if position >= 0 and (position not in named or position == self.table.rowid_position):
                codes[position] = code
                named.add(position)
        for column in self.table.columns:
            if column.position not in named and column.generated is None:
                codes[column.position] = self.default_of(column)
        if self.table.rowid_position in named:
            rowid = codes[self.table.rowid_position]
        return codes, rowid

    def default_of(self, column: Any) -> Code:
        if column.default is None:
            return Code("None", HOLDS_NULL, True)
        bound = ExpressionBinder(self.emitter.binder, Scope(None, Core(), Query())).bind_scalar(column.default)
        return self.emitter.queries.expressions.value(bound)
