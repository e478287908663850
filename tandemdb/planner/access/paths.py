"""Access paths: how the rows of one source are found, given what is known before it in the join.

    city WHERE id = ?            find        three bisections                SEARCH city USING ... PRIMARY KEY (rowid=?)
    city WHERE country = k.id    key equal   slice of a secondary key's run  SEARCH city USING INDEX i (country=?)
    city WHERE id > ?            range       slices of blocks                SEARCH city USING ... PRIMARY KEY (rowid>?)
    city, no key, joined by =    hash        dictionary made once, probed    SEARCH city USING AUTOMATIC ...
    anything else                scan        every block                     SCAN city

A conjunct helps if one side is a column of the source and the other can be computed before it. Costs are in
microseconds of generated code as measured on CPython 3.11; only their ratios matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.access.computed import bound_column, is_same, is_usable
from tandemdb.planner.access.statistics import distinct_values
from tandemdb.planner.bind.bound import (
    HOLDS_BLOB,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    Column,
    CommonRows,
    Expr,
    QueryExists,
    QueryIn,
    QueryValue,
    Rowid,
    Source,
    sources_of,
    walk,
)
from tandemdb.planner.bind.traits import (
    affinity_of,
    canonical_collation,
    comparison_affinity,
    comparison_collation,
    is_constant,
)
from tandemdb.planner.syntax import ast

FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
COST_SCAN, COST_FIND, COST_KEY, COST_KEY_ROW = 0.04, 0.55, 0.9, 0.5
COST_BUILD, COST_PROBE, COST_MATCH = 0.13, 0.08, 0.04
ROWS_UNKNOWN = 100.0
"""Assumed rows of a source that is made by a query."""
ROWS_MIN = 1000.0
"""Tables count as no smaller when paths are compared: a plan outlives the moment when its table was empty."""
SELECTIVE_PART = 0.05
"""Share of rows that a range on a secondary key is taken to keep; who indexes a column means to use it, as SQLite
does.
"""
EQUAL_PART, RANGE_PART, OTHER_PART = 0.1, 0.3, 0.5
"""Share of rows that a condition is assumed to keep where no key tells."""


class Term(NamedTuple):
    """A conjunct as an access path can use it: `key <operator> expression`, the expression known beforehand."""

    conjunct: Expr
    key: Expr
    operator: str
    expression: Expr


class Path(NamedTuple):
    """One way to find a source's rows. `used` are the conjuncts it makes true by itself.

    `repeated`: how often the path is expected to be taken in one execution. `cover`: what of a key's entries stands in
    for the records (see `access.covering`); "row": all of them are read, in the order of the key.
    """

    kind: str
    cost: float
    rows: float
    used: Sequence[Expr] = ()
    terms: Sequence[Term] = ()
    key: Any = None
    low: Term | None = None
    high: Term | None = None
    node: Any = None
    repeated: float = 1.0
    cover: str = ""


def best_path(
    source: Source, conjuncts: Sequence[Expr], known: set[Source], roots: Sequence[Any], rows: float = 1.0
) -> Path:
    """The cheapest path for one row of the `rows` that stand before the source.

    `conjuncts` are those whose sources are all known once this source is.
    """
    count = row_count(source, roots)
    if source.table is not None and not known:
        count = max(count, ROWS_MIN)
    terms = quick_terms([term for conjunct in conjuncts for term in terms_of(conjunct, source, known)])
    paths = [scan_path(count)]
    if source.table is not None:
        from tandemdb.planner.access.lookup import lookup_paths

        paths.extend(table_paths(source, terms, conjuncts, count, roots))
        paths.extend(lookup_paths(source, conjuncts, count, roots))
    equal = [term for term in terms if term.operator == "=" and not is_constant(term.expression)]
    if source.live and source.table is not None:
        equal = []  # A dictionary would be behind the table.
    if equal and source.function is None or equal and isinstance(source.function, CommonRows):
        matches = matches_of(source, equal, count, roots)
        cost = COST_PROBE + matches * COST_MATCH + count * COST_BUILD / rows
        paths.append(Path("hash", cost, matches, [t.conjunct for t in equal], equal))
    return min(paths, key=lambda path: path.cost + (path.rows * 0.001))._replace(repeated=rows)


def quick_terms(terms: Sequence[Term]) -> list[Term]:
    """The terms without those that run a subquery for every row, where others find rows for them to be tested on."""
    quick = [term for term in terms if not runs_often(term.expression)]
    found = any(term.operator == "=" and not is_constant(term.expression) for term in quick)
    return quick if found else list(terms)


def runs_often(expression: Expr) -> bool:
    """Whether an expression holds a correlated subquery: it costs more than any join does, and comes after them."""
    if type(expression) in PLAIN:
        return False
    return any(
        isinstance(node, (QueryValue, QueryExists, QueryIn)) and node.query.outer for node in walk(expression)
    )


PLAIN = frozenset({Column, Rowid, ast.Literal, ast.Parameter})
"""Expressions that have no subquery in them."""


def matches_of(source: Source, equal: Sequence[Term], count: float, roots: Sequence[Any]) -> float:
    """How many rows of the source are equal in these terms: told by a key on its columns, or guessed."""
    if count <= 20 or unique_on(source, equal):
        return 1.0
    guess = max(1.0, count * EQUAL_PART ** len(equal))
    if source.table is None:
        return guess
    positions = {term.key.position for term in equal if isinstance(term.key, Column)}
    keys = roots[source.database].tables[source.table.id].keys
    for index in source.table.indexes:
        if index.where is None and index.id in keys and {column.position for column in index.columns} <= positions:
            distinct = distinct_values(index, keys[index.id], count, len(index.columns))
            guess = min(guess, max(1.0, count / distinct))
    return guess


def row_count(source: Source, roots: Sequence[Any]) -> float:
    if source.table is not None:
        found: int = roots[source.database].tables[source.table.id].count
        return float(found)
    if source.query is not None and len(source.query.cores) == 1 and source.query.cores[0].values is not None:
        return float(len(source.query.cores[0].values))
    return ROWS_UNKNOWN


def scan_path(count: float) -> Path:
    return Path("scan", max(count, 1.0) * COST_SCAN, max(count, 1.0))


def terms_of(conjunct: Expr, source: Source, known: set[Source]) -> list[Term]:
    """The conjunct as terms over the source: none, one, or two where both sides qualify."""
    if not isinstance(conjunct, ast.Binary) or conjunct.operator not in FLIPPED:
        return []
    found = []
    left, right = sources_of(conjunct.left), sources_of(conjunct.right)
    if left == {source} and source not in right:
        found.append(Term(conjunct, conjunct.left, conjunct.operator, conjunct.right))
    if right == {source} and source not in left:
        found.append(Term(conjunct, conjunct.right, FLIPPED[conjunct.operator], conjunct.left))
    return found


def unique_on(source: Source, equal: Sequence[Term]) -> bool:
    """Whether no two rows of the source are equal in these terms: by a unique key whose values they tell apart."""
    table = source.table
    if table is None:
        return False
    terms = [term for term in equal if isinstance(term.key, Column)]
    if any(term.key.position == table.rowid_position for term in terms):
        return True
    return any(
        index.unique
        and index.where is None
        and all(any(tells_apart(term, source, column) for term in terms) for column in index.columns)
        for index in table.indexes
    )


def tells_apart(term: Term, source: Source, column: Any) -> bool:
    """Whether values that are two to a unique index are two to the comparison: not if 1 = '1' or 'a' = 'A' there."""
    if column.position < 0 or term.key.position != column.position:
        return False
    collation = comparison_collation(term.conjunct.left, term.conjunct.right)
    if collation not in ("BINARY", canonical_collation(column.collation)):
        return False
    own, _ = comparison_affinity(term.key, term.expression)
    return own is None or not source.columns[column.position].classes & HOLDS_TEXT


# ---- stored tables


def table_paths(
    source: Source, terms: Sequence[Term], conjuncts: Sequence[Expr], count: float, roots: Sequence[Any]
) -> list[Path]:
    table = source.table
    assert table is not None
    paths = []
    if source.index_hint is None or source.index_hint == "":
        paths.extend(primary_paths(source, terms, count) if table.without_rowid else rowid_paths(source, terms, count))
    stored = roots[source.database].tables[table.id]
    for index in table.indexes:
        if source.index_hint == "" or (source.index_hint and source.index_hint.lower() != index.name.lower()):
            continue
        if not is_usable(source, index, conjuncts, stored):
            if source.index_hint and index.where is not None:
                raise OperationalError("no query solution", code="SQLITE_ERROR")
            continue
        path = index_path(source, index, terms, count, stored.keys[index.id])
        if path is not None:
            paths.append(path)
    return paths


def rowid_paths(source: Source, terms: Sequence[Term], count: float) -> list[Path]:
    """By the unique key of a rowid table: one row, or a range of them."""
    table = source.table
    assert table is not None
    on_key = [
        term
        for term in terms
        if isinstance(term.key, Rowid)
        or (isinstance(term.key, Column) and term.key.position == table.rowid_position >= 0)
    ]
    for term in on_key:
        if term.operator == "=":
            return [Path("find", COST_FIND, 1.0, [term.conjunct], [term])]
    low = next((term for term in on_key if term.operator in (">", ">=") and is_number(term)), None)
    high = next((term for term in on_key if term.operator in ("<", "<=") and is_number(term)), None)
    if low is None and high is None:
        return []
    rows = max(1.0, count * (RANGE_PART if low is None or high is None else RANGE_PART**2 / 2))
    used = [term.conjunct for term in (low, high) if term is not None]
    return [Path("range", COST_FIND + rows * COST_SCAN, rows, used, low=low, high=high)]


def primary_paths(source: Source, terms: Sequence[Term], count: float) -> list[Path]:
    """By the primary key of a WITHOUT ROWID table: equalities on all its columns, or on the leading ones."""
    table = source.table
    assert table is not None
    equal: list[Term] = []
    for column in table.primary_key_columns:
        term = next((t for t in terms if t.operator == "=" and fits(t, source, column)), None)
        if term is None:
            break
        equal.append(term)
    if not equal:
        return []
    used = [term.conjunct for term in equal]
    if len(equal) == len(table.primary_key_columns):
        return [Path("primary", COST_FIND, 1.0, used, equal)]
    rows = max(1.0, count * EQUAL_PART ** len(equal))
    return [Path("primary_prefix", COST_FIND + rows * COST_SCAN, rows, used, equal)]


def is_number(term: Term) -> bool:
    """Whether the bound is sure to be a number or NULL once numeric affinity is applied: a range path needs that."""
    expression = term.expression
    return affinity_of(expression) in ("INTEGER", "REAL") or isinstance(
        expression, (ast.Literal, ast.Parameter, ast.Unary, ast.Binary)
    )


def index_path(source: Source, index: Any, terms: Sequence[Term], count: float, key: Any) -> Path | None:
    """By a secondary key: equalities on its leading columns, then a range on the next."""
    equal: list[Term] = []
    for column in index.columns:
        term = next((t for t in terms if t.operator == "=" and fits(t, source, column)), None)
        if term is None:
            break
        equal.append(term)
    low = high = None
    if len(equal) < len(index.columns):
        column = index.columns[len(equal)]
        low = next((t for t in terms if t.operator in (">", ">=") and fits_range(t, source, column)), None)
        high = next((t for t in terms if t.operator in ("<", "<=") and fits_range(t, source, column)), None)
    if not equal and low is None and high is None:
        return None
    used = [term.conjunct for term in (*equal, low, high) if term is not None]
    if index.unique and len(equal) == len(index.columns):
        return Path("unique", COST_KEY + COST_FIND, 1.0, used, equal, index)
    rows = max(1.0, count * matching_share(equal, index, key, count))
    if low is not None or high is not None:
        rows = max(1.0, rows * (SELECTIVE_PART if low is None or high is None else SELECTIVE_PART / 2))
    return Path("key", COST_KEY + rows * COST_KEY_ROW, rows, used, equal, index, low, high)


def matching_share(equal: Sequence[Term], index: Any, key: Any, count: float) -> float:
    if not equal or not count:
        return 1.0
    share = 1.0 / distinct_values(index, key, count, len(equal))
    return min(share, SELECTIVE_PART) if all(is_constant(term.expression) for term in equal) else share


def fits(term: Term, source: Source, column: Any) -> bool:
    """Whether the term compares the index's column as the index orders it."""
    if column.position < 0:
        if not is_same(source, bound_column(source, column), term.key):
            return False
    elif not isinstance(term.key, Column) or term.key.position != column.position:
        return False
    if comparison_collation(term.conjunct.left, term.conjunct.right) != canonical_collation(column.collation):
        return False
    own, _ = comparison_affinity(term.key, term.expression)
    classes = source.columns[column.position].classes if column.position >= 0 else HOLDS_TEXT
    return own is None or (own == "NUMERIC" and not classes & HOLDS_TEXT)


def fits_range(term: Term, source: Source, column: Any) -> bool:
    """As `fits`; a range also needs all values of the column, NULLs aside, in the segment of the bound."""
    if column.position < 0 or not fits(term, source, column):
        return False
    classes = source.columns[column.position].classes & ~HOLDS_NULL
    return classes & ~HOLDS_NUMBER == 0 or classes in (HOLDS_TEXT, HOLDS_BLOB)
