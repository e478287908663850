"""Triggers: the functions that DML plans call around each row.

    fire = triggers_for(target, "BEFORE", "INSERT", None, "REPLACE")     None if the table has no such trigger
    fire(context, OLD's key, OLD, NEW's key, NEW) -> False to leave the row out (RAISE(IGNORE))

They fire in SQLite's order: temporary triggers on a table of another database first, the oldest before the others, then
the table's own, the newest before the others. The programs hang on the namespace, so that two plans share them and a
trigger that fires itself finds the program that is being compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.planner.change.row_errors import constraint_error
from tandemdb.planner.change.trigger_program import (
    BodyStatement,
    IgnoreRow,
    RowLayout,
    TriggerProgram,
    body_namespace,
    layout_of,
)
from tandemdb.planner.schema.schema import Table, Trigger, View
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.namespace import Namespace
    from tandemdb.planner.session import Session

Fire = Callable[..., bool]
PROGRAMS_MAX = 1024
"""Programs kept on a namespace; then all are forgotten."""


class Target(NamedTuple):
    """The table that a statement changes, and what its plan is compiled for."""

    session: Session
    namespace: Namespace
    roots: Sequence[Any]
    database: int
    table: Table


def triggers_for(
    target: Target, time: str, event: str, assigned: Collection[str] | None, action: str | None,
    layout: RowLayout | None = None,
) -> Fire | None:  # fmt: skip
    """The function that fires a table's triggers of one time and event, None if there are none.

    Args:
        assigned: the lower-case names of the columns that an UPDATE sets.
        action: the statement's OR action, which replaces those of the statements in the triggers.
        layout: the columns of a view.
    Raises:
        OperationalError: a statement of a trigger names a table or column that is not there.
    """
    programs = []
    for home, trigger in triggers_on(target.namespace, target.table, target.database):
        node = trigger.node
        if node.time != time or node.event != event:
            continue
        if event == "UPDATE" and node.columns and not any(name.lower() in (assigned or ()) for name in node.columns):
            continue
        programs.append(trigger_program(target, home, trigger, action, layout or layout_of(target.table, event)))
    return make_fire(programs, event) if programs else None


def triggers_on(namespace: Namespace, table: Table | View, database: int) -> list[tuple[int, Trigger]]:
    """A table's triggers in the order they fire, each with the position of the database it lives in."""
    own = [(database, trigger) for trigger in table.triggers if is_on(trigger, namespace, database)]
    schema = namespace.schemas[1] if len(namespace.names) > 1 and namespace.names[1] == "temp" else None
    if schema is None or database == 1:
        return own
    lowered = table.name.lower()
    temporary = [
        (1, trigger)
        for trigger in schema.triggers.values()
        if trigger.table_name.lower() == lowered and is_on(trigger, namespace, database)
    ]
    return [*reversed(temporary), *own]


def is_on(trigger: Trigger, namespace: Namespace, database: int) -> bool:
    """Whether a trigger on a table of this name is on the table of this database."""
    if len(namespace.names) == 1:
        return True
    schema = trigger.node.table_schema
    if schema is not None:
        return namespace.names[database].lower() == schema.lower()
    if not trigger.node.temporary and (trigger.node.schema or "").lower() != "temp":
        return True
    base = getattr(namespace, "base", namespace)
    found = base.find_table(trigger.table_name, None)
    return found is not None and found[0] == database


def trigger_program(
    target: Target, home: int, trigger: Trigger, action: str | None, layout: RowLayout
) -> TriggerProgram:
    """The program of a trigger under one OR action."""

    def write() -> TriggerProgram:
        program = TriggerProgram(trigger)
        namespace = body_namespace(target.namespace, home)
        label = f"trigger {trigger.name}"
        if trigger.node.when is not None:
            program.when = BodyStatement(trigger.node.when, namespace, layout, label)
        program.steps = [
            BodyStatement(with_action(node, action), namespace, layout, label) for node in trigger.node.body
        ]
        return program

    return find_program(target, (trigger, action), write)


def find_program(target: Target, cause: tuple[Any, ...], write: Callable[[], TriggerProgram]) -> TriggerProgram:
    """The program that the namespace keeps for a cause under the settings of now; written and compiled if it has none.

    It is kept before it is compiled, for its statements may lead to it again.
    """
    from tandemdb.planner.plan_settings import plan_key

    programs = target.namespace.programs
    key = (*cause, plan_key(target.session))
    found: TriggerProgram | None = programs.get(key)
    if found is not None:
        return found
    if len(programs) > PROGRAMS_MAX:
        programs.clear()
    program = programs[key] = write()
    try:
        program.compile(target.session, target.roots)
    except BaseException:
        del programs[key]
        raise
    return program


def with_action(node: Any, action: str | None) -> Any:
    """A statement of a trigger under the OR action of the statement that fires it."""
    if action is not None and isinstance(node, (ast.Insert, ast.Update)):
        return node._replace(action=action)
    return node


def make_fire(programs: Sequence[TriggerProgram], event: str) -> Fire:
    if event == "INSERT":

        def fire(context: Any, old_key: Any, old: Any, new_key: Any, new: Any) -> bool:
            params = (new_key, *new)
            for program in programs:
                if not program.run(context, params):
                    return False
            return True

    elif event == "DELETE":

        def fire(context: Any, old_key: Any, old: Any, new_key: Any, new: Any) -> bool:
            params = (old_key, *old)
            for program in programs:
                if not program.run(context, params):
                    return False
            return True

    else:

        def fire(context: Any, old_key: Any, old: Any, new_key: Any, new: Any) -> bool:
            params = (old_key, *old, new_key, *new)
            for program in programs:
                if not program.run(context, params):
                    return False
            return True

    return fire


def raise_from_trigger(action: str, message: Any) -> Any:
    """RAISE(IGNORE) or RAISE(ABORT | FAIL | ROLLBACK, message), called by the code of a trigger's statements.

    Raises:
        IntegrityError: the message, with the action that decides what is undone.
    """
    if action == "IGNORE":
        raise IgnoreRow
    raise constraint_error(str(message), "SQLITE_CONSTRAINT_TRIGGER", action)
