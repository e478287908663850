"""EXISTS with one comparison of a column: whether any row passes is whether the least or the greatest value does.

    NOT EXISTS (SELECT 1 FROM member m WHERE m.left_id = p.id AND m.right_id < 100)

        least_1 = extremes_under(table_member_1, 9, 1, 1, True, nan)         asked of the key once for each value
        ... if not (least_1[p_0[0]] < value_1)

Where no key brings the rows, the table is gone through once for all (`extremes_by`). Under a value without rows stands
what passes no comparison: NaN where numbers are compared, NULL where texts are.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import HOLDS_NULL, HOLDS_NUMBER, HOLDS_TEXT, Column, Expr, Source, sources_of, walk
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime.kept import extremes_by, extremes_under
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.source import SourceReader

LEAST = {"<": True, "<=": True, ">": False, ">=": False}
"""For a column on the left: whether its least value decides."""


def read_extreme_under(reader: SourceReader, value: str, width: int) -> bool:
    """Have a key's rows replaced by the extreme that decides about them; False where rows are needed."""
    found = deciding_column(reader)
    if found is None:
        return False
    column, least = found
    code, nothing = extreme_code(reader, column)
    maker = reader.generator.helper(extremes_under)
    call = f"{maker}({reader.table}, {reader.path.key.id}, {width}, {column.position}, {least}, {nothing})"
    know_extreme(reader, column, code._replace(text=f"{name_of(reader, call, least)}[{value}]"))
    return True


def read_extreme_by(reader: SourceReader, positions: Sequence[int], probe: str) -> bool:
    """As `read_extreme_under`, without a key."""
    found = deciding_column(reader)
    if found is None:
        return False
    column, least = found
    code, nothing = extreme_code(reader, column)
    places = f"({', '.join(map(str, positions))},)"
    call = f"{reader.generator.helper(extremes_by)}(context, {reader.table}, {places}, {column.position}, {least})"
    know_extreme(reader, column, code._replace(text=f"{name_of(reader, call, least)}.get({probe}, {nothing})"))
    return True


def name_of(reader: SourceReader, call: str, least: bool) -> str:
    return reader.made_once(call, "least" if least else "greatest")


def deciding_column(reader: SourceReader) -> tuple[Column, bool] | None:
    """The column that the only condition compares, and whether its least value decides."""
    order, source = reader.queries.order, reader.source
    if order is None or not order.any_row or len(order.core.sources) != 1 or len(reader.filters) != 1:
        return None
    conjunct = reader.filters[0]
    if not isinstance(conjunct, ast.Binary) or conjunct.operator not in LEAST or source.places is not None:
        return None
    first, second = reader.queries.expressions.operands(conjunct)
    column, other, on_left = conjunct.left, conjunct.right, True
    if not isinstance(column, Column) or column.source is not source:
        column, other, on_left = other, column, False
        first, second = second, first
    if not isinstance(column, Column) or column.source is not source or not is_outside(source, other):
        return None
    plain = first.text == f"{source.variable}[{column.position}]"
    kinds = [code.classes & ~HOLDS_NULL for code in (first, second)]
    alike = all(kind and not kind & ~HOLDS_NUMBER for kind in kinds) or kinds == [HOLDS_TEXT, HOLDS_TEXT]
    return (column, LEAST[conjunct.operator] == on_left) if plain and alike else None


def is_outside(source: Source, node: Expr) -> bool:
    return source not in sources_of(node) and not any(hasattr(part, "query") for part in walk(node))


def extreme_code(reader: SourceReader, column: Column) -> tuple[Code, str]:
    """What expressions know of the extreme, and the name of what stands for none."""
    classes = reader.source.columns[column.position].classes & ~HOLDS_NULL
    if classes == HOLDS_TEXT:
        return Code("", HOLDS_TEXT | HOLDS_NULL), "None"
    return Code("", classes, True), reader.generator.helper(nan, "nan")


def know_extreme(reader: SourceReader, column: Column, code: Code) -> None:
    reader.queries.expressions.know([(column, code)])
