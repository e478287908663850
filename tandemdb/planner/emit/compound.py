"""Compound SELECTs: rows of the cores combined from left to right.

    UNION ALL    one list after the other
    UNION        sorted and without duplicates, as SQLite's temporary b-tree brings them
    EXCEPT, INTERSECT likewise

    def core_query_1():                                     SELECT country FROM city UNION SELECT id FROM country
        rows_2 = {city_0[2] for city_0 in ...}
        return rows_2
    ...
    combined_1 = core_query_1()
    combined_1 |= core_query_2()
    rows_1 = [(value,) for value in sorted(combined_1)]     a single column's values stand bare in the sets

Rows are compared as tuples: 1 and 1.0 are the same, NULL equals NULL, which is what SQL's set operations ask for. Of
rows that are the same the last one stays, for SQLite's b-tree is written over; where equal values may differ, rows are
therefore kept in lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tandemdb.planner.bind.bound import HOLDS_NUMBER, OrderKey, Query
from tandemdb.planner.emit.collation import collation_function
from tandemdb.planner.emit.order import PLAIN_CLASSES, OrderEmitter, limit_text, write_sort
from tandemdb.planner.emit.writer import Generator
from tandemdb.planner.runtime import helpers as runtime

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

LABELS = {"UNION ALL": "UNION ALL", "UNION": "UNION USING TEMP B-TREE", "EXCEPT": "EXCEPT USING TEMP B-TREE",
          "INTERSECT": "INTERSECT USING TEMP B-TREE"}  # fmt: skip
SET_OPERATORS = {"UNION": "|=", "EXCEPT": "-=", "INTERSECT": "&="}


def compound_rows(queries: QueryEmitter, query: Query) -> str:
    """Write all cores and their combination; the name of the list of rows."""
    frame, generator = queries.frame, queries.generator
    if all(core.values is not None for core in query.cores) and set(query.operators) == {"UNION ALL"}:
        result = generator.name("rows")
        frame.emit(f"{result} = []")
        for core in query.cores:
            frame.emit(f"{result} += {queries.core_rows(core, None)}")
        queries.row_classes = None
        return finish(queries, query, result, {})
    keys = collation_keys(queries, query)
    cores = write_cores(queries, query, "set" if keys is None and "UNION ALL" not in query.operators else "rows")
    classes = joint_classes(generator, cores, len(query.columns))
    queries.row_classes = classes
    codes = dict(enumerate(classes or ()))
    if all(core.function in generator.sets for core in cores) and classes is not None and not any(map(mixed, classes)):
        result = combine_sets(queries, query, cores, codes)
    else:
        result = combine_lists(queries, query, cores, keys, codes)
    return finish(queries, query, result, codes)


class CoreCall(NamedTuple):
    """The function that brings a core's rows, and its call."""

    function: str
    call: str


def write_cores(queries: QueryEmitter, query: Query, form: str) -> list[CoreCall]:
    """Write each core as a function of its own, so that their variables stay apart."""
    explanation = queries.explanation
    explanation.open("COMPOUND QUERY")
    found = []
    for core, operator in zip(query.cores, ["", *query.operators], strict=True):
        explanation.open(LABELS[operator] if operator else "LEFT-MOST SUBQUERY")
        part = Query()
        part.cores = [core]
        part.columns = query.columns
        arguments = queries.correlation(query)
        function = queries.local_function(part, "core_query", queries.frame, arguments, form)
        found.append(CoreCall(function, f"{function}({', '.join(arguments)})"))
        explanation.close()
    explanation.close()
    return found


def write_set(queries: QueryEmitter, query: Query, *, simple: bool) -> None:
    """Write one core's rows as a set, or as a list where rows that are equal may not be the same."""
    frame, generator, core = queries.frame, queries.generator, query.cores[0]
    width, order = len(core.results), OrderEmitter(queries, core, None)
    if simple and not (core.distinct and any(order.distinct_keys())):
        queries.common(query)
        pipeline, _ = queries.pipeline(core, order)
        element = queries.element(core, order)
        queries.note_row_classes(width)
        if queries.row_classes is not None and not any(map(mixed, queries.row_classes)):
            generator.sets.add(frame.name)
            if width == 1:
                element = queries.expressions.value(core.results[0].expression).text
            frame.emit(f"return {pipeline.collect_set(generator, frame, element)}")
        else:
            frame.emit(f"return {pipeline.collect(generator, frame, element)}")
        return
    rows = queries.rows(query)
    if queries.row_classes is not None and not any(map(mixed, queries.row_classes)):
        generator.sets.add(frame.name)
        frame.emit(f"return {{row[0] for row in {rows}}}" if width == 1 else f"return set({rows})")
    else:
        frame.emit(f"return {rows}")


