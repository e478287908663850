"""Any SQLAlchemy engine as a backup target: each table with types, each commit's rows by key, in one transaction.

    city, visit ...       the rows; indexes on columns too. No defaults, checks, foreign keys, triggers, views:
                          what they did is in the rows already
    tandemdb_position     one row: see replication/targets/target.py; and the settings that are no rows
    tandemdb_tokens       those of transactions
    tandemdb_schema       every statement of sqlite_master, and the types chosen: a database can be started from it

A table whose definition changes is made anew with all its rows. Exactly once holds where the system undoes CREATE and
DROP with the rest of a transaction (PostgreSQL does), or for as long as no schema changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tandemdb.dbapi.file_changes import (
    SEQUENCE,
    SETTINGS,
    CatalogRow,
    catalog_rows,
    compare_tokens,
    find_kept,
    find_written,
    insert_rows,
    make_sequence,
    rowid_name,
    rows_missing,
)
from tandemdb.dbapi.targets.mapping import MappedTable, choose_kind, put_text
from tandemdb.errors import DatabaseError, NotSupportedError
from tandemdb.planner.schema.schema import load_schema, schema_of_rows
from tandemdb.planner.settings import read_setting
from tandemdb.planner.tokens import find_tokens, load_tokens
from tandemdb.replication.errors import ReplicationError
from tandemdb.replication.targets import Position, Superseded, TargetLost, TargetRefused
from tandemdb.storage import Database

if TYPE_CHECKING:
    from tandemdb.planner.schema.schema import Schema
    from tandemdb.storage import Root
    from tandemdb.storage import Table as StoredTable

FIND_SEQUENCE = f"SELECT 1 FROM sqlite_master WHERE name = '{SEQUENCE}'"
ROWS_MAX = 5000
# Classes of SQLSTATE: connection, invalid transaction state (read only, timed out), authorization, rollback,
# insufficient resources, not in prerequisite state (locked), operator intervention, system error, internal error.
# An OperationalError of another class, such as 54, program limit exceeded, would come again.
PASSING = {"08", "25", "28", "40", "53", "55", "57", "58", "XX"}

own = sa.MetaData()
POSITION = sa.Table(
    "tandemdb_position",
    own,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("cluster", sa.String(64), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("lsn", sa.BigInteger, nullable=False),
    sa.Column("writer", sa.String(64), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
)
SCHEMA = sa.Table(
    "tandemdb_schema",
    own,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("root", sa.BigInteger, nullable=False),
    sa.Column("statement", sa.Text),
    sa.Column("types", sa.Text),
)
TOKENS = sa.Table(
    "tandemdb_tokens",
    own,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("token", sa.Text, nullable=False),
)


class EngineTarget:
    """The default schema of one database system's database."""

    def __init__(self, engine: sa.Engine) -> None:
        """Name it; `open` connects."""
        self.engine = engine
        self.connection: sa.Connection | None = None
        # By the table's name, not its number: a database that is started from here numbers its tables anew.
        self._mapped: dict[str, MappedTable] = {}
        # What is committed, and what the transaction makes of it: the same object while no table changes.
        self._kept: dict[str, list[str]] = {}
        self._types = self._kept

    @property
    def name(self) -> str:
        """Say where it is; without the password."""
        return self.engine.url.render_as_string(hide_password=True)

    def open(self, only_read: bool = False) -> Position | None:
        """Connect, anew if need be, and read the position; nothing is made in any case."""
        self.close()
        with explained():
            connection = self.connection = self.engine.connect()
            found = sa.inspect(connection).get_table_names()
            if POSITION.name not in found or SCHEMA.name not in found:
                connection.rollback()
                return None
            columns = [POSITION.c[name] for name in Position._fields]
            row = connection.execute(sa.select(*columns)).one_or_none()
            self._mapped.clear()
            self._types = self._kept = {
                entry.name: json.loads(entry.types)
                for entry in connection.execute(sa.select(SCHEMA))
                if entry.types is not None
            }
            connection.rollback()
        return None if row is None else Position(*row)

    def is_empty(self) -> bool:
        """Tell whether there is no table."""
        with explained():
            found = sa.inspect(self.there).get_table_names()
            self.there.rollback()
            return not found

    def load(self, root: Root, position: Position) -> None:
        """Drop what a feed has made, or what is in its way, and write all of the root."""
        schema = load_schema(root)
        connection = self.there
        with explained():
            present = set(sa.inspect(connection).get_table_names())
            ours = {*self._types} | {row[1] for row in table_rows(schema)} | set(own.tables)
            for name in sorted(present & ours):
                sa.Table(name, sa.MetaData()).drop(connection)
            self._mapped.clear()
            self._types = {}
            own.create_all(connection)
            for row in table_rows(schema):
                self._create(row, schema, root)
            self._write_schema(schema)
            self._write_tokens(None, find_tokens(root))
            settings = json.dumps(read_settings(root))
            connection.execute(POSITION.insert(), [{"id": 1, **position._asdict(), "settings": settings}])

    def write(self, before: Root, after: Root, held: Position, position: Position) -> None:
        """Write what has changed, if the target is where it was left."""
        connection = self.there
        with explained():
            changed = connection.execute(
                POSITION.update()
                .where(POSITION.c.id == 1, POSITION.c.writer == held.writer, POSITION.c.sequence == held.sequence)
                .values(**position._asdict(), settings=json.dumps(read_settings(after)))
            )
            if changed.rowcount != 1:
                raise Superseded(f"{self.name} was written by another feed")
            if before is not after:
                self._write_difference(before, after)

    def commit(self) -> None:
        """End the transaction."""
        with explained():
            self.there.commit()
        self._kept = self._types

    def rollback(self) -> None:
        """Take back what was written and not committed."""
        connection = self.connection
        if self._types is not self._kept:
            self._types = self._kept
            self._mapped.clear()
        if connection is not None:
            try:
                connection.rollback()
            except sa.exc.SQLAlchemyError:
                self.close()  # It is gone, and with it what was not committed.

    def close(self) -> None:
        """Let the connection go."""
        connection, self.connection = self.connection, None
        if connection is not None:
            try:
                connection.close()
            except sa.exc.SQLAlchemyError:
                connection.invalidate()  # It cannot even be given back.

    def read(self) -> Root:
        """Read schema and rows into a root of their own."""
        from tandemdb.planner.session import Session

        loaded = Database()
        session = Session(loaded)
        connection = self.there

        def run(sql: str) -> None:
            session.run(session.prepare(sql), ())

        real: Any = SimpleNamespace(
            executemany=lambda sql, rows: session.run_many(session.prepare(sql), [tuple(row) for row in rows])
        )
        with explained():
            entries = connection.execute(sa.select(SCHEMA).order_by(SCHEMA.c.number)).all()
            rows = tuple((row.kind, row.name, row.owner, row.root, row.statement) for row in entries)
            schema = schema_of_rows(rows)
            settings = json.loads(connection.execute(sa.select(POSITION.c.settings)).scalar_one())
            run("PRAGMA ignore_check_constraints = 1")
            run("BEGIN")
            for entry in entries:
                if entry.kind == "table" and not entry.name.startswith("sqlite_"):
                    run(entry.statement)
                    mapped = MappedTable(schema.tables[entry.name.lower()], json.loads(entry.types), sa.MetaData())
                    for batch in batches(connection.execute(sa.select(mapped.there)), ROWS_MAX):
                        insert_rows(real, mapped.table, [mapped.read(tuple(row)) for row in batch])
            if settings["sequence"] is not None:
                if next(iter(session.run(session.prepare(FIND_SEQUENCE), ()).rows), None) is None:
                    make_sequence(run)
                run(f"DELETE FROM {SEQUENCE}")
                real.executemany(f"INSERT INTO {SEQUENCE} (name, seq) VALUES (?, ?)", settings["sequence"])
            for entry in entries:
                if entry.kind != "table" and entry.statement is not None:
                    run(entry.statement)
            for setting in SETTINGS:
                run(f"PRAGMA {setting} = {int(settings[setting])}")
            run("COMMIT")
            tokens = connection.execute(sa.select(TOKENS.c.number, TOKENS.c.token).order_by(TOKENS.c.number)).all()
            if tokens:
                load_tokens(loaded, [(number, token) for number, token in tokens])
            connection.rollback()
        session.close()
        return loaded.root

    # Helpers, in call order.

    @property
    def there(self) -> sa.Connection:
        """The connection."""
        if self.connection is None:
            raise TargetLost(f"{self.name} is not connected")
        return self.connection

    def _write_difference(self, before: Root, after: Root) -> None:
        old, new = load_schema(before), load_schema(after)
        kept = find_kept(old, new)
        # An index is part of its table there.
        different = {*catalog_rows(old)} ^ {*catalog_rows(new)}
        changed = {row[2].lower() for row in different if row[0] in ("table", "index")}
        if changed:
            self._types = dict(self._types)
        for row in table_rows(old):
            if row[1].lower() in changed:
                self._map(row, old).there.drop(self.there)
                self._mapped.pop(row[1], None)
                self._types.pop(row[1], None)
        for name, changes in find_written(new, kept, before, after).items():
            if name not in changed:
                mapped = self._map(row_of(new, name), new)
                deleted = self._run(mapped.delete, (mapped.key_of(*row) for row in changes.gone))
                if deleted is not None and deleted != len(changes.gone):
                    raise rows_missing(mapped.table.name, len(changes.gone) - deleted)
                self._run(mapped.insert, (mapped.row_of(*row) for row in changes.here))
        for row in table_rows(new):
            if row[1].lower() in changed:
                self._create(row, new, after)
        if old is not new:
            self._write_schema(new)
        self._write_tokens(find_tokens(before), find_tokens(after))

    def _create(self, row: CatalogRow, schema: Schema, root: Root) -> None:
        """Create a table with all its rows."""
        table, stored = schema.tables[row[1].lower()], root.tables[row[3]]
        self._check_name(row[1])
        if not table.without_rowid and table.rowid_position < 0:
            rowid_name(table)  # A database that is started from here must be able to write it.
        self._types[row[1]] = [choose_kind(table, column, stored) for column in table.columns]
        mapped = self._map(row, schema)
        mapped.there.create(self.there)
        self._run(mapped.insert, (mapped.row_of(*entry) for entry in stored.items()))

    def _map(self, row: CatalogRow, schema: Schema) -> MappedTable:
        mapped = self._mapped.get(row[1])
        table = schema.tables[row[1].lower()]
        if mapped is None or mapped.table is not table:
            mapped = self._mapped[row[1]] = MappedTable(table, self._types[row[1]], sa.MetaData())
        return mapped

    def _check_name(self, name: str) -> None:
        """Refuse names that are there already for something else, or too long."""
        longest = self.engine.dialect.max_identifier_length
        if name.lower() in own.tables or len(name.encode()) > longest:
            raise TargetRefused(
                f"a table named {name} cannot be kept in the backup target",
                detail=f"Its own tables are {', '.join(own.tables)}; a name has {longest} bytes at most.",
                hint="Give the table another name.",
            )

    def _write_schema(self, schema: Schema) -> None:
        """Keep the statements that created everything."""
        self.there.execute(SCHEMA.delete())
        names = ("kind", "name", "owner", "root", "statement")
        rows: list[dict[str, Any]] = []
        for row in catalog_rows(schema):
            types = self._types.get(row[1]) if row[0] == "table" else None
            kept = dict(zip(names, row, strict=True))
            rows.append({"number": len(rows), **kept, "types": None if types is None else json.dumps(types)})
        self._run(SCHEMA.insert(), rows)

    def _write_tokens(self, before: StoredTable | None, after: StoredTable | None) -> None:
        if before is not after:
            changes = compare_tokens(before, after)
            gone = TOKENS.delete().where(TOKENS.c.number == sa.bindparam("gone"))
            self._run(gone, ({"gone": key} for key, _ in changes.gone))
            self._run(TOKENS.insert(), (token_row(key, token) for key, (token,) in changes.here))

    def _run(self, statement: Any, rows: Iterable[dict[str, Any]]) -> int | None:
        """Execute for all rows; return how many it was done for, None if the driver cannot tell."""
        done: int | None = 0
        for batch in batches(rows, ROWS_MAX):
            result = self.there.execute(statement, batch)
            done = done + result.rowcount if done is not None and result.supports_sane_multi_rowcount() else None
        return done


