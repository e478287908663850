"""A scan that reads three columns at most reads the columns that the table keeps, if it keeps them.

    SELECT count(*) FROM item WHERE amount > 2500 AND note IS NOT NULL

        columns_1 = columns_of(context, table_item_1, (3, 4))
        values_1 = [item_0[3] for item_0 in ... if item_0[3] > p0 if item_0[4] is not None] if columns_1 is None else
                   [column_1 for column_1, column_2 in zip(*columns_1) if column_1 > p0 if column_2 is not None]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tandemdb.planner.emit.writer import Code, Generator
from tandemdb.planner.runtime.columns import columns_of

RECORDS_MIN = 1000
"""A smaller table is read in less time than it takes to look what is kept of it."""
COLUMNS_MAX = 3
"""Bringing more of them together takes as long as reading the record."""
SCAN = re.compile(r"chain_*\(context\.watched\((?:(table_\w+)\.record_lists\(\)|(lists_\d+))\)\)\Z")


class Columnar(NamedTuple):
    """The columns' name, the loop over them (target and iterable), and what turns a text on the record into theirs."""

    name: str
    target: str
    iterable: str
    written: Callable[[str], str]


def columnar(generator: Generator, target: str, iterable: str, texts: Sequence[str]) -> Columnar | None:
    """How a loop over records reads columns, if `texts` are all that is asked of a record; None where it cannot."""
    found = SCAN.match(iterable)
    if found is None or not generator.narrows or generator.live or generator.row_bound:
        return None
    table, lists = found[1] or generator.narrowed[found[2]], found[2]
    column = re.compile(rf"\b{target}\[(\d+)\]")
    positions = sorted({int(place) for text in texts for place in column.findall(text)})
    if not 0 < len(positions) <= COLUMNS_MAX or rows_of(generator, table) < RECORDS_MIN:
        return None
    if any(re.search(rf"\b{target}\b", column.sub("", text)) for text in texts):
        return None
    listed = "".join(f"{position}, " for position in positions)
    call = f"{generator.helper(columns_of)}(context, {table}, ({listed}){f', {lists}' if lists else ''})"
    name = named_once(generator, call)
    names = {str(position): generator.name("column") for position in positions}
    several = len(positions) > 1
    return Columnar(
        name,
        ", ".join(names.values()),
        f"zip(*{name})" if several else name,
        lambda text: column.sub(lambda place: names[place[1]], text),
    )


def rows_of(generator: Generator, table: str) -> int:
    database, table_id = next(key for key, name in generator.tables.items() if name == table)
    count: int = generator.roots[database].tables[table_id].count
    return count


def named_once(generator: Generator, call: str) -> str:
    """The name of what a call brings, made once in an execution."""
    generator.needs_context = True
    found = generator.hoisted.get(call)
    if found is None:
        name = generator.name("columns")
        generator.main.emit_setup(f"{name} = {call}")
        found = generator.hoisted[call] = Code(name)
    return found.text
