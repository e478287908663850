"""Any SQLAlchemy engine as a backup target: each table with types, each commit's rows by key, in one transaction.

    city, visit ...       the rows; indexes on columns too. No defaults, checks, foreign keys, triggers, views:
                          what they did is in the rows already
    tandemdb_position     one row: see replication/targets/target.py; and the settings that are no rows
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
    find_kept,
    find_written,
    insert_rows,
)
from tandemdb.dbapi.targets.mapping import MappedTable, choose_kind
from tandemdb.planner.schema.schema import load_schema, schema_of_rows
from tandemdb.planner.settings import read_setting
from tandemdb.replication.targets import Position, Superseded, TargetLost, TargetRefused
from tandemdb.storage import Database

if TYPE_CHECKING:
    from tandemdb.planner.schema.schema import Schema
    from tandemdb.storage import Root

ROWS_MAX = 5000

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


class EngineTarget:
    """The default schema of one database system's database."""

    def __init__(self, engine: sa.Engine) -> None:
        """Name it; `open` connects."""
        self.engine = engine
        self.connection: sa.Connection | None = None
        # By the catalog's row: what a table is there.
        self._mapped: dict[CatalogRow, MappedTable] = {}
        self._types: dict[CatalogRow, list[str]] = {}

    @property
    def name(self) -> str:
        """Say where it is; without the password."""
        return self.engine.url.render_as_string(hide_password=True)

    def open(self) -> Position | None:
        """Connect, anew if need be, and read the position."""
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
            self._types = {
                (entry.kind, entry.name, entry.owner, entry.root, entry.statement): json.loads(entry.types)
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
            ours = {row[1] for row in self._types} | {row[1] for row in table_rows(schema)} | set(own.tables)
            for name in sorted(present & ours):
                sa.Table(name, sa.MetaData()).drop(connection)
            self._mapped.clear()
            self._types.clear()
            own.create_all(connection)
            for row in table_rows(schema):
                self._create(row, schema, root)
            self._write_schema(schema)
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

    def rollback(self) -> None:
        """Take back what was written and not committed."""
        connection = self.connection
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
            run("BEGIN")
            for entry in entries:
                if entry.kind == "table" and not entry.name.startswith("sqlite_"):
                    run(entry.statement)
                    mapped = MappedTable(schema.tables[entry.name.lower()], json.loads(entry.types), sa.MetaData())
                    for batch in batches(connection.execute(sa.select(mapped.there)), ROWS_MAX):
                        insert_rows(real, mapped.table, [mapped.read(tuple(row)) for row in batch])
            if settings["sequence"]:
                run(f"DELETE FROM {SEQUENCE}")
                real.executemany(f"INSERT INTO {SEQUENCE} (name, seq) VALUES (?, ?)", settings["sequence"])
            for entry in entries:
                if entry.kind != "table" and entry.statement is not None:
                    run(entry.statement)
            for setting in SETTINGS:
                run(f"PRAGMA {setting} = {int(settings[setting])}")
            run("COMMIT")
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
        for row in table_rows(old):
            if row[1].lower() in changed:
                self._map(row, old).there.drop(self.there)
                self._mapped.pop(row, None)
                self._types.pop(row, None)
        for name, changes in find_written(new, kept, before, after).items():
            if name not in changed:
                mapped = self._map(row_of(new, name), new)
                self._run(mapped.delete, (mapped.key_of(*row) for row in changes.gone))
                self._run(mapped.insert, (mapped.row_of(*row) for row in changes.here))
        for row in table_rows(new):
            if row[1].lower() in changed:
                self._create(row, new, after)
        if old is not new:
            self._write_schema(new)

    def _create(self, row: CatalogRow, schema: Schema, root: Root) -> None:
        """Create a table with all its rows."""
        table, stored = schema.tables[row[1].lower()], root.tables[row[3]]
        self._check_name(row[1])
        self._types[row] = [choose_kind(table, column, stored) for column in table.columns]
        mapped = self._map(row, schema)
        mapped.there.create(self.there)
        self._run(mapped.insert, (mapped.row_of(*entry) for entry in stored.items()))

    def _map(self, row: CatalogRow, schema: Schema) -> MappedTable:
        mapped = self._mapped.get(row)
        table = schema.tables[row[1].lower()]
        if mapped is None or mapped.table is not table:
            mapped = self._mapped[row] = MappedTable(table, self._types[row], sa.MetaData())
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
            types = self._types.get(row)
            kept = dict(zip(names, row, strict=True))
            rows.append({"number": len(rows), **kept, "types": None if types is None else json.dumps(types)})
        self._run(SCHEMA.insert(), rows)

    def _run(self, statement: Any, rows: Iterable[dict[str, Any]]) -> None:
        for batch in batches(rows, ROWS_MAX):
            self.there.execute(statement, batch)


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
    counters = root.tables[sequence.id].record_lists() if sequence is not None else ()
    return {**settings, "sequence": [list(record) for records in counters for record in records]}


def batches(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of so many rows."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch


@contextmanager
def explained() -> Iterator[None]:
    """Turn SQLAlchemy's errors into a target's."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        lost = error.connection_invalidated or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
        text = str(error.orig).strip().partition("\n")[0]
        if lost:
            raise TargetLost(f"the backup target cannot be reached: {text}") from error
        raise TargetRefused(f"the backup target does not take it: {text}") from error
    except sa.exc.SQLAlchemyError as error:
        raise TargetRefused(f"the backup target does not take it: {error}") from error
