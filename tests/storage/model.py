"""What storage is compared with: a plain dict from unique key to record, sorted when asked.

Model.records {unique key: record}   --entries(columns)-->   [(rank, stored value, unique key), ...] sorted
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tandemdb.storage import (
    CLASS_RANK,
    Change,
    Database,
    KeyColumn,
    KeyDefinition,
    Record,
    Root,
    TableDefinition,
    Transaction,
    Value,
)
from tandemdb.storage.errors import NeedsCopies

COLUMNS = 3
KEYS: list[KeyDefinition] = [
    KeyDefinition(columns=(KeyColumn(1),)),
    KeyDefinition(columns=(KeyColumn(1, "NOCASE"),)),
    KeyDefinition(columns=(KeyColumn(2), KeyColumn(1, "RTRIM"), KeyColumn(0))),
    KeyDefinition(
        columns=(KeyColumn(-1),), computed=True, extract=lambda key, record: (record[2],) if record[1] else None
    ),
]

values = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 1.0, 2.5, -1e300]),
    st.sampled_from(["", "a", "A", "ä", "Ä", "b ", "b", "B  "]),
    st.sampled_from([b"", b"a", b"\xff"]),
)
records = st.tuples(*[values] * COLUMNS)


def make_database(name: str = "", keys: bool = True, kind: str = "rowid") -> tuple[Database, int, list[int]]:
    """Make a database with one table and the secondary keys of `KEYS`; return their object ids too."""
    database = Database(name)
    transaction = database.begin()
    primary_key = (KeyColumn(0), KeyColumn(1, "NOCASE")) if kind == "unique" else ()
    definition = TableDefinition(name="t", kind=kind, columns=COLUMNS, primary_key=primary_key)
    table_id = transaction.create_table(definition)
    key_ids = [transaction.create_key(key._replace(table_id=table_id)) for key in KEYS] if keys else []
    transaction.commit()
    return database, table_id, key_ids


def collate(value: Value, collation: str) -> Value:
    """Apply a collation, in the plainest way there is."""
    if isinstance(value, str) and collation == "NOCASE":
        return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in value)
    if isinstance(value, str) and collation == "RTRIM":
        while value.endswith(" "):
            value = value[:-1]
    return value


def sort_value(value: Value) -> tuple[int, Any]:
    """Make a value comparable with all others, in SQLite's order."""
    return (CLASS_RANK[type(value)], 0 if value is None else value)


def model_entries(records_by_key: dict[Any, Record], definition: KeyDefinition) -> list[tuple[list[Any], Any]]:
    """List (comparable column values, unique key) of a secondary key, in order."""
    entries = []
    for key, record in records_by_key.items():
        if definition.computed:
            if not record[1]:
                continue
            parts: list[Value] = [record[2]]
        else:
            parts = [collate(record[column.position], column.collation) for column in definition.columns]
        entries.append(([sort_value(part) for part in parts], key))
    return sorted(entries)


def freeze(root: Root) -> Any:
    """Copy all that a root reaches, deeply, to compare it with itself later."""
    return {
        table_id: (
            table.definition,
            table.count,
            table.classes,
            [(block.number, block.keys.copy(), block.records.copy()) for block in table.location.blocks()],
            [(page.highs.copy(), len(page.blocks)) for page in table.location.pages],
            {key_id: list(secondary.scan_entries()) for key_id, secondary in table.keys.items()},
        )
        for table_id, table in root.tables.items()
    }


def change_records(transaction: Transaction, table_id: int, work: Callable[[Any], Any]) -> Any:
    """Do `work` with a table, in place if the transaction is, else with copies."""
    try:
        return work(transaction.record_table(table_id))
    except NeedsCopies:
        transaction.leave_in_place()
        return work(transaction.record_table(table_id))


class Recorder:
    """An observer that keeps the log of each commit."""

    def __init__(self) -> None:
        self.commits: list[tuple[int, list[Change]]] = []

    def started(self, transaction: Transaction) -> None:
        """Nothing to prepare."""

    def committing(self, transaction: Transaction, root: Root) -> None:
        """Keep the log."""
        assert transaction.changes is not None
        self.commits.append((root.lsn, list(transaction.changes)))

    def installed(self, root: Root) -> None:
        """Nothing to do."""

    def aborted(self, transaction: Transaction) -> None:
        """Nothing to forget."""


class QuietRecorder(Recorder):
    """An observer that lets changes be made in place."""

    hears_commits_only = True
    lets_change_in_place = True

    def committed(self, transaction: Transaction, root: Root) -> None:
        """Keep the log."""
        self.committed_in_place(transaction, root)

    def committed_in_place(self, transaction: Transaction, root: Root) -> None:
        """Keep the log."""
        self.committing(transaction, root)
        transaction.committed = True


