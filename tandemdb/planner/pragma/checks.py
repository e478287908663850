"""The PRAGMAs that read data to find faults: foreign_key_check, integrity_check, quick_check.

foreign_key_check   for each foreign key: the parent's key values in a set, each child's row looked up in it
integrity_check     storage's own invariants; NOT NULL and CHECK of every row; uniqueness of every unique index
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.change.parent_key import ParentKey, find_parent_key
from tandemdb.planner.change.row_functions import compile_row_functions
from tandemdb.planner.pragma.tables import ALL_DATABASES, TEMP_UNUSED, all_positions, search_order
from tandemdb.planner.runtime.values import AFFINITY_FUNCTIONS
from tandemdb.planner.schema.schema import CATALOG_NAMES, ForeignKey, Schema, Table, load_schema
from tandemdb.planner.syntax import ast
from tandemdb.storage import Root, StorageError, collation_key
from tandemdb.storage.check import check_layout, check_table

if TYPE_CHECKING:
    from tandemdb.planner.pragma.pragma import Call

Rows = list[tuple[Any, ...]]
FAULTS_MAX = 100


def show_foreign_key_violations(call: Call) -> Rows:
    """(table, rowid, parent, number of the foreign key) of every row whose parent is missing.

    Raises:
        OperationalError: no such table; a foreign key that doesn't fit its parent.
    Cost: O(rows of the children and parents).
    """
    rows: Rows = []
    found = call.value is None
    positions = named_or_main(call) if call.value is None else search_order(call)
    for position in positions:
        root = call.root_read(position)
        schema = load_schema(root)
        tables = list(reversed(schema.tables.values()))  # As in SQLite's hash table, while it has few entries.
        if call.value is not None:
            tables = [table for table in tables if table.name.lower() == call.value.lower()]
        for table in tables:
            rows.extend(violations_of(root, schema, table))
        if call.value is not None and tables:
            found = True
            break
    if not found:
        raise no_such_table(call)
    return rows


def named_or_main(call: Call) -> list[int]:
    """The positions of the databases whose tables are checked where no table is named: SQLite takes main's alone."""
    return [0] if call.home == ALL_DATABASES else list(all_positions(call))


def no_such_table(call: Call) -> OperationalError:
    home = "temp." if call.home == TEMP_UNUSED else ""
    if call.home >= 0:
        home = f"{call.session.databases[call.home].name}."
    return OperationalError(f"no such table: {home}{call.value}", code="SQLITE_ERROR")


def violations_of(root: Root, schema: Schema, table: Table) -> Rows:
    """The rows in the order of the unique key, each with its foreign keys in the order of PRAGMA foreign_key_list."""
    tests: list[tuple[int, ForeignKey, Callable[[tuple[Any, ...]], bool]]] = []
    for number, foreign_key in enumerate(reversed(table.foreign_keys)):
        parent = find_parent_key(schema, table, foreign_key)
        tests.append((number, foreign_key, always if parent is None else orphan_test(root, parent)))
    rows: Rows = []
    if tests:
        for key, record in root.tables[table.id].items():
            for number, foreign_key, is_orphan in tests:
                values = tuple([record[position] for position in foreign_key.columns])
                if None not in values and is_orphan(values):
                    rows.append((table.name, None if table.without_rowid else key, foreign_key.parent, number))
    return rows


def always(values: tuple[Any, ...]) -> bool:
    return True


def orphan_test(root: Root, parent: ParentKey) -> Callable[[tuple[Any, ...]], bool]:
    """Whether no row of the parent has these values, after the parent's affinities and under its collations."""
    columns = [parent.table.columns[position] for position in parent.positions]
    affinities = [AFFINITY_FUNCTIONS[column.affinity] for column in columns]
    collations = [collation_key(column.collation) for column in columns]

    def collated(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([
            collation(value) if collation is not None and isinstance(value, str) else value
            for value, collation in zip(values, collations, strict=True)
        ])  # fmt: skip

    present = {
        collated(tuple([record[position] for position in parent.positions]))
        for records in root.tables[parent.table.id].record_lists()
        for record in records
    }

    def is_orphan(values: tuple[Any, ...]) -> bool:
        converted = tuple([affinity(value) for affinity, value in zip(affinities, values, strict=True)])
        return collated(converted) not in present

    return is_orphan


def show_integrity(call: Call) -> Rows:
    """`ok`, or a row for each fault found, 100 at most or as many as the value says.

    Raises:
        OperationalError: no such table.
    Cost: reads everything.
    """
    limit, wanted = FAULTS_MAX, None
    if call.value is not None:
        if call.value.lstrip("+-").isdigit():
            limit = int(call.value) if int(call.value) > 0 else FAULTS_MAX
        else:
            wanted = call.value.lower()
    faults: Rows = []
    known = wanted is None
    for position in all_positions(call):
        root = call.root_read(position)
        schema = load_schema(root)
        known = known or wanted in schema.tables or wanted in schema.views or wanted in CATALOG_NAMES
        for fault in faults_of(call, root, schema, wanted):
            faults.append((fault,))
            if len(faults) >= limit:
                return faults
    if not known:
        raise no_such_table(call)
    return faults or [("ok",)]


def faults_of(call: Call, root: Root, schema: Schema, wanted: str | None) -> Iterator[str]:
    if wanted is None:
        yield from storage_faults(lambda: check_layout(root))
        for table_id in (0, 1):
            yield from storage_faults(lambda table_id=table_id: check_table(root.tables[table_id]))  # type: ignore[misc]
    for name, table in reversed(schema.tables.items()):  # As in SQLite's hash table, while it has few entries.
        if wanted is None or name == wanted:
            yield from storage_faults(lambda table=table: check_table(root.tables[table.id]))  # type: ignore[misc]
            yield from row_faults(call, root, schema, table)
            yield from unique_faults(root, table)


def storage_faults(check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except StorageError as error:
        yield str(error)


def row_faults(call: Call, root: Root, schema: Schema, table: Table) -> Iterator[str]:
    """Each NULL in a NOT NULL column, each row that breaks a CHECK, in the order of the unique key."""
    stored = root.tables[table.id]
    nulls = [column for column in table.columns if column.not_null and stored.classes[column.position] & 1]
    breaks = None
    if table.checks and not call.session.settings.ignore_check_constraints:
        held = reduce(lambda one, other: ast.Binary("AND", one, other), [check.expression for check in table.checks])
        broken = ast.Unary("NOT", held)
        breaks = compile_row_functions(table, [ast.Literal(1)], broken, schema, table.name, call.session.users)
    if nulls or breaks is not None:
        for key, record in stored.items():
            for column in nulls:
                if record[column.position] is None:
                    yield f"NULL value in {table.name}.{column.name}"
            if breaks is not None and breaks(key, record) is not None:
                yield f"CHECK constraint failed in {table.name}"


def unique_faults(root: Root, table: Table) -> Iterator[str]:
    for index in table.indexes:
        key = root.tables[table.id].keys.get(index.id)
        if not index.unique or key is None:
            continue
        previous: Any = None
        several = len(index.columns) > 1
        for rank, stored, _ in key.scan_entries():
            if rank and stored == previous and not (several and 0 in stored[1::2]):
                yield f"non-unique entry in index {index.name}"
            previous = stored if rank else None
