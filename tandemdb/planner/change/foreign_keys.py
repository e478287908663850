"""Foreign keys: what INSERT, UPDATE and DELETE do besides changing the row, and when it is too late to be wrong.

    change of a row                      session.statement_checks       at the statement's end
    child row without parent      --->   Check(reference, values)  ---> parent there, or no such child any more: fine
    parent row gone                                                     else IntegrityError; if deferred, the check goes
         NO ACTION                --->   Check(reference, values)       to session.deferred_checks, until COMMIT
         CASCADE, SET NULL, SET DEFAULT: a program, like a trigger's
         RESTRICT: an error at once

A check names values, not rows: whether it is violated is found out from the tables when it is due, so undoing a
statement or a savepoint needs no bookkeeping. Source: https://www.sqlite.org/foreignkeys.html.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner.change.parent_key import find_parent_key
from tandemdb.planner.change.reference import Check, Reference, same_values
from tandemdb.planner.change.row_errors import constraint_error
from tandemdb.planner.change.trigger_program import BodyStatement, TriggerProgram, body_namespace, layout_of
from tandemdb.planner.change.triggers import Target, find_program, triggers_on
from tandemdb.planner.schema.schema import ForeignKey, Table
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.namespace import Namespace
    from tandemdb.planner.session import Session

Hook = Callable[[Any, Any], None]
Action = Callable[..., None]


# ---- what plans call, made when they are compiled


def insert_hook(target: Target, *, several: bool) -> Hook | None:
    """hook(context, record) after an INSERT; None if the table references nothing.

    Args:
        several: the statement may insert more than one row, so the references to this table are looked at too; if not,
            only those that are deferred.
    Raises:
        OperationalError: foreign key mismatch; no such table (the parent).
    """
    checks = [child_check(reference) for reference in references_of(target)]
    schema = target.namespace.schemas[target.database]
    for child, key in () if schema is None else reversed(schema.children_of(target.table.name)):
        if several or key.deferred:
            find_reference(target, child, key)
    return call_all(checks)


def update_hook(target: Target, assigned: Collection[int]) -> Action | None:
    """hook(context, old, new) after an UPDATE of the columns at the positions `assigned` (-1: the rowid)."""
    if not touches_any(target, assigned):
        return None
    look_all_up(target, assigned)
    checks = [child_check(reference) for reference in references_of(target, assigned)]
    actions = []
    for reference in references_to(target, assigned):
        actions.append(parent_change(target, reference, reference.key.on_update, "UPDATE"))
    if not checks and not actions:
        return None

    def hook(context: Any, old: Any, new: Any) -> None:
        for check in checks:
            check(context, new)
        for action in actions:
            action(context, old, new)

    return hook


def delete_hook(target: Target) -> Action | None:
    """hook(context, old) after a row was deleted."""
    look_all_up(target)
    references_of(target)
    actions = [
        parent_change(target, reference, reference.key.on_delete, "DELETE") for reference in references_to(target)
    ]
    if not actions:
        return None

    def hook(context: Any, old: Any) -> None:
        for action in actions:
            action(context, old, None)

    return hook


def is_involved(namespace: Namespace, database: int, table: Table) -> bool:
    """Whether the table has foreign keys or is referenced by one."""
    schema = namespace.schemas[database]
    return bool(table.foreign_keys) or bool(schema is not None and schema.children_of(table.name))


def references_of(target: Target, assigned: Collection[int] | None = None) -> list[Reference]:
    """The table's own foreign keys, those that an UPDATE of these columns touches."""
    found = []
    for key in reversed(target.table.foreign_keys):
        itself = key.parent.lower() == target.table.name.lower()
        if assigned is None or itself or not set(key.columns).isdisjoint(assigned):
            found.append(find_reference(target, target.table, key))
    return found


def references_to(target: Target, assigned: Collection[int] | None = None) -> list[Reference]:
    """The foreign keys that reference the table, those whose parent columns an UPDATE touches."""
    schema = target.namespace.schemas[target.database]
    if schema is None:
        return []
    found = []
    for child, key in reversed(schema.children_of(target.table.name)):
        if assigned is not None and not touches_parent(target.table, key, assigned):
            continue
        found.append(find_reference(target, child, key))
    return found


