"""min() and max() of a key's first column: the first or last entry of the key instead of a walk over the table.

    SELECT max(name) FROM city          table_city_1.find(last_of(table_city_1.keys[7]))[1]      key on name
    SELECT min(id) FROM city            table_city_1.first_key()                                 id is the rowid
    SELECT min(id), max(name) FROM city     both, where nothing else is read of the rows

NULLs lie before all values of a key, and neither function counts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.planner.access.computed import is_usable
from tandemdb.planner.access.lookup import is_rowid
from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_FLOAT, HOLDS_INT, HOLDS_NULL, Aggregate, Column, Core, Source
from tandemdb.planner.bind.traits import canonical_collation, collation_of
from tandemdb.planner.emit.writer import Code

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter


class Extreme(NamedTuple):
    """The source, the index whose end holds the answer (None: the unique key), and the column's position."""

    source: Source
    index: Any
    position: int
    greatest: bool


def find_extremes(core: Core, roots: Any) -> list[Extreme] | None:
    """What answers each of the core's aggregates without reading the table, None if one of them needs it."""
    if not core.aggregates or len(core.sources) != 1 or core.conjuncts or core.group_by or core.windows:
        return None
    if core.having is not None:
        return None
    found: list[Extreme] = []
    for call in core.aggregates:
        extreme = find_extreme(core.sources[0], call, roots)
        if extreme is None:
            return None
        found.append(extreme)
    if len(found) > 1 and not all(tells_equals_apart(extreme, roots) for extreme in found):
        return None
    return found


def tells_equals_apart(found: Extreme, roots: Any) -> bool:
    """Whether equal values of the key are the same: of others, a walk over the table keeps the first that it meets."""
    if found.index is None:
        return True
    source = found.source
    assert source.table is not None
    classes = roots[source.database].tables[source.table.id].classes[found.position]
    whole = source.table.columns[found.position].affinity == "REAL" or not classes & HOLDS_FLOAT
    same = canonical_collation(found.index.columns[0].collation) == "BINARY"
    return same and whole and classes & (HOLDS_INT | HOLDS_FLOAT) != HOLDS_INT | HOLDS_FLOAT


def find_extreme(source: Source, call: Aggregate, roots: Any) -> Extreme | None:
    if call.name not in ("min", "max") or call.function is None or call.filter is not None or call.order_by:
        return None
    table = source.table
    if table is None or table.without_rowid or source.index_hint is not None or len(call.arguments) != 1:
        return None
    argument = call.arguments[0]
    greatest = call.name == "max"
    if is_rowid(source, argument):
        return Extreme(source, None, -1, greatest)
    if not isinstance(argument, Column) or argument.source is not source:
        return None
    found = collation_of(argument)
    collation = found[0] if found else "BINARY"
    stored = roots[source.database].tables[table.id]
    for index in table.indexes:
        first = index.columns[0]
        same = canonical_collation(first.collation) == collation
        if index.where is None and first.position == argument.position and same:
            if is_usable(source, index, (), stored):
                return Extreme(source, index, argument.position, greatest)
    return None


def write_extreme(queries: QueryEmitter, found: Extreme, *, reads_row: bool) -> Code:
    """Write the look-up, of the row as well where something else is read of it; the value."""
    source, generator, frame = found.source, queries.generator, queries.frame
    assert source.table is not None
    table = generator.table(source.database, source.table.id, source.table.name)
    end = "last" if found.greatest else "first"
    if found.index is None:
        unique_key = f"{table}.{end}_key()"
    else:
        function = generator.helper(last_of if found.greatest else first_of)
        unique_key = f"{function}({table}.keys[{found.index.id}])"
    if found.index is None and not reads_row:
        return Code(unique_key, HOLDS_INT | HOLDS_NULL)
    frame.emit(f"{source.key_variable} = {unique_key}")
    nothing = generator.helper((None,) * len(source.columns), f"null_row_{len(source.columns)}")
    source.nullable = True
    queries.expressions.forget()
    row = f"{table}.find({source.key_variable})"
    frame.emit(f"{source.variable} = {nothing} if {source.key_variable} is None else {row}")
    value = source.key_variable if found.index is None else f"{source.variable}[{found.position}]"
    return Code(value, HOLDS_ANY)


def first_of(key: Any) -> Any:
    """The unique key of the least value that is not NULL; of the first entry if all are."""
    first = None
    for rank, _, unique_key in key.scan_entries():
        if rank:
            return unique_key
        first = unique_key if first is None else first
    return first


def last_of(key: Any) -> Any:
    """The unique key of the greatest value."""
    return next(key.scan_keys(True), None)


def explain_extreme(found: Extreme) -> str:
    name = found.source.alias
    return f"SEARCH {name}" if found.index is None else f"SEARCH {name} USING COVERING INDEX {found.index.name}"