def token_row(number: Any, token: Any) -> dict[str, Any]:
    """Return the parameters that insert a token."""
    try:
        return {"number": number, "token": put_text(token)}
    except ValueError:
        raise TargetRefused("a token with NUL characters cannot be kept in the backup target") from None


def table_rows(schema: Schema) -> list[CatalogRow]:
    """List the rows of tables that users have created."""
    return [row for row in catalog_rows(schema) if row[0] == "table"]


def row_of(schema: Schema, name: str) -> CatalogRow:
    """Find a table's row of the catalog."""
    return next(row for row in table_rows(schema) if row[1].lower() == name)


def read_settings(root: Root) -> dict[str, Any]:
    """Gather what is no row of a user's table: numbers of the database, counters of AUTOINCREMENT."""
    settings: dict[str, Any] = {setting: read_setting(root, setting) for setting in SETTINGS}
    sequence = load_schema(root).tables.get(SEQUENCE)
    if sequence is None:
        return {**settings, "sequence": None}
    counters = root.tables[sequence.id].record_lists()
    return {**settings, "sequence": [list(record) for records in counters for record in records]}


def batches(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of so many rows."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch


@contextmanager
def explained() -> Iterator[None]:
    """Turn SQLAlchemy's errors, and those of rows that cannot be written or read, into a target's."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        text = str(error.orig).strip().partition("\n")[0]
        if is_passing(error):
            raise TargetLost(f"the backup target cannot be reached: {text}") from error
        raise TargetRefused(f"the backup target does not take it: {text}") from error
    except (sa.exc.PendingRollbackError, sa.exc.ResourceClosedError, sa.exc.TimeoutError) as error:
        # The connection broke between two statements, or the engine has none left.
        raise TargetLost(f"the backup target cannot be reached: {error}") from error
    except sa.exc.SQLAlchemyError as error:
        raise TargetRefused(f"the backup target does not take it: {error}") from error
    except NotSupportedError as error:
        raise TargetRefused(str(error)) from error
    except DatabaseError as error:
        if isinstance(error, ReplicationError):
            raise
        raise TargetRefused(f"the backup target does not take it: {error}") from error


def is_passing(error: sa.exc.DBAPIError) -> bool:
    """Tell whether the next attempt may succeed."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state:
        return str(state)[:2] in PASSING
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
