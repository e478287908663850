"""The bound query: names resolved to sources and columns, ready to be planned.

    SELECT c.name, count(*) FROM city c JOIN country k ON k.id = c.country WHERE k.area > 5 GROUP BY c.name

    Query
     +- cores: [Core
     |    +- sources:    [Source 0 (city as c), Source 1 (country as k)]
     |    +- conjuncts:  [Column(1, id) = Column(0, country), Column(1, area) > 5]
     |    +- group_by:   [Column(0, name)]
     |    +- aggregates: [count(*)]
     |    +- results:    [Column(0, name), AggregateRef(0)]]
     +- order_by: []

A bound expression is the parser's tree with the names replaced: `Column` and `Rowid` for column references,
`FunctionCall`
for calls, `AggregateRef` and `WindowRef` for what a core computes per group and per window, `QueryValue`,
`QueryExists` and
`QueryIn` for subqueries. Where a subquery reads a source of a query around it, the source stands in `Query.outer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.functions.registry import AggregateFunction, ScalarFunction
    from tandemdb.planner.schema.schema import Table

HOLDS_NULL, HOLDS_INT, HOLDS_FLOAT, HOLDS_TEXT, HOLDS_BLOB = 1, 2, 4, 8, 16
HOLDS_NUMBER = HOLDS_INT | HOLDS_FLOAT
HOLDS_ANY = 31


class SourceColumn(NamedTuple):
    """One column of a source. `classes` masks the storage classes its values may have; `affinity` is None for an
    expression's.
    """

    name: str
    affinity: str | None
    collation: str
    classes: int
    type_name: str | None = None


class Source:
    """What a core reads rows from: a stored table, or a query whose rows are made once (`query`), or a row list made
    elsewhere.

    `variable` names its current row in the generated code; `uses_key` tells that the unique key is needed beside the
    record;
    `nullable` that an outer join may put a row of NULLs in its place; `exact` that the plan serves this one text, so
    that it may rest on the values of literals; `live` that its table changes while the plan reads it. `places` tells
    where the columns stand in what the variable holds, if that is not the record but an entry of a secondary key;
    `implied` are conditions on the source alone that follow from those on several.
    """

    __slots__ = (
        "number", "alias", "columns", "table", "database", "query", "rows_name", "variable", "uses_key", "nullable",
        "join", "on", "index_hint", "function", "arguments", "requires", "exact", "live",
        "places", "implied",
    )  # fmt: skip

    def __init__(self, number: int, alias: str, columns: Sequence[SourceColumn]) -> None:
        self.number = number
        self.alias = alias
        self.columns = columns
        self.table: Table | None = None
        self.database = 0
        self.query: Query | None = None
        self.rows_name: str | None = None
        self.variable = ""
        self.uses_key = False
        self.nullable = False
        self.join = "INNER"
        self.on: list[Expr] = []
        self.index_hint: str | None = None
        self.function: Any = None
        self.arguments: Sequence[Expr] = ()
        self.requires: set[int] = set()
        self.exact = False
        self.live = False
        self.places: dict[int, str] | None = None
        self.implied: list[Expr] = []

    @property
    def key_variable(self) -> str:
        return f"{self.variable}_key"

    def __repr__(self) -> str:
        return f"<Source {self.number} {self.alias}>"


class Column(NamedTuple):
    source: Source
    position: int


class Rowid(NamedTuple):
    source: Source


class FunctionCall(NamedTuple):
    function: ScalarFunction
    name: str
    arguments: Sequence[Expr]


class UserCall(NamedTuple):
    """A call of a function that the connection registered; `slot` is its name and argument count."""

    name: str
    arguments: Sequence[Expr]
    deterministic: bool


class AggregateRef(NamedTuple):
    core: Core
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a node


class WindowRef(NamedTuple):
    core: Core
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a node


class QueryValue(NamedTuple):
    query: Query
    position: int = 0


class QueryExists(NamedTuple):
    query: Query


class QueryIn(NamedTuple):
    operands: Sequence[Expr]
    query: Query
    negated: bool


class Local(NamedTuple):
    """A value that generated code keeps in a local variable: NEW and OLD rows, a DML statement's own values.

    `collation` is None for the value of an expression that brings none, `explicit` if COLLATE asked for it.
    """

    text: str
    classes: int
    affinity: str | None = None
    collation: str | None = "BINARY"
    explicit: bool = False


class Between(NamedTuple):
    """`operand` BETWEEN `low` AND `high` where the operand is worth computing only once."""

    operand: Expr
    low: Expr
    high: Expr


class Part:
    """A deep piece of an expression, computed by a function of its own: Python's compiler bears little nesting.

    Stands for its expression in every other respect. Compared by identity, for comparing deep tuples recurses too;
    what is asked for again and again, its collation and whether it is constant, is kept.
    """

    __slots__ = ("expression", "collation", "constant")
    _fields = ("expression",)

    def __init__(self, expression: Expr, collation: tuple[str, bool] | None, constant: bool) -> None:
        self.expression = expression
        self.collation = collation
        self.constant = constant

    def __iter__(self) -> Iterator[Expr]:
        return iter((self.expression,))


Expr: TypeAlias = Any
"""A bound expression: nodes of `ast` whose leaves are the classes above."""


class Aggregate(NamedTuple):
    """One aggregate call of a core. `function` is None for one the connection registered."""

    name: str
    function: AggregateFunction | None
    arguments: Sequence[Expr]
    distinct: bool
    order_by: Sequence[OrderKey]
    filter: Expr | None
    star: bool


class WindowCall(NamedTuple):
    name: str
    function: Any
    arguments: Sequence[Expr]
    partition_by: Sequence[Expr]
    order_by: Sequence[OrderKey]
    frame: ast.Frame | None
    filter: Expr | None
    star: bool


class OrderKey(NamedTuple):
    """One ORDER BY term: an expression, or for compounds and ordinals the position of a result column."""

    expression: Expr | None
    position: int
    descending: bool
    nulls_first: bool
    collation: str


class ResultColumn(NamedTuple):
    """A result and its name; `inner_name` is what a query around this one calls it, where that is another."""

    expression: Expr
    name: str
    inner_name: str | None = None


class Core:
    """One SELECT ... FROM ... WHERE ... GROUP BY ... of a query, or a VALUES list (`values`)."""

    __slots__ = (
        "sources", "conjuncts", "results", "distinct", "group_by", "having", "aggregates", "windows", "values",
        "is_aggregate",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.conjuncts: list[Expr] = []
        self.results: list[ResultColumn] = []
        self.distinct = False
        self.group_by: list[Expr] = []
        self.having: Expr | None = None
        self.aggregates: list[Aggregate] = []
        self.windows: list[WindowCall] = []
        self.values: list[list[Expr]] | None = None
        self.is_aggregate = False


class CommonRows:
    """The rows of a common table expression or a recursive one, made once and read by name.

    `bare`: whoever reads them takes values of their only column in their place.
    """

    __slots__ = ("name", "query", "recursive", "columns", "rows_name", "setup", "steps", "uses", "operators",
                 "is_local", "bare")  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.query: Query | None = None
        self.setup: Query | None = None
        self.steps: list[Query] = []
        self.operators: list[str] = []
        self.recursive = False
        self.columns: list[SourceColumn] = []
        self.rows_name: str | None = None
        self.is_local: bool | None = None
        self.uses = 0
        self.bare = False


class Query:
    """A bound SELECT: cores joined by operators, applied from left to right. `unordered`: nothing shows the order of
    its rows; `counted`: nor do they go anywhere but into counts. `sole_column`: the only one that is read of them.
    """

    __slots__ = ("cores", "operators", "order_by", "limit", "offset", "columns", "outer", "common", "hidden",
                 "unordered", "counted", "sole_column")  # fmt: skip

    def __init__(self) -> None:
        self.cores: list[Core] = []
        self.operators: list[str] = []
        self.order_by: list[OrderKey] = []
        self.limit: Expr | None = None
        self.offset: Expr | None = None
        self.columns: list[SourceColumn] = []
        self.outer: set[Source] = set()
        self.common: list[CommonRows] = []
        self.hidden = 0
        self.unordered = False
        self.counted = False
        self.sole_column: int | None = None


def expressions_of(core: Core) -> list[Expr]:
    """Every expression of a core: results, conditions, groups, aggregates, windows, arguments of sources."""
    found = [*core.conjuncts, *core.group_by, *(result.expression for result in core.results)]
    if core.having is not None:
        found.append(core.having)
    for aggregate in core.aggregates:
        found.extend(aggregate.arguments)
        found.extend(key.expression for key in aggregate.order_by)
        if aggregate.filter is not None:
            found.append(aggregate.filter)
    for window in core.windows:
        found.extend((*window.arguments, *window.partition_by, *(key.expression for key in window.order_by)))
        if window.filter is not None:
            found.append(window.filter)
    for source in core.sources:
        found.extend((*source.on, *source.arguments))
    for row in core.values or ():
        found.extend(row)
    return found


def queries_in(query: Query) -> list[Query]:
    """The query and all below it: in FROM, in expressions, in common tables."""
    found = []
    pending = [query]
    while pending:
        current = pending.pop()
        found.append(current)
        for core in current.cores:
            pending.extend(source.query for source in core.sources if source.query is not None)
            for expression in expressions_of(core):
                for node in walk(expression):
                    if isinstance(node, (QueryValue, QueryExists, QueryIn)):
                        pending.append(node.query)
        for key in current.order_by:
            if key.expression is not None:
                for node in walk(key.expression):
                    if isinstance(node, (QueryValue, QueryExists, QueryIn)):
                        pending.append(node.query)
    return found


LEAVES = frozenset(
    {Column, Rowid, ast.Literal, ast.Parameter, AggregateRef, WindowRef, Local, QueryValue, QueryExists}
)
"""Expressions that have none below them."""


def children(expression: Expr) -> list[Expr]:
    """The direct sub-expressions of a bound expression, those inside subqueries left out."""
    kind = type(expression)
    if kind in LEAVES:
        return []
    if kind is ast.Binary:
        return [expression.left, expression.right]
    if kind is QueryIn:
        return list(expression.operands)
    if kind is FunctionCall or kind is UserCall:
        return list(expression.arguments)
    found: list[Expr] = []
    for field in expression:
        if isinstance(field, (list, tuple)) and not hasattr(field, "_fields"):
            for item in field:
                if isinstance(item, tuple) and not hasattr(item, "_fields"):
                    found.extend(part for part in item if part is not None)
                elif hasattr(item, "_fields"):
                    found.append(item)
        elif hasattr(field, "_fields"):
            found.append(field)
    return found


def whole(expression: Expr) -> Expr:
    """The expression itself where a `Part` stands for it."""
    while isinstance(expression, Part):
        expression = expression.expression
    return expression


def walk(expression: Expr) -> list[Expr]:
    """The expression and all below it, those inside subqueries left out."""
    found = []
    pending = [expression]
    while pending:
        node = pending.pop()
        found.append(node)
        if type(node) not in LEAVES:
            pending.extend(children(node))
    return found


def sources_of(expression: Expr) -> set[Source]:
    """The sources whose rows the expression reads, those read by subqueries inside it included."""
    kind = type(expression)
    if kind is Column or kind is Rowid:
        return {expression.source}
    found: set[Source] = set()
    if kind is ast.Literal or kind is ast.Parameter:
        return found
    for node in walk(expression):
        kind = type(node)
        if kind is Column or kind is Rowid:
            found.add(node.source)
        elif isinstance(node, (QueryValue, QueryExists, QueryIn)):
            found |= node.query.outer
        elif isinstance(node, (AggregateRef, WindowRef)):
            found.update(node.core.sources)
    return found