def look_all_up(target: Target, assigned: Collection[int] | None = None) -> None:
    """Look up every foreign key that points to the table, as SQLite does; of several faults the last one is told.

    SQLite goes on to what the statement touches, as far as to the first fault there, and to what has an action.

    Args:
        assigned: the columns that an UPDATE sets; None: a DELETE.
    Raises:
        OperationalError: foreign key mismatch.
    """
    schema = target.namespace.schemas[target.database]
    pointing = [] if schema is None else list(reversed(schema.children_of(target.table.name)))
    faults = faults_of(target, pointing)
    if not faults:
        return
    try:
        references_of(target, assigned)
        references_to(target, assigned)
    except OperationalError as error:
        faults.append(error)
    acting = [
        (child, key)
        for child, key in pointing
        if (key.on_delete if assigned is None else key.on_update) != "NO ACTION"
        and (assigned is None or touches_parent(target.table, key, assigned))
    ]
    faults += faults_of(target, acting)
    raise faults[-1]


def faults_of(target: Target, keys: Sequence[tuple[Table, ForeignKey]]) -> list[OperationalError]:
    """The faults found where these foreign keys are looked up."""
    faults = []
    for child, key in keys:
        try:
            find_reference(target, child, key)
        except OperationalError as error:
            faults.append(error)
    return faults


def touches_any(target: Target, assigned: Collection[int]) -> bool:
    """Whether an UPDATE of these columns touches a foreign key; if not, SQLite looks at none, the faulty included."""
    if any(not set(key.columns).isdisjoint(assigned) for key in target.table.foreign_keys):
        return True
    schema = target.namespace.schemas[target.database]
    children = () if schema is None else schema.children_of(target.table.name)
    return any(touches_parent(target.table, key, assigned) for _, key in children)


def touches_parent(parent: Table, key: ForeignKey, assigned: Collection[int]) -> bool:
    if not key.parent_columns:
        return any(column.primary_key and column.position in assigned for column in parent.columns)
    names = {name.lower() for name in key.parent_columns}
    return any(column.name.lower() in names and column.position in assigned for column in parent.columns)


def find_reference(target: Target, child: Table, key: ForeignKey) -> Reference:
    """The resolved foreign key, kept on the namespace.

    Raises:
        OperationalError: foreign key mismatch; no such table.
    """
    programs = target.namespace.programs
    found: Reference | None = programs.get((key, target.database))
    if found is None:
        schema = target.namespace.schemas[target.database]
        assert schema is not None
        parent = find_parent_key(schema, child, key)
        if parent is None:
            raise OperationalError(
                f"no such table: {target.namespace.names[target.database]}.{key.parent}", code="SQLITE_ERROR"
            )
        found = Reference(target.namespace, target.database, child, key, parent)
        programs[(key, target.database)] = found
    return found


def call_all(checks: Sequence[Hook]) -> Hook | None:
    if len(checks) < 2:
        return checks[0] if checks else None

    def hook(context: Any, record: Any) -> None:
        for check in checks:
            check(context, record)

    return hook


def child_check(reference: Reference) -> Hook:
    """check(context, record): note the record's reference if it has no parent as yet."""
    child_values, has_parent = reference.child_values, reference.has_parent

    def check(context: Any, record: Any) -> None:
        values = child_values(record)
        if values is not None and not has_parent(context.session, values):
            context.session.statement_checks[Check(reference, values, False)] = None

    return check


# ---- actions


def parent_change(target: Target, reference: Reference, action: str, event: str) -> Action:
    """change(context, old, new): what happens to the children of a row that is gone or has other values now."""
    program = None if action == "NO ACTION" else action_program(target, reference, action, event)
    watched = bool(triggers_on(target.namespace, reference.child, target.database))
    parent_values = reference.parent_values
    assert reference.parent is not None
    collations = [reference.parent.table.columns[at].collation for at in reference.parent.positions]

    def change(context: Any, old: Any, new: Any) -> None:
        values = parent_values(old)
        if values is None or (new is not None and same_values(values, parent_values(new), collations)):
            return
        session = context.session
        if program is not None and not (action == "RESTRICT" and session.settings.defer_foreign_keys):
            program.run(context, (None, *old) if new is None else (None, *old, None, *new))
            # Only a trigger of the child's can have kept its rows as they were.
            if not watched:
                return
        if reference.has_child(context, values):
            session.statement_checks[Check(reference, values, True)] = None

    return change


def action_program(target: Target, reference: Reference, action: str, event: str) -> TriggerProgram:
    """The program of an action."""

    def write() -> TriggerProgram:
        program = TriggerProgram(None)
        namespace = body_namespace(target.namespace, target.database)
        node = action_statement(reference, action, event)
        program.steps = [BodyStatement(node, namespace, layout_of(target.table, event), f"{action} {event}")]
        return program

    return find_program(target, (reference, event), write)


