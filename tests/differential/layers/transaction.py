"""Random transaction control: mostly in a sensible order, at times not, for those errors must be the same too."""

from __future__ import annotations

from ..choices import Choices
from ..fragment import sql
from ..script import Statement
from .schema import Database


def control(choices: Choices, database: Database) -> Statement:
    """One statement that begins, ends or marks a transaction."""
    names = database.savepoints
    kind = choices.weighted((4, "begin"), (3, "commit"), (2, "rollback"), (4, "savepoint"), (3, "to"), (3, "release"))
    if choices.chance(9, 10):
        kind = sensible(kind, database)
    database.in_transaction = kind != "commit" and kind != "rollback"
    if kind == "begin":
        return Statement(
            sql(choices.one_of("BEGIN", "BEGIN IMMEDIATE", "BEGIN DEFERRED TRANSACTION", "BEGIN EXCLUSIVE"))
        )
    if kind in ("commit", "rollback"):
        names.clear()
        return Statement(sql(choices.one_of("COMMIT", "END", "COMMIT TRANSACTION") if kind == "commit" else "ROLLBACK"))
    if kind == "savepoint":
        names.append(choices.one_of("s1", "s2", "s3"))
        return Statement(sql(f"SAVEPOINT {names[-1]}"))
    name = choices.of(names) if names and choices.chance(7, 8) else "s9"
    if kind == "to":
        return Statement(sql(choices.one_of("ROLLBACK TO ", "ROLLBACK TRANSACTION TO SAVEPOINT "), name))
    if name in names:
        del names[names.index(name) :]
    return Statement(sql(choices.one_of("RELEASE ", "RELEASE SAVEPOINT "), name))


def sensible(kind: str, database: Database) -> str:
    """What sqlite3 will probably accept now, in place of `kind`."""
    if kind == "begin" and database.in_transaction:
        return "savepoint"
    if kind in ("commit", "rollback") and not database.in_transaction:
        return "begin"
    if kind in ("to", "release") and not database.savepoints:
        return "savepoint"
    return kind