class StreamingRecorder(Recorder):
    """An observer that keeps each change as it is made, and forgets those that are undone."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Change] = []

    def started(self, transaction: Transaction) -> None:
        self.open = []

    def changed(self, transaction: Transaction, change: Change) -> None:
        """Keep a change."""
        self.open.append(change)

    def rewound(self, transaction: Transaction, count: int) -> None:
        """Forget all but the first ones."""
        assert count < len(self.open)
        del self.open[count:]

    def committing(self, transaction: Transaction, root: Root) -> None:
        assert self.open == transaction.changes
        super().committing(transaction, root)


class Workload:
    """A random, seeded sequence of statements on one table, some of them undone, beside a dict that says the result."""

    def __init__(self, seed: int, database: Database, table_id: int, kind: str = "rowid") -> None:
        self.random = random.Random(seed)
        self.database = database
        self.table_id = table_id
        self.kind = kind
        self.records: dict[Any, Record] = {}

    def run_transaction(self, statements: int) -> None:
        """Run statements, each of which may be undone, and commit or roll back."""
        before = dict(self.records)
        transaction = self.database.begin(in_place=True)  # which is done if the database is alone
        marks = 0.5 if not self.database.alone or self.random.random() < 0.5 else 0.0
        for _ in range(statements):
            mark = transaction.mark() if self.random.random() < marks else None
            at_mark = dict(self.records)
            self.run_statement(transaction)
            if mark is not None and self.random.random() < 0.3:
                transaction.restore(mark)
                self.records = at_mark
        if self.random.random() < 0.15:
            transaction.rollback()
            self.records = before
        else:
            transaction.commit()

    def run_statement(self, transaction: Transaction) -> None:
        """Run one statement of a random kind."""
        kind = self.random.choices(
            [
                "insert",
                "append",
                "append_many",
                "insert_many",
                "replace",
                "delete",
                "delete_range",
                "replace_many",
                "rewrite",
                "put",
                "clear",
            ],
            [60, 20, 5, 5, 40, 30, 4, 4, 2, 20, 1]
            if self.database.alone
            else [30, 10, 5, 5, 20, 15, 8, 5, 5, 10, 1],
        )[0]
        present = sorted(self.records)
        if kind in ("insert", "append", "replace", "delete"):
            change_records(transaction, self.table_id, lambda table: self.change_record(kind, table, present))
            return
        table = transaction.table(self.table_id)
        if kind == "append_many":
            keys = [self.key_above(n) for n in range(self.random.randrange(1, 20))]
            new = [self.draw_record() for _ in keys]
            table.append_many(keys, new)
            self.records.update(zip(keys, new, strict=True))
        elif kind == "insert_many":
            keys = [key for key in {self.draw_key(2000) for _ in range(10)} if key not in self.records]
            pairs = [(key, self.draw_record()) for key in keys]
            table.insert_many(pairs)
            self.records.update(pairs)
        elif kind == "clear":
            assert table.clear() == len(self.records)
            self.records.clear()
        elif present and kind == "replace_many":
            chosen = sorted(self.random.sample(present, self.random.randrange(len(present)) + 1))
            new = [self.draw_record() for _ in chosen]
            table.replace_many(chosen, new)
            self.records.update(zip(chosen, new, strict=True))
        elif present and kind == "rewrite":
            chosen_records = {key: self.draw_record() for key in present if self.random.random() < 0.3}
            blocks = [[chosen_records.get(key, old) for key, old in zip(block.keys, block.records, strict=True)]
                      for block in table.location.blocks()]  # fmt: skip
            assert table.rewrite(blocks, range(COLUMNS), list(table.keys)) == len(chosen_records)
            self.records.update(chosen_records)
        elif present and kind == "put":
            key, other = self.random.choice(present), self.random.choice(present)
            record = (*self.records[key][:2], self.records[other][2])
            table.put(key, record, list(table.keys))
            self.records[key] = record
        elif present:
            start = self.random.randrange(len(present))
            chosen = present[start : start + self.random.choice([5, 15, 100])]
            if self.random.random() < 0.3:
                chosen = [key for key in chosen if self.random.random() < 0.8]
            table.delete_many(chosen)
            for key in chosen:
                del self.records[key]

    def change_record(self, kind: str, table: Any, present: list[Any]) -> None:
        """Insert, replace or delete one record."""
        if kind == "insert":
            key = self.draw_key(1000)
            if key not in self.records:
                self.put(table.insert, key)
        elif kind == "append":
            self.put(table.insert, self.key_above(0))
        elif present and kind == "replace":
            self.put(table.replace, self.random.choice(present))
        elif present and kind == "delete":
            key = self.random.choice(present)
            assert table.delete(key) == self.records[key]
            del self.records[key]

    def put(self, method: Any, key: Any) -> None:
        """Insert or replace a record, in the table and here."""
        record = self.draw_record()
        method(key, record)
        self.records[key] = record

    def draw_key(self, bound: int) -> Any:
        """Draw a unique key."""
        number = self.random.randrange(bound)
        return number if self.kind == "rowid" else (1, number // 7, 2, "abcdefg"[number % 7])

    def key_above(self, offset: int) -> Any:
        """Make a unique key above all present ones."""
        if self.kind == "rowid":
            return max(self.records, default=0) + 1 + offset
        return (1, max((key[1] for key in self.records), default=0) + 1 + offset, 2, "a")

    def draw_record(self) -> Record:
        """Draw a record of mixed classes."""
        pool: list[Value] = [None, 0, 1, -2, 1.0, 2.5, "a", "A", "b ", "b", b"a", self.random.randrange(50)]
        return tuple(self.random.choice(pool) for _ in range(COLUMNS))
