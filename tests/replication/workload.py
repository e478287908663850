"""Random workloads on storage alone: records in and out, objects created and dropped, savepoints, rollbacks."""

from __future__ import annotations

from random import Random

from tandemdb.storage import MASTER_ID, Database, KeyColumn, KeyDefinition, TableDefinition, Transaction


class Workload:
    """Draws transactions for one database; the same seed draws the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.names = 0

    def transaction(self, database: Database, steps: int = 20) -> bool:
        """Run one transaction; returns whether it was committed."""
        transaction = database.begin()
        try:
            self.steps(transaction, steps)
            if self.random.random() < 0.15:
                transaction.rollback()
                return False
            transaction.commit()
            return True
        finally:
            transaction.rollback()

    def steps(self, transaction: Transaction, steps: int) -> None:
        marks = [transaction.mark()]
        for _ in range(self.random.randrange(1, steps)):
            draw = self.random.random()
            if draw < 0.06:
                self.define(transaction)
            elif draw < 0.12:
                marks.append(transaction.mark())
            elif draw < 0.2:
                transaction.restore(self.random.choice(marks))
                marks = marks[:1]
            else:
                self.change(transaction)

    def define(self, transaction: Transaction) -> None:
        random, root = self.random, transaction.root
        tables = [table for table in root.tables if table > 1]
        draw = random.random()
        self.names += 1
        name = f"t{self.names}"
        if draw < 0.45 or not tables:
            kind = random.choice(["rowid", "unique"])
            key = (KeyColumn(0, "NOCASE"), KeyColumn(1)) if kind == "unique" else ()
            table_id = transaction.create_table(TableDefinition(name=name, kind=kind, columns=3, primary_key=key))
            master = transaction.table(MASTER_ID)
            sql = f"CREATE TABLE {name} (a, b, c)"
            master.insert((master.last_key() or 0) + 1, ("table", name, name, table_id, sql))
        elif draw < 0.7:
            transaction.create_key(
                KeyDefinition(table_id=random.choice(tables), columns=(KeyColumn(random.randrange(3)),))
            )
        elif draw < 0.8:
            keys = [key for table in tables for key in root.tables[table].keys]
            if keys:
                transaction.drop_key(random.choice(keys))
        elif len(tables) > 2:
            transaction.drop_table(random.choice(tables))

    def change(self, transaction: Transaction) -> None:
        random = self.random
        tables = [table for table in transaction.root.tables if table > 1]
        if not tables:
            self.define(transaction)
            return
        table = transaction.table(random.choice(tables))
        rowid = table.definition.kind == "rowid"
        draw = random.random()
        if draw < 0.25 and rowid:
            start = (table.last_key() or 0) + 1
            keys = list(range(start, start + random.randrange(1, 400)))
            table.append_many(keys, [self.record() for _ in keys])
        elif draw < 0.5:
            record = self.record()
            key = random.randrange(5000) if rowid else (2, str(record[0]).lower(), 1, record[1])
            if not rowid:
                record = (str(record[0]), *record[1:])
            if table.find(key) is None:
                table.insert(key, record)
        else:
            keys = [key for key, _ in table.items()]
            if keys and draw < 0.7:
                key = random.choice(keys)
                if rowid:
                    table.replace(key, self.record())
            elif keys:
                start = random.randrange(len(keys))
                for key in keys[start : start + random.randrange(1, 300)]:
                    table.delete(key)

    def record(self) -> tuple[int | float | str | bytes | None, ...]:
        random = self.random
        return (
            random.choice([None, random.randrange(100), random.random(), "Oslo", "Århus", b"\x00\xff"]),
            random.randrange(1 << 40),
            random.choice([None, "x" * random.randrange(30), -0.0, 1.0, 1]),
        )


def make_table(database: Database, records: int = 0, key: bool = False) -> int:
    """Create a rowid table (id, text, NULL) with so many records, in one transaction."""
    transaction = database.begin()
    table_id = transaction.create_table(TableDefinition(name="t", columns=3, rowid_position=0))
    if key:
        transaction.create_key(KeyDefinition(table_id=table_id, columns=(KeyColumn(1),)))
    keys = list(range(1, records + 1))
    transaction.table(table_id).append_many(keys, [(number, f"value {number}", None) for number in keys])
    transaction.commit()
    return table_id


def put(database: Database, table_id: int, key: int, text: str) -> int:
    """Insert or replace one record in a transaction of its own; returns the commit's LSN."""
    transaction = database.begin()
    try:
        table = transaction.table(table_id)
        if table.find(key) is None:
            table.insert(key, (key, text, None))
        else:
            table.replace(key, (key, text, None))
        return transaction.commit().lsn
    finally:
        transaction.rollback()
