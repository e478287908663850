"""Recipes: what a CREATE TABLE or CREATE INDEX comes to under one schema, so that a second one need not be checked.

    schema.recipes["CREATE TABLE t (a UNIQUE)"] = Recipe
        steps       table t (TableDefinition), key sqlite_autoindex_t_1 of it (KeyDefinition)
        ids         [4, 5]         the object ids that storage gave the first time
        following   Schema         what the catalog meant afterwards: the same again, if the ids are

Every test of a suite makes the same tables in a fresh database: from the second time on, a statement costs storage's
work and a dictionary look-up. Where the connection has functions or collations of its own, the recipe serves those that
have ones of the same names; unless it holds an index that may call such a function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.planner.schema.build import key_definition, table_definition
from tandemdb.planner.schema.schema import CATALOG_ID, Index, Schema, Table, load_schema
from tandemdb.storage.definition import KeyDefinition, TableDefinition

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import UserFunctions
    from tandemdb.storage import Transaction


RECIPES_MAX = 256
"""Recipes kept for one schema."""


class Step(NamedTuple):
    """One object to make, and its row in sqlite_master. A key of table -1 belongs to the table made just before."""

    name: str
    table_name: str
    definition: TableDefinition | KeyDefinition
    sql: str | None


class Recipe:
    """The steps of one statement; `index` with its table where a unique index has to be checked."""

    __slots__ = ("steps", "index", "table", "ids", "following")

    def __init__(self, steps: Sequence[Step], table: Table, index: Index | None = None) -> None:
        self.steps = steps
        self.table = table
        self.index = index
        self.ids: list[int] = []
        self.following: Schema | None = None


def find_recipe(schema: Schema, text: str, users: UserFunctions | None) -> Recipe | None:
    """The recipe of a statement that has succeeded under this schema before, with the same functions registered."""
    return schema.recipes.get(recipe_key(text, users))


def keep_recipe(schema: Schema, text: str, recipe: Recipe, users: UserFunctions | None) -> None:
    key = recipe_key(text, users)
    if not text or (key != text and any(getattr(step.definition, "extract", None) for step in recipe.steps)):
        return  # an index that may call a function of this very connection
    if len(schema.recipes) >= RECIPES_MAX:
        schema.recipes.clear()  # each holds on to the schema that follows
    schema.recipes[key] = recipe


def recipe_key(text: str, users: UserFunctions | None) -> Any:
    """The text, and the names of the functions and collations that the connection has of its own."""
    registrations = getattr(users, "registrations", None)
    return text if registrations is None else (text, registrations)


def steps_of_table(table: Table, sql: str) -> list[Step]:
    """The table itself, then a key for each of its UNIQUE and PRIMARY KEY constraints, in their order."""
    steps = [Step(table.name, table.name, table_definition(table), sql)]
    for index in sorted(table.indexes, key=constraint_number):
        if not (table.without_rowid and index.origin == "pk"):
            steps.append(Step(index.name, table.name, key_definition(index, -1), None))
    return steps


def constraint_number(index: Index) -> int:
    """The N of sqlite_autoindex_T_N."""
    return int(index.name.rpartition("_")[2])


def run_steps(txn: Transaction, steps: Sequence[Step]) -> list[int]:
    """Make the objects and write their catalog rows; return their ids."""
    ids: list[int] = []
    table_id = -1
    for step in steps:
        definition = step.definition
        if isinstance(definition, TableDefinition):
            made = table_id = txn.create_table(definition)
        else:
            owner = table_id if definition.table_id < 0 else definition.table_id
            made = txn.create_key(definition._replace(table_id=owner))
        kind = "table" if isinstance(definition, TableDefinition) else "index"
        add_catalog_row(txn, kind, step.name, step.table_name, made, step.sql)
        ids.append(made)
    return ids


def settle(txn: Transaction, recipe: Recipe, ids: list[int]) -> None:
    """Give the root the schema that follows: the known one, if storage gave the same ids as the first time."""
    if recipe.following is not None and ids == recipe.ids:
        txn.own_root().schema = recipe.following
    else:
        recipe.ids, recipe.following = ids, load_schema(txn.root)


def add_catalog_row(txn: Transaction, kind: str, name: str, table: str, rootpage: int, sql: str | None) -> None:
    """Append a row to sqlite_master; storage drops the root's loaded schema with it."""
    catalog = txn.table(CATALOG_ID)
    last: Any = catalog.last_key()
    catalog.insert(1 if last is None else last + 1, (kind, name, table, rootpage, sql))
