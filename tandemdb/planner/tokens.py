"""Tokens: names that programs give to transactions, to find out later whether one was committed.

    storage table "sqlite_tokens", which sqlite_master doesn't list; made with the first token
    key   record
    1     ("order 4711",)           written by the transaction itself: there if, and only if, that was committed
    2     ("order 4712",)

A token goes wherever its transaction goes: to secondaries, through catch-up, into the next epoch. It is known once: a
transaction with a token that is there already has been committed before. The last TOKENS_MAX are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tandemdb.errors import IntegrityError
from tandemdb.storage import KeyColumn, KeyDefinition, TableDefinition
from tandemdb.storage.values import HOLDS_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tandemdb.storage import Database, Table, Transaction

TOKENS_NAME: Final = "sqlite_tokens"
TOKENS_MAX = 100_000


def write_token(txn: Transaction, token: str) -> None:
    """Let the transaction bear a token.

    Raises:
        IntegrityError: another one that was committed bears it.
    """
    found = find_tokens(txn.root)
    if found is not None and holds_token(found, token):
        raise IntegrityError(
            "a transaction with this token was committed before",
            hint="It need not be repeated; roll this one back.",
            code="SQLITE_CONSTRAINT_UNIQUE",
        )
    table: Any = txn.table(make_table(txn) if found is None else found.id)
    table.insert((table.last_key() or 0) + 1, (token,))
    if table.count > TOKENS_MAX:
        table.delete(table.first_key())


def load_tokens(database: Database, tokens: Iterable[tuple[int, str]]) -> None:
    """Let a database that has none know these tokens, numbered in the order of their transactions."""
    txn = database.begin()
    table: Any = txn.table(make_table(txn))
    for number, token in tokens:
        table.insert(number, (token,))
    txn.commit()


def make_table(txn: Transaction) -> int:
    """Make the table of tokens and return its id."""
    table_id = txn.create_table(TableDefinition(name=TOKENS_NAME, kind="rowid", columns=1, class_masks=(HOLDS_TEXT,)))
    txn.create_key(KeyDefinition(table_id=table_id, columns=(KeyColumn(0),)))
    return table_id


def was_committed(root: Any, token: str) -> bool:
    """Tell whether one of the transactions that led to a root bore the token."""
    table = find_tokens(root)
    return table is not None and holds_token(table, token)


def holds_token(table: Table, token: str) -> bool:
    [key] = table.keys.values()
    return key.first(*key.stored((token,))) is not None


def find_tokens(root: Any) -> Table | None:
    for table in root.tables.values():
        if table.definition.name == TOKENS_NAME:
            return table  # type: ignore[no-any-return]
    return None

