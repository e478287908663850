"""Which of a connection's databases a schema statement works on.

CREATE TEMP TABLE t                      temp
CREATE INDEX i ON t                      temp where t is a temporary table, else main
CREATE TRIGGER r ... ON t                the same
DROP TABLE t, ALTER TABLE t              the first of temp, main, attached ones that has a t
any statement that says `name.t`         the database `name`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from tandemdb.errors import OperationalError
from tandemdb.planner import ast
from tandemdb.planner.schema import CATALOG_NAMES, Schema

if TYPE_CHECKING:
    from tandemdb.planner.namespace import Namespace

MAIN, TEMP = 0, 1

Alter: TypeAlias = ast.RenameTable | ast.RenameColumn | ast.AddColumn | ast.DropColumn


def find_home(node: Any, namespace: Namespace) -> int | None:
    """The position of the database that a CREATE, DROP or ALTER works on; None if IF EXISTS leaves nothing to do.

    Position 1 (temp) may be meant before the connection has one.
    Raises:
        OperationalError: an unknown database; an object that is not there; a temporary object of another database.
    """
    if isinstance(node, ast.Drop):
        return home_of_drop(node, namespace)
    if isinstance(node, (ast.RenameTable, ast.RenameColumn, ast.AddColumn, ast.DropColumn)):
        return home_of_alter(node, namespace)
    if getattr(node, "temporary", False):
        check_temporary(node)
        return TEMP
    if node.schema is not None:
        home = find_database(namespace, node.schema)
        if home is None:
            raise fault(f"unknown database {node.schema}")
        if isinstance(node, ast.CreateIndex) and home == TEMP:
            check_temporary_index(node, namespace)
        return home
    if isinstance(node, ast.CreateIndex):
        return TEMP if first_with_table(namespace, node.table) == TEMP else MAIN
    if isinstance(node, ast.CreateTrigger):
        if node.table_schema is not None:
            return TEMP if find_database(namespace, node.table_schema) == TEMP else MAIN
        return TEMP if first_with_table(namespace, node.table) == TEMP else MAIN
    return MAIN


def check_temporary(node: Any) -> None:
    if isinstance(node, ast.CreateTrigger):
        if node.schema is not None:
            raise fault("temporary trigger may not have qualified name")
    elif node.schema is not None and node.schema.lower() != "temp":
        raise fault("temporary table name must be unqualified")


def check_temporary_index(node: ast.CreateIndex, namespace: Namespace) -> None:
    found = first_with_table(namespace, node.table)
    if found is not None and found != TEMP:
        raise fault(f'cannot create a TEMP index on non-TEMP table "{node.table}"')


def home_of_drop(node: ast.Drop, namespace: Namespace) -> int | None:
    lowered = node.name.lower()
    for position in search_order(namespace, node.schema):
        schema = namespace.schemas[position]
        if lowered in CATALOG_NAMES and node.kind in ("TABLE", "VIEW"):
            return TEMP if "temp" in lowered else MAIN if node.schema is None else position
        if schema is not None and holds(schema, node.kind, lowered):
            return position
    if node.if_exists:
        return None
    shown = node.name if node.schema is None else f"{node.schema}.{node.name}"
    raise fault(f"no such {node.kind.lower()}: {shown}")


def holds(schema: Schema, kind: str, lowered: str) -> bool:
    if kind == "INDEX":
        return lowered in schema.indexes
    if kind == "TRIGGER":
        return lowered in schema.triggers
    return lowered in schema.tables or lowered in schema.views


def home_of_alter(node: Alter, namespace: Namespace) -> int:
    lowered = node.table.lower()
    for position in search_order(namespace, node.schema):
        schema = namespace.schemas[position]
        if lowered in CATALOG_NAMES:
            return TEMP if "temp" in lowered else MAIN if node.schema is None else position
        if schema is not None and holds(schema, "TABLE", lowered):
            return position
    shown = node.table if node.schema is None else f"{node.schema}.{node.table}"
    raise fault(f"no such table: {shown}")


def search_order(namespace: Namespace, schema: str | None) -> list[int]:
    """The databases to look in: the one named, or temp, main and the attached ones."""
    if schema is not None:
        position = find_database(namespace, schema)
        return [] if position is None else [position]
    others = range(2, len(namespace.schemas))
    return [MAIN] if len(namespace.schemas) == 1 else [TEMP, MAIN, *others]


def first_with_table(namespace: Namespace, name: str) -> int | None:
    lowered = name.lower()
    for position in search_order(namespace, None):
        schema = namespace.schemas[position]
        if schema is not None and holds(schema, "TABLE", lowered):
            return position
    return None


def find_database(namespace: Namespace, name: str) -> int | None:
    """The position of a database by name; temp is there even before the connection has used it."""
    lowered = name.lower()
    for position, known in enumerate(namespace.names):
        if known.lower() == lowered:
            return position
    return TEMP if lowered == "temp" and len(namespace.names) == 1 else None


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
