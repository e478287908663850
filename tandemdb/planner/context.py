"""What a running plan may ask of its session: the clock, the counters, registered functions, tables to change.

    plan(roots, params, context)
                          +-- now()                       one time for the whole statement
                          +-- call_user('rev', (x,))      functions of create_function
                          +-- collation_key('FR', x)      collations of create_collation
                          +-- writable(0, 5)              table 5 of main, in the session's transaction
                          +-- changed(3, rowid)           counts for changes(), last_insert_rowid()
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError
from tandemdb.planner import patterns, values
from tandemdb.planner.bind import UserFunctions

if TYPE_CHECKING:
    from tandemdb.planner.session import Session
    from tandemdb.storage.table import Table


class Context:
    """One session's side of every plan it runs; `begin_statement` resets what lasts one statement."""

    __slots__ = ("session", "_now")

    def __init__(self, session: Session) -> None:
        self.session = session
        self._now: datetime.datetime | None = None

    def begin_statement(self) -> None:
        self._now = None

    # ---- the clock, counters, chance

    def now(self) -> datetime.datetime:
        """The time in UTC, naive; read when a statement first asks, through `datetime` so that tests may freeze it."""
        if self._now is None:
            self._now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
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
        return random.getrandbits(64) - 2**63

    # ---- functions and collations of the connection

    def like_function(self, pattern: Any, *escape: Any) -> Callable[[Any], bool | None]:
        return patterns.like_function(pattern, *escape, case_sensitive=self.session.settings.case_sensitive_like)

    def collation_key_function(self, name: str) -> Callable[[Any], Any]:
        """A key function for sorting and comparing by a collation; values other than text compare as they are."""
        built_in = values.COLLATION_KEYS.get(name)
        if built_in is not None:
            return built_in
        compare = self.session.users.collations.get(name)
        if compare is None:
            raise OperationalError(f"no such collation sequence: {name}", code="SQLITE_ERROR")
        wrap = cmp_to_key(compare)
        return lambda value: wrap(value) if isinstance(value, str) else value

    def collation_key(self, name: str, value: Any) -> Any:
        return self.collation_key_function(name)(value) if isinstance(value, str) else value

    def call_user(self, name: str, arguments: Sequence[Any]) -> Any:
        return self.session.users.call(name, arguments)

    def call_aggregate(self, name: str, count: int, rows: Sequence[Sequence[Any]]) -> Any:
        return self.session.users.aggregate_rows(name, count, rows)

    # ---- writing

    def writable(self, database: int, table_id: int) -> Table:
        """A table of the session's write transaction, which begins here if it has not."""
        return self.session.write(database).table(table_id)

    def changed(self, count: int, last_rowid: int | None = None) -> None:
        self.session.count_changes(count, last_rowid)


class UserRegistry(UserFunctions):
    """Functions, aggregates and collations that a connection registered, by lower-case name and argument count."""

    __slots__ = ("scalars", "aggregates", "windows", "collations", "version")

    def __init__(self) -> None:
        self.scalars: dict[tuple[str, int], tuple[Callable[..., Any], bool]] = {}
        self.aggregates: dict[tuple[str, int], Any] = {}
        self.windows: dict[tuple[str, int], Any] = {}
        self.collations: dict[str, Callable[[str, str], int]] = {}
        self.version = 0

    def scalar(self, name: str, count: int) -> bool | None:
        found = self.scalars.get((name, count)) or self.scalars.get((name, -1))
        return None if found is None else found[1]

    def aggregate(self, name: str, count: int) -> bool:
        keys = ((name, count), (name, -1))
        return any(key in self.aggregates or key in self.windows for key in keys)

    def window(self, name: str, count: int) -> bool:
        return (name, count) in self.windows or (name, -1) in self.windows

    def window_class(self, name: str, count: int) -> Any:
        """The registered class whose objects step, give value, take back and finalize."""
        return self.windows.get((name, count)) or self.windows[(name, -1)]

    def has_collation(self, name: str) -> bool:
        return super().has_collation(name) or name.upper() in self.collations

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        """Call a registered function; whatever it raises becomes sqlite3's error."""
        found = self.scalars.get((name, len(arguments))) or self.scalars[(name, -1)]
        return checked_result(found[0](*arguments))

    def aggregate_rows(self, name: str, count: int, rows: Sequence[Sequence[Any]]) -> Any:
        """Step a registered aggregate over rows and finalize it."""
        keys = ((name, count), (name, -1))
        maker = next((m[key] for key in keys for m in (self.aggregates, self.windows) if key in m), None)
        if maker is None:
            raise OperationalError(f"no such function: {name}", code="SQLITE_ERROR")
        aggregate = maker()
        for row in rows:
            aggregate.step(*row)
        return checked_result(aggregate.finalize())


def checked_result(value: Any) -> Any:
    """A function's result as a value of SQLite's classes.

    Raises:
        OperationalError: it is of none of them.
    """
    kind = type(value)
    if value is None or kind in (int, str, bytes):
        if kind is int and not -(2**63) <= value < 2**63:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return value
    if kind is float:
        return None if value != value else value
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise OperationalError("user-defined function raised exception", code="SQLITE_ERROR")
