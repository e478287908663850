"""Table-valued functions in FROM: json_each, json_tree, generate_series and pragma_NAME.

    FROM json_each(t.tags, '$.a') AS e              FROM json_each AS e WHERE e.json = t.tags

    columns   key value type atom id parent fullkey path | json root | rowid
              visible                                      hidden: the arguments, in order

An argument is nothing but an equality on a hidden column: `take_constraints` turns such a condition of WHERE into one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tandemdb.errors import OperationalError
from tandemdb.planner.bind.bound import HOLDS_ANY, Column, Core, Expr, Source, SourceColumn, sources_of
from tandemdb.planner.functions.registry import plain
from tandemdb.planner.syntax import ast

Rows = Iterable[tuple[Any, ...]]
JSON_TWIN = "value as JSON"


class TableFunction:
    """A table-valued function. `visible` columns are shown by `*`; then `arguments` hidden ones, and the rowid.

    `defaults` stand for arguments not given; `plan_numbers` are what EXPLAIN QUERY PLAN shows, by how many are given.
    `json_column`, if any, has a twin in the last column that keeps the mark of JSON for JSON functions.
    """

    __slots__ = ("name", "columns", "visible", "arguments", "defaults", "plan_numbers", "make", "json_column")

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        hidden: Sequence[str],
        defaults: Sequence[Any],
        make: Callable[..., Rows],
        plan_numbers: Sequence[int],
    ) -> None:
        self.name = name
        named = (*columns, *hidden, "rowid", JSON_TWIN)
        self.columns = [SourceColumn(column, "BLOB", "BINARY", HOLDS_ANY) for column in named]
        self.json_column = 1 if name in ("json_each", "json_tree") else -1
        self.visible = len(columns)
        self.arguments = len(hidden)
        self.defaults = tuple(defaults)
        self.make = make
        self.plan_numbers = tuple(plan_numbers)

    def rows(self, context: Any, *arguments: Any) -> Iterator[tuple[Any, ...]]:
        """The rows for these arguments, with the arguments and a number behind each."""
        given = (*arguments, *self.defaults[len(arguments) :])
        if self.json_column < 0:
            for number, row in enumerate(self.make(context, *given)):
                yield (*row, *given, number, None)
            return
        for number, row in enumerate(self.make(context, *given)):
            value = row[1]
            yield (row[0], plain(value), *row[2:], *given, number, value)

    def explain(self, arguments: Sequence[Expr]) -> str:
        """What EXPLAIN QUERY PLAN adds to the name."""
        given = sum(not is_default(item) for item in arguments)
        return f" VIRTUAL TABLE INDEX {self.plan_numbers[min(given, len(self.plan_numbers) - 1)]}:"


def is_table_function(name: str) -> bool:
    """Whether a table-valued function has this name."""
    return load(name.lower()) is not None


def find_table_function(name: str) -> TableFunction:
    """Find a table-valued function.

    Raises:
        OperationalError: no such table.
    """
    found = load(name.lower())
    if found is None:
        raise OperationalError(f"no such table: {name}", code="SQLITE_ERROR")
    return found


def check_arguments(function: TableFunction, name: str, count: int) -> None:
    """Refuse more arguments than there are hidden columns.

    Raises:
        OperationalError: too many arguments.
    """
    if count > function.arguments:
        raise OperationalError(f"too many arguments on {name}() - max {function.arguments}", code="SQLITE_ERROR")


def take_constraints(core: Core) -> None:
    """Make arguments of the equalities on hidden columns of the core's table functions."""
    for source in core.sources:
        function = source.function
        if not isinstance(function, TableFunction) or len(source.arguments) == function.arguments:
            continue
        arguments: list[Expr] = list(source.arguments)
        used: list[Expr] = []
        conditions = source.on if source.join != "INNER" else core.conjuncts
        for place in range(len(arguments), function.arguments):
            found = next(
                (pair for item in conditions if (pair := constraint(item, source, function.visible + place))), None
            )
            arguments.append(ast.Literal(function.defaults[place]) if found is None else found[1])
            if found is not None:
                used.append(found[0])
                source.requires |= {other.number for other in sources_of(found[1]) if other in core.sources}
        if used:
            source.arguments = arguments
            conditions[:] = [item for item in conditions if not any(item is taken for taken in used)]


def constraint(condition: Expr, source: Source, position: int) -> tuple[Expr, Expr] | None:
    """The condition and its other side, if it is an equality on the hidden column."""
    if not isinstance(condition, ast.Binary) or condition.operator != "=":
        return None
    for side, other in ((condition.left, condition.right), (condition.right, condition.left)):
        if isinstance(side, Column) and side.source is source and side.position == position:
            if source not in sources_of(other):
                return condition, other
    return None


def is_default(item: Expr) -> bool:
    return isinstance(item, ast.Literal) and item.slot < 0


def load(lowered: str) -> TableFunction | None:
    """The function of that name, made when it is first asked for."""
    found = TABLE_FUNCTIONS.get(lowered)
    if found is None:
        found = pragma_function(lowered) if lowered.startswith("pragma_") else built_in(lowered)
        if found is not None:
            TABLE_FUNCTIONS[lowered] = found
    return found


def built_in(lowered: str) -> TableFunction | None:
    if lowered not in BUILT_IN:
        return None
    from tandemdb.planner.functions.tables import TABLE_FUNCTIONS as FUNCTIONS

    found = FUNCTIONS[lowered]
    defaults, plan_numbers = BUILT_IN[lowered]
    rows = series_rows if lowered == "generate_series" else found.rows

    def make(context: Any, *arguments: Any) -> Rows:
        return rows(*arguments)

    return TableFunction(lowered, found.columns, found.hidden, defaults, make, plan_numbers)


def series_rows(start: Any, stop: Any, step: Any) -> Rows:
    """generate_series, which must be told where to start."""
    from tandemdb.planner.functions.tables import generate_series_rows

    if start is MISSING:
        message = 'first argument to "generate_series()" missing or unusable'
        raise OperationalError(message, code="SQLITE_ERROR")
    return generate_series_rows(start, stop, step)


def pragma_function(lowered: str) -> TableFunction | None:
    """pragma_NAME: the rows of a PRAGMA as this connection sees them."""
    from tandemdb.planner.pragma.pragma import pragma_columns, pragma_table_rows

    found = pragma_columns(lowered)
    if found is None:
        return None

    def make(context: Any, *arguments: Any) -> Rows:
        return pragma_table_rows(context.session, lowered, arguments)

    columns, hidden = found
    return TableFunction(lowered, columns, hidden, [None] * len(hidden), make, [0])


class Missing:
    """Stands for an argument that must be given."""


MISSING = Missing()
BUILT_IN: dict[str, tuple[Sequence[Any], Sequence[int]]] = {
    "json_each": ((None, "$"), (0, 1, 3)),
    "json_tree": ((None, "$"), (0, 1, 3)),
    "generate_series": ((MISSING, 0xFFFFFFFF, 1), (0, 1, 3, 7)),
}
"""Defaults of the arguments, and the numbers of EXPLAIN QUERY PLAN."""

TABLE_FUNCTIONS: dict[str, TableFunction] = {}
"""Those asked for so far, by lower-case name."""

__all__ = [
    "TABLE_FUNCTIONS", "TableFunction", "check_arguments", "find_table_function", "is_table_function",
    "take_constraints",
]  # fmt: skip
