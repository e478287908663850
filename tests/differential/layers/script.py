"""Whole scripts: a schema, first rows, then queries, changes, schema changes and transaction control as they come.

A profile sets how often each kind comes, so that a run can lean on one layer.
"""

from __future__ import annotations

from ..choices import Choices
from ..script import Script, Statement
from .change import change, fill
from .query import select, without_tables
from .schema import SCHEMA_CHANGES, Database, create_tables
from .transaction import control

PROFILES: dict[str, dict[str, int]] = {
    "mixed": {"query": 6, "change": 4, "transaction": 2, "schema": 1},
    "queries": {"query": 1, "change": 0, "transaction": 0, "schema": 0},
    "changes": {"query": 1, "change": 8, "transaction": 0, "schema": 0},
    "constants": {"constant": 1},
    "transactions": {"query": 1, "change": 4, "transaction": 6, "schema": 1},
}


def make_script(choices: Choices, profile: str = "mixed", length: int = 20) -> Script:
    """Make a script of about `length` statements after its schema and first rows."""
    database = Database()
    statements = [] if profile == "constants" else create_tables(choices, database)
    statements += fill(choices, database)
    kinds = [(weight, kind) for kind, weight in PROFILES[profile].items() if weight]
    for _ in range(choices.number(1, length)):
        statements.append(make_statement(choices, database, choices.weighted(*kinds)))
    return Script(tuple(statements))


def make_statement(choices: Choices, database: Database, kind: str) -> Statement:
    """Make one statement of a kind."""
    if kind == "query":
        return select(choices, database)
    if kind == "change":
        return change(choices, database)
    if kind == "constant":
        return Statement(without_tables(choices, database).text)
    if kind == "transaction":
        return control(choices, database)
    return choices.weighted(*SCHEMA_CHANGES)(choices, database)
