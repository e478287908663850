"""The syntax tree of SQLite's SQL, as the parser hands it to the binder.

    SELECT a + 1 AS b FROM t WHERE c = 'x'

    Select
     +- cores: [SelectCore
     |    +- columns: [ResultColumn(Binary('+', Name(a), Literal(1, slot 0)), alias 'b', text 'a + 1')]
     |    +- source:  TableSource(t)
     |    +- where:   Binary('=', Name(c), Literal('x', slot 1))]
     +- order_by: []

Nodes are named tuples: cheap to make, immutable, comparable by content. A node never changes after the
parse, so one tree may be planned many times. `slot` numbers the literals of a statement in the order
they stand in its text, which is what `lexer.lift_literals` counts too; -1 marks a value that was not written
as a literal token. Positions are character offsets into the statement's text.

Compound SELECTs are flat: `cores` and, between them, `operators` (UNION, UNION ALL, EXCEPT, INTERSECT), which
SQLite applies from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from tandemdb.planner.syntax.parsed import Statement

Value: TypeAlias = None | int | float | str | bytes

# ---- expressions


class Literal(NamedTuple):
    """A value written in the statement; `slot` is its number among the literal tokens, or -1."""

    value: Value
    slot: int = -1


class Parameter(NamedTuple):
    """A placeholder; `index` is its zero-based place in the list of bound values."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a node


class Name(NamedTuple):
    """A column reference; `quoted` tells that the column was written in double quotes."""

    column: str
    table: str | None = None
    schema: str | None = None
    quoted: bool = False


class Star(NamedTuple):
    """`*` or `table.*` in a result list or RETURNING."""

    table: str | None = None


class Unary(NamedTuple):
    """`operator` is one of - + ~ NOT."""

    operator: str
    operand: Expression


class Binary(NamedTuple):
    """`operator`: + - * / % || & | << >> = <> < <= > >= IS, IS NOT, AND, OR, -> and ->> (== and != are normalised)."""

    operator: str
    left: Expression
    right: Expression


class IsNull(NamedTuple):
    """ISNULL, NOTNULL and NOT NULL; `IS NULL` is parsed to this as well."""

    operand: Expression
    negated: bool


class Like(NamedTuple):
    """`operator` is LIKE, GLOB, REGEXP or MATCH."""

    operator: str
    operand: Expression
    pattern: Expression
    escape: Expression | None
    negated: bool


class Between(NamedTuple):
    operand: Expression
    low: Expression
    high: Expression
    negated: bool


class InList(NamedTuple):
    operand: Expression
    items: Sequence[Expression]
    negated: bool


class InSelect(NamedTuple):
    """`x IN (SELECT ...)`; `x IN table` is parsed to `x IN (SELECT * FROM table)`."""

    operand: Expression
    select: Select
    negated: bool


class Exists(NamedTuple):
    select: Select


class Subquery(NamedTuple):
    """A SELECT in parentheses where an expression may stand."""

    select: Select


class Case(NamedTuple):
    operand: Expression | None
    whens: Sequence[tuple[Expression, Expression]]
    otherwise: Expression | None


class Cast(NamedTuple):
    operand: Expression
    type_name: str


class Collate(NamedTuple):
    operand: Expression
    collation: str


class Call(NamedTuple):
    """A function call; `name` is as written. CURRENT_TIME and its kin are calls without arguments."""

    name: str
    arguments: Sequence[Expression]
    star: bool = False
    distinct: bool = False
    order_by: Sequence[OrderTerm] = ()
    filter: Expression | None = None
    over: Window | str | None = None


class RowValue(NamedTuple):
    """`(a, b)` with two items or more."""

    items: Sequence[Expression]


class Raise(NamedTuple):
    """RAISE(IGNORE | ROLLBACK | ABORT | FAIL, message), in triggers only."""

    action: str
    message: Expression | None


class Window(NamedTuple):
    """OVER (...) or an entry of the WINDOW clause; `base` names the window it extends."""

    base: str | None
    partition_by: Sequence[Expression]
    order_by: Sequence[OrderTerm]
    frame: Frame | None


class Frame(NamedTuple):
    """`unit`: ROWS, RANGE, GROUPS. `exclude`: NO OTHERS, CURRENT ROW, GROUP, TIES.

    EXPLICITLY NONE is NO OTHERS as written: SQLite then sums each frame up anew, and heeds a FILTER of min() and max().
    """

    unit: str
    start: FrameBound
    end: FrameBound
    exclude: str


class FrameBound(NamedTuple):
    """`kind`: UNBOUNDED PRECEDING, PRECEDING, CURRENT ROW, FOLLOWING, UNBOUNDED FOLLOWING."""

    kind: str
    offset: Expression | None = None


