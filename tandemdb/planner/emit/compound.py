"""Compound SELECTs: rows of the cores combined from left to right.

    UNION ALL    one list after the other
    UNION        sorted and without duplicates, as SQLite's temporary b-tree brings them
    EXCEPT, INTERSECT likewise

Rows are compared as tuples: 1 and 1.0 are the same, NULL equals NULL, which is what SQL's set operations ask for. Of
rows that
are the same the last one stays, for SQLite's b-tree is written over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import OrderKey, Query
from tandemdb.planner.emit.collation import collation_function
from tandemdb.planner.emit.order import limit_text, write_sort
from tandemdb.planner.runtime import helpers as runtime

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

LABELS = {"UNION ALL": "UNION ALL", "UNION": "UNION USING TEMP B-TREE", "EXCEPT": "EXCEPT USING TEMP B-TREE",
          "INTERSECT": "INTERSECT USING TEMP B-TREE"}  # fmt: skip


def compound_rows(queries: QueryEmitter, query: Query) -> str:
    """Write all cores and their combination; the name of the list of rows."""
    frame, generator = queries.frame, queries.generator
    if all(core.values is not None for core in query.cores) and set(query.operators) == {"UNION ALL"}:
        result = generator.name("rows")
        frame.emit(f"{result} = []")
        for core in query.cores:
            frame.emit(f"{result} += {queries.core_rows(core, None)}")
        return finish(queries, query, result)
    queries.explanation.open("COMPOUND QUERY")
    queries.explanation.open("LEFT-MOST SUBQUERY")
    result = core_list(queries, query, 0)
    queries.explanation.close()
    keys = collation_keys(queries, query)
    for number, operator in enumerate(query.operators, 1):
        queries.explanation.open(LABELS[operator])
        right = core_list(queries, query, number)
        queries.explanation.close()
        combine(queries, operator, result, right, keys, len(query.columns))
        if operator != "UNION ALL" and (number == len(query.operators) or query.operators[number] == "UNION ALL"):
            all_columns = [OrderKey(None, at, False, True, column.collation) for at, column in enumerate(query.columns)]
            write_sort(queries, result, all_columns, list(range(len(query.columns))), {})
    queries.explanation.close()
    return finish(queries, query, result)


def core_list(queries: QueryEmitter, query: Query, number: int) -> str:
    """The rows of one core as a list of its own, in a function of its own so that their variables stay apart."""
    part = Query()
    part.cores = [query.cores[number]]
    part.columns = query.columns
    name = queries.generator.name("rows")
    arguments = queries.correlation(query)
    function = queries.local_function(part, "core_query", queries.frame, arguments)
    queries.frame.emit(f"{name} = {function}({', '.join(arguments)})")
    return name


def collation_keys(queries: QueryEmitter, query: Query) -> str | None:
    """The key functions of the columns as text, None where all compare as they are."""
    if all(column.collation == "BINARY" for column in query.columns):
        return None
    found = []
    for column in query.columns:
        found.append(str(collation_function(queries.generator, column.collation)))
    return f"({', '.join(found)},)"


def combine(queries: QueryEmitter, operator: str, left: str, right: str, keys: str | None, width: int) -> None:
    frame, generator = queries.frame, queries.generator
    if operator == "UNION ALL":
        frame.emit(f"{left} = [*{left}, *{right}]")
        return
    if keys is not None:
        function = generator.helper(runtime.combine_collated)
        frame.emit(f"{left} = {function}({operator!r}, {left}, {right}, {keys})")
    elif operator == "UNION":
        frame.emit(f"{left} = list(dict.fromkeys([*reversed({right}), *reversed({left})]))")
    elif operator == "EXCEPT":
        frame.emit(f"{right} = set({right})")
        frame.emit(f"{left} = [row for row in dict.fromkeys(reversed({left})) if row not in {right}]")
    else:
        frame.emit(f"{right} = set({right})")
        frame.emit(f"{left} = [row for row in dict.fromkeys(reversed({left})) if row in {right}]")


def finish(queries: QueryEmitter, query: Query, result: str) -> str:
    if query.order_by:
        write_sort(queries, result, query.order_by, [key.position for key in query.order_by], {})
    limit = limit_text(queries, query)
    if limit is not None:
        queries.frame.emit(f"{result} = {result}[{limit[0]}:{limit[1]}]")
    return result
