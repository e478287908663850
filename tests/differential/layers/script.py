"""Whole scripts: a schema, first rows, then queries, changes, schema changes and transaction control as they come.

A profile sets how often each kind comes, so that a run can lean on one layer.
"""

from __future__ import annotations

from ..choices import Choices
from ..script import Script, Statement
from .change import change, fill
from .definition import DEFINITIONS, begin
from .functions import constants
from .more_changes import MORE_CHANGES
from .query import choose, select, without_tables
from .schema import SCHEMA_CHANGES, Database, create_tables
from .shapes import SHAPES
from .transaction import control
from .window import WINDOWS

PROFILES: dict[str, dict[str, int]] = {
    "mixed": {"query": 6, "change": 4, "transaction": 2, "schema": 1},
    "queries": {"query": 1},
    "changes": {"query": 1, "change": 8},
    "constants": {"constant": 1},
    "transactions": {"query": 1, "change": 4, "transaction": 6, "schema": 1},
    "windows": {"window": 1},
    "shapes": {"shape": 1},
    "functions": {"function": 1},
    "definitions": {"query": 1, "change": 4, "more": 4, "transaction": 2, "definition": 4},
}
WITHOUT_TABLES = ("constants", "functions")


def make_script(choices: Choices, profile: str = "mixed", length: int = 20) -> Script:
    """Make a script of about `length` statements after its schema and first rows."""
    database = Database()
    statements: list[Statement] = []
    if profile == "definitions":
        statements += begin(choices, database)
    elif profile not in WITHOUT_TABLES:
        statements += create_tables(choices, database)
    statements += fill(choices, database)
    kinds = [(weight, kind) for kind, weight in PROFILES[profile].items()]
    for _ in range(choices.number(1, length)):
        statements.append(make_statement(choices, database, choices.weighted(*kinds)))
    return Script(tuple(statements))


def make_statement(choices: Choices, database: Database, kind: str) -> Statement:
    """Make one statement of a kind."""
    if kind == "query":
        return select(choices, database)
    if kind == "window":
        return choose(choices, database, WINDOWS)
    if kind == "shape":
        return choose(choices, database, SHAPES)
    if kind == "function":
        core = constants(choices, database)
        return Statement(core.text, (), core.order)
    if kind == "change":
        return change(choices, database)
    if kind == "more":
        return choices.weighted(*MORE_CHANGES)(choices, database)
    if kind == "constant":
        return Statement(without_tables(choices, database).text)
    if kind == "transaction" and not database.strict:
        return control(choices, database)
    if kind in ("definition", "transaction"):
        return choices.weighted(*DEFINITIONS)(choices, database)
    return choices.weighted(*SCHEMA_CHANGES)(choices, database)