Expression: TypeAlias = (
    Literal
    | Parameter
    | Name
    | Star
    | Unary
    | Binary
    | IsNull
    | Like
    | Between
    | InList
    | InSelect
    | Exists
    | Subquery
    | Case
    | Cast
    | Collate
    | Call
    | RowValue
    | Raise
)

# ---- queries


class OrderTerm(NamedTuple):
    """`nulls` is FIRST, LAST or None (SQLite's default: first ascending, last descending)."""

    expression: Expression
    descending: bool = False
    nulls: str | None = None


class ResultColumn(NamedTuple):
    """`text` is the expression's source text, which names the column where there is no alias."""

    expression: Expression
    alias: str | None
    text: str


class TableSource(NamedTuple):
    """A table, view or CTE in FROM; `arguments` is not None for a table-valued function.

    `index` is the name after INDEXED BY, "" for NOT INDEXED, None where neither stands.
    """

    name: str
    schema: str | None = None
    alias: str | None = None
    index: str | None = None  # type: ignore[assignment]  # hides tuple.index
    arguments: Sequence[Expression] | None = None


class SubquerySource(NamedTuple):
    select: Select
    alias: str | None = None


class Join(NamedTuple):
    """`kind`: COMMA, INNER, CROSS, LEFT, RIGHT, FULL. A parenthesised join may stand on either side."""

    left: Source
    right: Source
    kind: str
    natural: bool = False
    on: Expression | None = None
    using: Sequence[str] | None = None


Source: TypeAlias = TableSource | SubquerySource | Join


class SelectCore(NamedTuple):
    columns: Sequence[ResultColumn]
    distinct: bool = False
    source: Source | None = None
    where: Expression | None = None
    group_by: Sequence[Expression] = ()
    having: Expression | None = None
    windows: Sequence[tuple[str, Window]] = ()


class Values(NamedTuple):
    """VALUES (...), (...): a core of its own."""

    rows: Sequence[Sequence[Expression]]


class CommonTable(NamedTuple):
    """`materialized` is True, False or None as the hint says."""

    name: str
    columns: Sequence[str]
    select: Select
    materialized: bool | None = None


class With(NamedTuple):
    recursive: bool
    tables: Sequence[CommonTable]


class Select(NamedTuple):
    cores: Sequence[SelectCore | Values]
    operators: Sequence[str] = ()
    order_by: Sequence[OrderTerm] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    with_: With | None = None


# ---- statements that change rows


class TableName(NamedTuple):
    """The table that INSERT, UPDATE or DELETE changes; `index` as in TableSource."""

    name: str
    schema: str | None = None
    alias: str | None = None
    index: str | None = None  # type: ignore[assignment]  # hides tuple.index


class Assignment(NamedTuple):
    """SET a = x, or SET (a, b) = row value or subquery."""

    columns: Sequence[str]
    expression: Expression


class Upsert(NamedTuple):
    """ON CONFLICT [target] DO NOTHING (`assignments` None) or DO UPDATE SET."""

    target: Sequence[OrderTerm] | None
    target_where: Expression | None
    assignments: Sequence[Assignment] | None
    where: Expression | None


class Insert(NamedTuple):
    """`action`: the word after OR (REPLACE for REPLACE INTO), or None. `source` None is DEFAULT VALUES."""

    table: TableName
    columns: Sequence[str] | None
    source: Select | None
    action: str | None = None
    upserts: Sequence[Upsert] = ()
    returning: Sequence[ResultColumn] = ()
    with_: With | None = None


class Update(NamedTuple):
    table: TableName
    assignments: Sequence[Assignment]
    action: str | None = None
    source: Source | None = None
    where: Expression | None = None
    order_by: Sequence[OrderTerm] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    returning: Sequence[ResultColumn] = ()
    with_: With | None = None


class Delete(NamedTuple):
    table: TableName
    where: Expression | None = None
    order_by: Sequence[OrderTerm] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    returning: Sequence[ResultColumn] = ()
    with_: With | None = None


# ---- statements that change neither


class Begin(NamedTuple):
    """`kind`: DEFERRED, IMMEDIATE, EXCLUSIVE."""

    kind: str


class Commit(NamedTuple):
    """COMMIT or END."""


class Rollback(NamedTuple):
    savepoint: str | None


class Savepoint(NamedTuple):
    name: str


class Release(NamedTuple):
    name: str


class Pragma(NamedTuple):
    """`PRAGMA name`, `PRAGMA name = value` or `PRAGMA name(value)`; the value as text, number or name."""

    name: str
    schema: str | None
    value: Value
    has_value: bool


class Attach(NamedTuple):
    file: Expression
    schema: Expression


class Detach(NamedTuple):
    schema: Expression


class Vacuum(NamedTuple):
    schema: str | None
    into: Expression | None


class Reindex(NamedTuple):
    name: str | None
    schema: str | None


class Analyze(NamedTuple):
    name: str | None
    schema: str | None


class Explain(NamedTuple):
    query_plan: bool
    statement: Statement
