"""The simulation's workload: transactions whose traces tell afterwards whether they happened, whole, once, in order.

    account    key -> (key, money)             transfers: the sum never changes
    entry      key -> (key, payload)           one a transaction, its key drawn once: present or absent
    counter    0   -> (0, count, last key)     read, modified and written by each transaction

A transaction that came half would leave sum, entries and counter at odds. Payloads and bulk rows split and free blocks;
savepoints, rolled back work and secondary keys go with it, so that a mirror has something to get wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from tandemdb.storage import Database, KeyColumn, KeyDefinition, TableDefinition

if TYPE_CHECKING:
    from tandemdb.storage import Root, Transaction

ACCOUNTS = 40
MONEY = 1000
BULK_ROWS_MAX = 300


class Workload:
    """Draws transactions from `random`; `tables` are the ids of account, entry, counter and bulk."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.tables: tuple[int, int, int, int] = (0, 0, 0, 0)
        self.drawn = 0
        # The key of the account that was damaged last.
        self.damaged = 0

    @property
    def is_loaded(self) -> bool:
        """Whether there are tables."""
        return self.tables != (0, 0, 0, 0)

    def load(self, database: Database) -> None:
        """Make the tables and the accounts."""
        transaction = database.begin()
        account, entry, counter, bulk = [
            transaction.create_table(TableDefinition(name=name, columns=columns, rowid_position=0))
            for name, columns in (("account", 2), ("entry", 2), ("counter", 3), ("bulk", 2))
        ]
        transaction.create_key(KeyDefinition(table_id=entry, columns=(KeyColumn(1),)))
        keys = list(range(ACCOUNTS))
        transaction.table(account).append_many(keys, [(key, MONEY) for key in keys])
        transaction.table(counter).insert(0, (0, 0, 0))
        transaction.commit()
        self.tables = (account, entry, counter, bulk)

    def run(self, database: Database, entry: int, dawdle: Callable[[], None] | None = None) -> bool:
        """Run the transaction that leaves `entry`. Returns whether it was committed; False: it rolled itself back.

        Args:
            dawdle: called now and then before it ends.
        Raises:
            whatever `commit` raises; then nothing of it stands here.
        """
        transaction = database.begin(0.0)
        try:
            self._change(transaction, entry)
            if dawdle is not None and self.random.random() < 0.2:
                dawdle()
            if self.random.random() < 0.1:
                return False
            transaction.commit()
            return True
        finally:
            transaction.rollback()

    def damage(self, database: Database) -> Callable[[], None]:
        """Change an account where it stands, as a bit that flips in RAM does; what is returned takes it back."""
        key = self.damaged = self.random.randrange(ACCOUNTS)
        block = next(block for block in database.root.tables[self.tables[0]].location.blocks() if key in block.keys)
        place, records = block.keys.index(key), block.records
        record = records[place]
        records[place] = (key, -1)

        def undo() -> None:
            records[place] = record

        return undo

    def touch_damaged(self, database: Database) -> None:
        """Commit the account that was damaged elsewhere once more, as it is."""
        transaction = database.begin(0.0)
        try:
            table = transaction.table(self.tables[0])
            table.replace(self.damaged, found(table.find(self.damaged)))
            transaction.commit()
        finally:
            transaction.rollback()

    def is_damaged(self, database: Database) -> bool:
        """Whether the account that was damaged is so still."""
        return found(database.root.tables[self.tables[0]].find(self.damaged)) == (self.damaged, -1)

    def draw_entry(self) -> int:
        """Draw a key that no transaction has had, in no order, so that entries go between others."""
        self.drawn += 1
        return self.random.randrange(1 << 20) << 20 | self.drawn

    def _change(self, transaction: Transaction, entry: int) -> None:
        random = self.random
        account, entries, counter, bulk = self.tables
        _, count, _ = found(transaction.table(counter).find(0))
        transaction.table(counter).replace(0, (0, count + 1, entry))
        for _ in range(random.randrange(1, 4)):
            source, target = random.sample(range(ACCOUNTS), 2)
            amount = random.randrange(1, 50)
            table = transaction.table(account)
            for key, change in ((source, -amount), (target, amount)):
                _, money = found(table.find(key))
                table.replace(key, (key, money + change))
        if random.random() < 0.3:
            mark = transaction.mark()
            transaction.table(entries).insert(entry, (entry, "taken back"))
            transaction.table(account).replace(0, (0, -1))
            transaction.restore(mark)
        transaction.table(entries).insert(entry, (entry, random.choice([None, "x" * random.randrange(40), 1.5, b"\0"])))
        if random.random() < 0.15:
            self._change_bulk(transaction, bulk)

    def _change_bulk(self, transaction: Transaction, bulk: int) -> None:
        random = self.random
        table = transaction.table(bulk)
        last = table.last_key() or 0
        if table.count > 3 * BULK_ROWS_MAX:
            if random.random() < 0.5:
                table.clear()
            else:
                keys = [key for key, _ in table.items()]
                start = random.randrange(len(keys) // 2)
                table.delete_many(keys[start : start + len(keys) // 2])
            return
        keys = list(range(last + 1, last + random.randrange(2, BULK_ROWS_MAX)))
        table.append_many(keys, [(key, key * 7) for key in keys])


def entries_of(root: Root, tables: tuple[int, int, int, int]) -> set[int]:
    """List the entries a root holds, after checking that nothing in it is half a transaction.

    Raises:
        AssertionError: sum, counter and entries do not belong together.
    """
    account, entry, counter, _ = tables
    money = sum([int(record[1] or 0) for _, record in root.tables[account].items()])
    keys = {key for key, _ in root.tables[entry].items()}
    _, count, last = found(root.tables[counter].find(0))
    if money != ACCOUNTS * MONEY:
        raise AssertionError(f"accounts hold {money}, not {ACCOUNTS * MONEY}")
    if count != len(keys) or (count and last not in keys):
        raise AssertionError(f"{count} transactions counted, the last one {last}; {len(keys)} entries")
    return keys


def found(record: tuple[Any, ...] | None) -> tuple[Any, ...]:
    if record is None:
        raise AssertionError("a record that is always there is gone")
    return record
