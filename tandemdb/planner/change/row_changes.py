"""Deleting one row outside a DELETE statement: what OR REPLACE does to the row that is in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandemdb.planner.change.triggers import Target, triggers_for


def row_remover(target: Target) -> Callable[[Any, Any], None]:
    """remove(context, key): delete a row with what hangs on it.

    Foreign keys act on it; its triggers fire only under PRAGMA recursive_triggers, as SQLite has it.
    """
    database, table_id = target.database, target.table.id
    settings = target.session.settings
    before = after = hook = None
    if settings.recursive_triggers:
        before = triggers_for(target, "BEFORE", "DELETE", None, "REPLACE")
        after = triggers_for(target, "AFTER", "DELETE", None, "REPLACE")
    if settings.foreign_keys:
        from tandemdb.planner.change.foreign_keys import delete_hook

        hook = delete_hook(target)

    def remove(context: Any, key: Any) -> None:
        old = context.writable(database, table_id).find(key)
        if old is None:
            return
        if before is not None and not before(context, key, old, None, None):
            return
        table = context.writable(database, table_id)
        if table.find(key) is None:
            return
        table.delete(key)
        if hook is not None:
            hook(context, old)
        if after is not None:
            after(context, key, old, None, None)

    return remove
