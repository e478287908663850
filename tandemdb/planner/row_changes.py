"""Deleting one row outside a DELETE statement: by OR REPLACE and by foreign key actions."""

from __future__ import annotations

from typing import Any

from tandemdb.planner.schema import Table


def delete_row(context: Any, database: int, table: Table, key: Any, *, triggers: bool) -> None:
    """Delete the row under `key` with what hangs on it: foreign key actions, and its triggers if asked."""
    session = context.session
    writable = context.writable(database, table.id)
    old = writable.find(key)
    if old is None:
        return
    fire_after = None
    if triggers and table.triggers:
        from tandemdb.planner.triggers import triggers_for

        namespace = session.namespace()
        fire_before = triggers_for(namespace, table, database, "BEFORE", "DELETE", None)
        fire_after = triggers_for(namespace, table, database, "AFTER", "DELETE", None)
        if fire_before is not None and not fire_before(context, old, None):
            return
        writable = context.writable(database, table.id)
    writable.delete(key)
    if session.settings.foreign_keys:
        from tandemdb.planner.foreign_keys import deleted

        deleted(context, database, table, old)
    if fire_after is not None:
        fire_after(context, old, None)
