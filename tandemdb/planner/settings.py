"""Settings that belong to the database rather than to a connection: user_version, application_id, schema_version.

    layout table (object 1)
    key   record
    -1    (-1, "setting", 0, "42")     user_version = 42
    -2    (-2, "setting", 0, "7")      application_id = 7

They stand in a table like any record, so they roll back with a transaction and reach the secondaries with a commit.
One that was never set has no row and is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tandemdb.planner.schema import LAYOUT_ID

if TYPE_CHECKING:
    from tandemdb.storage import Transaction

SETTING_KEYS: Final = {"user_version": -1, "application_id": -2, "schema_version": -3}


def read_setting(root: Any, name: str) -> int:
    """The value of a setting in a root; O(log n)."""
    record = root.tables[LAYOUT_ID].find(SETTING_KEYS[name])
    return 0 if record is None else int(record[3])


def write_setting(txn: Transaction, name: str, value: int) -> None:
    """Set it to a signed 32-bit number, to which larger ones are cut, as SQLite does."""
    key = SETTING_KEYS[name]
    wrapped = (value + 2**31) % 2**32 - 2**31
    record = (key, "setting", 0, str(wrapped))
    table = txn.table(LAYOUT_ID)
    if table.find(key) is None:
        table.insert(key, record)
    else:
        table.replace(key, record)


def bump_schema_version(txn: Transaction) -> None:
    """Count a change of the schema."""
    write_setting(txn, "schema_version", read_setting(txn.root, "schema_version") + 1)
