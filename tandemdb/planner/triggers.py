"""Triggers: the functions that DML plans call around each row.

    fire = triggers_for(namespace, table, 0, "BEFORE", "INSERT", None)      None if the table has no such trigger
    fire(context, old record, new record) -> False to leave the row out (RAISE(IGNORE))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandemdb.errors import NotSupportedError


def triggers_for(
    namespace: Any, table: Any, database: int, time: str, event: str, assigned: dict[int, Any] | None
) -> Callable[..., bool] | None:
    """The function that fires a table's triggers of one time and event, None if there are none."""
    if any(trigger.time == time and trigger.event == event for trigger in table.triggers):
        raise NotSupportedError(f"tandemdb does not support triggers yet (table {table.name} has them)")
    return None


def compile_view_dml(*arguments: Any) -> Any:
    raise NotSupportedError("tandemdb does not support INSTEAD OF triggers yet")


def raise_from_trigger(action: str, message: Any) -> Any:
    raise NotSupportedError("tandemdb does not support RAISE yet")
