"""Settings that belong to the database rather than to a connection: user_version, application_id, schema_version.

    storage table "sqlite_settings", which sqlite_master doesn't list; made when something is first set
    key   record
    1     ("user_version", 42)
    3     ("schema_version", 7)

They stand in a table like any record, so they roll back with a transaction and reach the secondaries with a commit.
One that was never set has no record and is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tandemdb.storage.definition import TableDefinition
from tandemdb.storage.values import HOLDS_INT, HOLDS_TEXT

if TYPE_CHECKING:
    from tandemdb.storage import Table, Transaction

SETTINGS_NAME: Final = "sqlite_settings"
SETTING_KEYS: Final = {"user_version": 1, "application_id": 2, "schema_version": 3}
SETTINGS_DEFINITION: Final = TableDefinition(
    name=SETTINGS_NAME, kind="rowid", columns=2, class_masks=(HOLDS_TEXT, HOLDS_INT)
)


def read_setting(root: Any, name: str) -> int:
    """The value of a setting in a root; O(tables) at worst, usually O(1), for its table is among the first."""
    table = find_settings(root)
    record = None if table is None else table.find(SETTING_KEYS[name])
    return 0 if record is None else int(record[1])  # type: ignore[arg-type]


def write_setting(txn: Transaction, name: str, value: int) -> None:
    """Set it to a signed 32-bit number."""
    found = find_settings(txn.root)
    table = txn.table(txn.create_table(SETTINGS_DEFINITION) if found is None else found.id)
    key = SETTING_KEYS[name]
    if table.find(key) is None:
        table.insert(key, (name, value))
    else:
        table.replace(key, (name, value))


def bump_schema_version(txn: Transaction) -> None:
    """Count a change of the schema."""
    write_setting(txn, "schema_version", (read_setting(txn.root, "schema_version") + 1) % 2**31)


def find_settings(root: Any) -> Table | None:
    for table in root.tables.values():
        if table.definition.name == SETTINGS_NAME:
            return table  # type: ignore[no-any-return]
    return None
