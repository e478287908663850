"""What a running plan may ask of its session: the clock, the counters, registered functions, tables to change.

    plan(roots, params, context)
                          +-- now()                       one time for the whole statement
                          +-- user_function('rev', 1)     functions of create_function
                          +-- collation_key('FR', x)      collations of create_collation
                          +-- watched(lists)              the blocks of a scan, which may be stopped between two
                          +-- writable(0, 5)              table 5 of main, in the session's transaction
                          +-- changed(3, rowid)           counts for changes(), last_insert_rowid()
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from tandemdb.planner.nested import changed_error
from tandemdb.planner.randomness import generator
from tandemdb.planner.runtime import patterns
from tandemdb.planner.user_functions import UserRegistry, checked_result

if TYPE_CHECKING:
    from tandemdb.planner.session import Session
    from tandemdb.storage.changes import Writer
    from tandemdb.storage.table import Table


ROWS_UNWATCHED = 512
"""So many rows are read without a look at who wants to stop."""


class Context:
    """One session's side of every plan it runs; who begins a statement resets `_now`, which lasts for one."""

    __slots__ = ("session", "_now")
    in_place = False
    """Whether a plan may change single records of a table where they stand, if that is the transaction's."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._now: datetime.datetime | None = None

    # ---- the clock, counters, chance

    def now(self) -> datetime.datetime:
        """The time in UTC, naive; read when a statement first asks, through `datetime` so that tests may freeze it."""
        if self._now is None:
            self._now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        return self._now

    @property
    def changes(self) -> int:
        return self.session.changes

    @property
    def total_changes(self) -> int:
        return self.session.total_changes

    @property
    def last_insert_rowid(self) -> int:
        return self.session.last_insert_rowid

    def random(self) -> int:
        return generator.getrandbits(64) - 2**63

    # ---- functions and collations of the connection

    def like_function(self, pattern: Any, escape: Any = patterns.NO_ESCAPE) -> Callable[[Any], bool | None]:
        return patterns.like_function(pattern, escape, self.session.settings.case_sensitive_like)

    def collation_key_function(self, name: str) -> Callable[[Any], Any]:
        """A key function for sorting and comparing by a collation; values other than text compare as they are."""
        return self.session.users.collation_key(name)

    def collation_key(self, name: str, value: Any) -> Any:
        return self.collation_key_function(name)(value) if isinstance(value, str) else value

    def user_function(self, name: str, count: int) -> Callable[..., Any]:
        """The registered function that a call with so many arguments means."""
        return self.session.users.function(name, count)

    def call_aggregate(self, name: str, count: int, rows: Sequence[Sequence[Any]]) -> Any:
        return self.session.users.aggregate_rows(name, count, rows)

    # ---- long reads

    def watched(self, lists: list[list[Any]]) -> Iterable[list[Any]]:
        """The blocks of a scan, with a look between them whether to go on.

        Raises:
            OperationalError: interrupted.
        """
        session = self.session
        if session.progress is None and len(lists) <= 1 and not session.interrupted:
            return lists
        return self.watching(lists)

    def watching(self, lists: Iterable[Any]) -> Iterator[Any]:
        check = self.session.check
        for records in lists:
            check(len(records))
            yield records

    def watched_blocks(self, table: Table) -> Iterator[Any]:
        """As `watched`, of a table's records; each block's are asked for when it is their turn."""
        return self.watching(block.records for block in table.location.blocks())

    def watched_items(self, table: Table) -> Iterator[tuple[Any, Any]]:
        """As `watched`, of a table's pairs of unique key and record."""
        blocks = self.watched(table.record_lists())
        return chain.from_iterable(map(zip, table.key_lists(), blocks))

    def watched_rows(self, rows: Sequence[Any]) -> Iterable[Any]:
        """As `watched`, of rows made before."""
        session = self.session
        if type(rows) is not list or (
            session.progress is None and not session.interrupted and len(rows) <= ROWS_UNWATCHED
        ):
            return rows
        return chain.from_iterable(self.watching(slices(rows)))

    # ---- writing

    def writable(self, database: int, table_id: int) -> Table:
        """A table of the session's write transaction, which begins here if it has not."""
        session = self.session
        transaction = session.databases[database].transaction
        if transaction is None or session.marks is not None:
            transaction = session.write(database)
        return transaction.table(table_id)

    def writer(self, database: int) -> Writer:
        """What tells whether a table that `writable` gave may still be changed: by its stamp."""
        return self.session.databases[database].database.writer

    def check_unchanged(self, database: int, table_id: int, roots: Sequence[Any]) -> None:
        """Check that the table whose rows were gathered is as it was when they were.

        Raises:
            OperationalError: a function of the user's has changed it.
        """
        if self.session.databases[database].root().tables.get(table_id) is not roots[database].tables[table_id]:
            raise changed_error()

    def changed(self, count: int, last_rowid: int | None = None) -> None:
        """Count what a statement changed."""
        session = self.session
        session.changes = count
        session.total_changes += count
        if last_rowid is not None:
            session.last_insert_rowid = last_rowid


class RecordContext(Context):
    """A session's side of a plan that changes single records, all checks before: they may be changed in place."""

    __slots__ = ()
    in_place = True

    def writable(self, database: int, table_id: int) -> Table:
        """A table of the session's write transaction, which has begun."""
        transaction: Any = self.session.main.transaction
        if transaction.in_place:  # `record_table`, written out: 0.05 us of 0.12
            table: Table = transaction.root.tables[table_id]
            if table.stamp == transaction.stamp:
                table.kept = None
                return table
        return transaction.record_table(table_id)  # type: ignore[no-any-return]


def slices(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), ROWS_UNWATCHED):
        yield rows[start : start + ROWS_UNWATCHED]


__all__ = ["Context", "UserRegistry", "checked_result"]
