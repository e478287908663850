"""A scan with conditions that few records may pass: what the table keeps of a column's values leaves out the others.

    WHERE o_orderdate >= '1993-07-01' AND o_orderdate < ?

        lists_1 = narrowed(table_orders_1, ((4, value_1, False, p0, True),))
        for orders_0 in chain(context.watched(lists_1)):
            if (orders_0[4] >= value_1) and (orders_0[4] < p0):                   tested as ever

Where `narrowed` knows nothing of the column yet, or it would leave out too little, those are the table's own lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.planner.access.paths import Term, terms_of
from tandemdb.planner.bind.bound import HOLDS_NULL, HOLDS_NUMBER, HOLDS_TEXT, Column, Expr
from tandemdb.planner.bind.traits import comparison_affinity, comparison_collation, is_constant
from tandemdb.planner.runtime.places import UNBOUNDED, narrowed
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.source import SourceReader

RECORDS_MIN = 1000
"""A smaller table is read in less time than it takes to look what is kept of it."""
CONDITIONS_MAX = 4


def narrowed_lists(reader: SourceReader, conjuncts: Sequence[Expr]) -> str | None:
    """The name of the lists of records that may pass the conditions; None where nothing is kept for such ones."""
    source, generator = reader.source, reader.generator
    assert source.table is not None
    if not generator.narrows or generator.live or generator.row_bound:
        return None
    if generator.roots[source.database].tables[source.table.id].count < RECORDS_MIN:
        return None
    found = [*ranges(reader, conjuncts), *memberships(reader, conjuncts)][:CONDITIONS_MAX]
    if not found:
        return None
    function = generator.helper(narrowed)
    lists = reader.made_once(f"{function}({reader.table}, ({', '.join(found)},))", "lists")
    generator.narrowed[lists] = reader.table
    return lists


def ranges(reader: SourceReader, conjuncts: Sequence[Expr]) -> list[str]:
    """The equalities and ranges, those of two bounds before those of one."""
    bounds: dict[int, dict[str, Term]] = {}
    for conjunct in conjuncts:
        for term in terms_of(conjunct, reader.source, set()):
            if is_plain(reader, term):
                bounds.setdefault(term.key.position, {}).setdefault(SIDES[term.operator], term)
    found = []
    for position, sides in bounds.items():
        if "both" in sides:
            value = value_of(reader, sides["both"])
            found.append((0, f"({position}, {value}, False, {value}, False)"))
            continue
        parts = [side(reader, sides.get("low")), side(reader, sides.get("high"))]
        found.append((3 - len(sides), f"({position}, {', '.join(parts)})"))
    return [text for _, text in sorted(found, key=lambda item: item[0])]


SIDES = {"=": "both", ">": "low", ">=": "low", "<": "high", "<=": "high"}


def side(reader: SourceReader, term: Term | None) -> str:
    if term is None:
        return f"{reader.generator.helper(UNBOUNDED, 'unbounded')}, False"
    return f"{value_of(reader, term)}, {term.operator in ('<', '>')}"


def value_of(reader: SourceReader, term: Term) -> str:
    return reader.generator.hoist(reader.operand(term)).text


def is_plain(reader: SourceReader, term: Term) -> bool:
    """Whether a column of one class is compared, as its values stand, with a constant of that class."""
    if not isinstance(term.key, Column) or not is_constant(term.expression):
        return False
    classes = class_of(reader, term.key)
    if not classes or comparison_collation(term.conjunct.left, term.conjunct.right) != "BINARY":
        return False
    own, _ = comparison_affinity(term.key, term.expression)
    return own is None and not reader.operand(term).classes & ~(classes | HOLDS_NULL)


def class_of(reader: SourceReader, column: Column) -> int:
    """The classes of a column's values, if Python compares them all; 0 if they are of several, or blobs."""
    classes = reader.source.columns[column.position].classes & ~HOLDS_NULL
    if classes == HOLDS_TEXT:
        return HOLDS_TEXT
    return HOLDS_NUMBER if classes and not classes & ~HOLDS_NUMBER else 0


def memberships(reader: SourceReader, conjuncts: Sequence[Expr]) -> list[str]:
    """IN with a list of constants."""
    found = []
    for node in conjuncts:
        if not isinstance(node, ast.InList) or node.negated or not node.items:
            continue
        column: Any = node.operand
        if not isinstance(column, Column) or not class_of(reader, column) or not all(map(is_constant, node.items)):
            continue
        if comparison_collation(column, ast.Literal(None)) == "BINARY":
            found.append(f"({column.position}, {reader.queries.expressions.in_members(node)})")
    return found