def action_statement(reference: Reference, action: str, event: str) -> Any:
    """The statement that carries an action out on the children of OLD, as SQLite words it to itself."""
    child, key = reference.child, reference.key
    assert reference.parent is not None
    parent = reference.parent.table
    names = [child.columns[position].name for position in key.columns]
    parent_names = [parent.columns[position].name for position in reference.parent.positions]
    where: Any = None
    for name, parent_name in zip(names, parent_names, strict=True):
        equal = ast.Binary("=", ast.Name(parent_name, "OLD"), ast.Name(name))
        where = equal if where is None else ast.Binary("AND", where, equal)
    if action == "RESTRICT":
        failure = ast.Raise("ABORT", ast.Literal("FOREIGN KEY constraint failed"))
        core = ast.SelectCore([ast.ResultColumn(failure, None, "")], source=ast.TableSource(child.name), where=where)
        return ast.Select([core])
    if action == "CASCADE" and event == "DELETE":
        return ast.Delete(ast.TableName(child.name), where)
    assignments = []
    for position, name, parent_name in zip(key.columns, names, parent_names, strict=True):
        value: Any = ast.Literal(None)
        if action == "CASCADE":
            value = ast.Name(parent_name, "NEW")
        elif action == "SET DEFAULT":
            value = child.columns[position].default or value
        assignments.append(ast.Assignment([name], value))
    return ast.Update(ast.TableName(child.name), assignments, "ABORT", where=where)


# ---- when checks are due


def check_statement(session: Session) -> None:
    """Judge what the statement has noted; deferred violations wait for the transaction's end.

    Raises:
        IntegrityError: FOREIGN KEY constraint failed.
    """
    noted = list(session.statement_checks)
    session.statement_checks.clear()
    for check in noted:
        if check.is_violated(session):
            if not (check.reference.key.deferred or session.settings.defer_foreign_keys):
                raise violation()
            session.deferred_checks.append(check)
    # Outside BEGIN the transaction ends with the statement, or with each set of values of one that may call functions.
    if session.deferred_checks and (not session.in_transaction or (session.implicit and session.changing == 1)):
        check_deferred(session)


def check_row(session: Session) -> None:
    """Judge the only row that a statement inserts, before it counts; what is deferred is left for the statement's end.

    Raises:
        IntegrityError: FOREIGN KEY constraint failed.
    """
    if session.settings.defer_foreign_keys:
        return
    for check in session.statement_checks:
        if not check.reference.key.deferred and check.is_violated(session):
            raise violation()


def check_deferred(session: Session) -> None:
    """Judge at COMMIT what was deferred.

    Raises:
        IntegrityError: FOREIGN KEY constraint failed; the transaction stays open.
    """
    session.deferred_checks = list(dict.fromkeys(session.deferred_checks))
    for check in session.deferred_checks:
        current = check.reference.as_of(session.namespace())
        if current is not None and check._replace(reference=current).is_violated(session):
            raise violation()


def violation() -> Exception:
    return constraint_error("FOREIGN KEY constraint failed", "SQLITE_CONSTRAINT_FOREIGNKEY", "ABORT")


def before_drop_table(session: Session, database: int, table: Table) -> None:
    """DROP TABLE deletes the rows first, where a foreign key could mind.

    Raises:
        IntegrityError: FOREIGN KEY constraint failed: rows of another table reference it.
    """
    namespace = session.namespace()
    schema = namespace.schemas[database]
    if schema is None or not schema.children_of(table.name):
        return
    target = Target(session, namespace, session.roots(), database, table)
    actions = []
    for child, key in reversed(schema.children_of(table.name)):
        try:
            reference = find_reference(target, child, key)
        except OperationalError:
            # A mismatch is no hindrance: the table is going away.
            continue
        actions.append(parent_change(target, reference, key.on_delete, "DELETE"))
    writable = session.write(database).table(table.id)
    deleted = 0
    try:
        for row_key, _ in list(writable.items()):
            writable = session.write(database).table(table.id)
            old = writable.find(row_key)
            if old is not None:
                writable.delete(row_key)
                deleted += 1
                for action in actions:
                    action(session.context, old, None)
        check_statement(session)
    except BaseException:
        session.statement_checks.clear()
        deleted = 0
        raise
    finally:
        session.context.changed(deleted)