def mixed(classes: int) -> bool:
    """Whether values of these classes may be equal and yet not the same."""
    return classes & HOLDS_NUMBER == HOLDS_NUMBER


def joint_classes(generator: Generator, cores: Sequence[CoreCall], width: int) -> list[int] | None:
    """What each column may hold in any of the cores; None if that is not known of all."""
    joint = [0] * width
    for core in cores:
        classes = generator.row_classes.get(core.function)
        if classes is None or len(classes) != width:
            return None
        joint = [held | more for held, more in zip(joint, classes, strict=True)]
    return joint


def combine_sets(queries: QueryEmitter, query: Query, cores: Sequence[CoreCall], codes: dict[int, int]) -> str:
    """Write the set operations; the name of the sorted list of rows."""
    frame, generator = queries.frame, queries.generator
    combined = generator.name("combined")
    frame.emit(f"{combined} = {cores[0].call}")
    for core, operator in zip(cores[1:], query.operators, strict=True):
        frame.emit(f"{combined} {SET_OPERATORS[operator]} {core.call}")
    rows, single = generator.name("rows"), len(query.columns) == 1
    plain = all(classes in PLAIN_CLASSES for classes in codes.values())
    if single and query.sole_column is not None and not query.order_by and (plain or query.counted):
        queries.bare = query.sole_column
        single = False
    if query.counted:
        frame.emit(f"{rows} = [(value,) for value in {combined}]" if single else f"{rows} = list({combined})")
        return rows
    if plain:
        frame.emit(f"{rows} = [(value,) for value in sorted({combined})]" if single else f"{rows} = sorted({combined})")
        return rows
    frame.emit(f"{rows} = [(value,) for value in {combined}]" if single else f"{rows} = list({combined})")
    sort_all(queries, query, rows, codes)
    return rows


def sort_all(queries: QueryEmitter, query: Query, rows: str, codes: dict[int, int]) -> None:
    """Sort by all columns, as SQLite's temporary b-tree does."""
    keys = [OrderKey(None, at, False, True, column.collation) for at, column in enumerate(query.columns)]
    write_sort(queries, rows, keys, list(range(len(query.columns))), codes)


def combine_lists(
    queries: QueryEmitter, query: Query, cores: Sequence[CoreCall], keys: str | None, codes: dict[int, int]
) -> str:
    """Write the operations on lists of rows; the name of the last list."""
    frame, generator = queries.frame, queries.generator
    lists = []
    for core in cores:
        lists.append(generator.name("rows"))
        text = core.call
        if core.function in generator.sets:
            text = f"[(value,) for value in {text}]" if len(query.columns) == 1 else f"list({text})"
        frame.emit(f"{lists[-1]} = {text}")
    result = lists[0]
    for number, operator in enumerate(query.operators, 1):
        combine(queries, operator, result, lists[number], keys)
        if operator != "UNION ALL" and (number == len(query.operators) or query.operators[number] == "UNION ALL"):
            sort_all(queries, query, result, codes)
    return result


def collation_keys(queries: QueryEmitter, query: Query) -> str | None:
    """The key functions of the columns as text, None where all compare as they are."""
    if all(column.collation == "BINARY" for column in query.columns):
        return None
    found = []
    for column in query.columns:
        found.append(str(collation_function(queries.generator, column.collation)))
    return f"({', '.join(found)},)"


def combine(queries: QueryEmitter, operator: str, left: str, right: str, keys: str | None) -> None:
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


def finish(queries: QueryEmitter, query: Query, result: str, codes: dict[int, int]) -> str:
    if query.order_by:
        write_sort(queries, result, query.order_by, [key.position for key in query.order_by], codes)
    limit = limit_text(queries, query)
    if limit is not None:
        queries.frame.emit(f"{result} = {result}[{limit[0]}:{limit[1]}]")
    return result
