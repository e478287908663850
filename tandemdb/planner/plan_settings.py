"""What a plan depends on besides the schema and its tables: settings of the connection that change the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tandemdb.planner.session import Session


def plan_key(session: Session) -> tuple[Any, ...]:
    """What a plan that changes rows depends on besides the schema; kept until a PRAGMA or a registration changes it."""
    key = session.change_key
    if key is None:
        settings = session.settings
        key = session.change_key = (
            settings.foreign_keys, settings.recursive_triggers, settings.ignore_check_constraints,
            session.limits.length,
            session.plan_settings,
        )  # fmt: skip
    return key
