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
from tandemdb.planner.schema.schema import CATALOG_NAMES, Schema
from tandemdb.planner.syntax import ddl

if TYPE_CHECKING:
    from tandemdb.planner.namespace import Namespace

MAIN, TEMP = 0, 1

Alter: TypeAlias = ddl.RenameTable | ddl.RenameColumn | ddl.AddColumn | ddl.DropColumn


def find_home(node: Any, namespace: Namespace) -> int | None:
    """The position of the database that a CREATE, DROP or ALTER works on; None if IF EXISTS leaves nothing to do.

    Position 1 (temp) may be meant before the connection has one.
    Raises:
        OperationalError: an unknown database; an object that is not there; a temporary object of another database.
    """
    if isinstance(node, ddl.Drop):
        return home_of_drop(node, namespace)
    if isinstance(node, (ddl.RenameTable, ddl.RenameColumn, ddl.AddColumn, ddl.DropColumn)):
        return home_of_alter(node, namespace)
    if getattr(node, "temporary", False):
        check_temporary(node)
        return TEMP
    if node.schema is not None:
        home = find_database(namespace, node.schema)
        if home is None:
            raise fault(f"unknown database {node.schema}")
        if isinstance(node, ddl.CreateIndex) and node.schema.lower() == "temp":
            check_temporary_index(node, namespace)
        return home
    if isinstance(node, ddl.CreateIndex):
        return TEMP if first_with_table(namespace, node.table) == "temp" else MAIN
    if isinstance(node, ddl.CreateTrigger):
        owner = node.table_schema or first_with_table(namespace, node.table) or ""
        return TEMP if owner.lower() == "temp" else MAIN
    return MAIN


def check_temporary(node: Any) -> None:
    if isinstance(node, ddl.CreateTrigger):
        if node.schema is not None:
            raise fault("temporary trigger may not have qualified name")
    elif node.schema is not None and node.schema.lower() != "temp":
        raise fault("temporary table name must be unqualified")


def check_temporary_index(node: ddl.CreateIndex, namespace: Namespace) -> None:
    found = first_with_table(namespace, node.table)
    if found is not None and found != "temp":
        raise fault(f'cannot create a TEMP index on non-TEMP table "{node.table}"')


def home_of_drop(node: ddl.Drop, namespace: Namespace) -> int | None:
    lowered = node.name.lower()
    if node.kind in ("TABLE", "VIEW") and lowered in CATALOG_NAMES:
        of_temp = lowered.startswith("sqlite_temp") or (node.schema or "").lower() == "temp"
        raise fault(f"table {'sqlite_temp_master' if of_temp else 'sqlite_master'} may not be dropped")
    for position in search_order(namespace, node.schema):
        schema = namespace.schemas[position]
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
    if lowered in CATALOG_NAMES:
        of_temp = lowered.startswith("sqlite_temp") or (node.schema or "").lower() == "temp"
        raise fault(f"table {'sqlite_temp_master' if of_temp else 'sqlite_master'} may not be altered")
    for position in search_order(namespace, node.schema):
        schema = namespace.schemas[position]
        if schema is not None and holds(schema, "TABLE", lowered):
            return position
    shown = node.table if node.schema is None else f"{node.schema}.{node.table}"
    raise fault(f"no such table: {shown}")


def search_order(namespace: Namespace, schema: str | None) -> list[int]:
    """The databases to look in: the one named, or temp, main and the attached ones."""
    lowered = [name.lower() for name in namespace.names]
    if schema is not None:
        return [position for position, name in enumerate(lowered) if name == schema.lower()]
    first = [position for position, name in enumerate(lowered) if name == "temp"]
    return first + [position for position in range(len(lowered)) if position not in first]


def first_with_table(namespace: Namespace, name: str) -> str | None:
    """The database where an unqualified table is found first."""
    lowered = name.lower()
    for position in search_order(namespace, None):
        schema = namespace.schemas[position]
        if schema is not None and holds(schema, "TABLE", lowered):
            return namespace.names[position]
    return None


def find_database(namespace: Namespace, name: str) -> int | None:
    """The position of a database by name; temp has its place even before the connection has used it."""
    found = search_order(namespace, name)
    return found[0] if found else TEMP if name.lower() == "temp" else None


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
