"""`DatabaseWrapper`: Django's SQLite backend with tandemdb's connections and cursors (Django looks for this module).

DatabaseWrapper (Django's)   get_new_connection   sqlite3.connect   --> tandemdb.connect
                             create_cursor        sqlite3.Cursor    --> tandemdb.Cursor, "%s" turned into "?"
                             Database             sqlite3           --> tandemdb: its exceptions, its version
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import tee
from typing import Any

from django.db.backends.sqlite3 import base as sqlite
from django.db.backends.sqlite3._functions import register as register_functions
from django.db.backends.sqlite3.features import DatabaseFeatures
from django.utils.asyncio import async_unsafe

import tandemdb
from tandemdb.django.creation import DatabaseCreation

__all__ = ["CursorWrapper", "DatabaseCreation", "DatabaseFeatures", "DatabaseWrapper"]


class CursorWrapper(tandemdb.Cursor):
    """A cursor that takes Django's placeholders: %s and %(name)s."""

    def execute(self, query: str, params: Any = None) -> CursorWrapper:
        """Run one statement; without `params`, "%" means itself."""
        if params is None:
            return super().execute(query)
        names = list(params) if isinstance(params, Mapping) else None
        return super().execute(convert_query(query, names), params)

    def executemany(self, query: str, param_list: Iterable[Any]) -> CursorWrapper:
        """Run one statement with each set of parameters."""
        peekable, param_list = tee(iter(param_list))
        first = next(peekable, None)
        names = list(first) if first and isinstance(first, Mapping) else None
        return super().executemany(convert_query(query, names), param_list)


def convert_query(query: str, names: list[str] | None) -> str:
    """Turn %s into ?, or %(name)s into :name, and %% into %."""
    if names is None:
        converted: str = sqlite.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")
        return converted
    return query % {name: f":{name}" for name in names}


class DatabaseWrapper(sqlite.DatabaseWrapper):
    """One thread's connection to one of the project's databases."""

    display_name = "tandemdb"
    Database = tandemdb
    creation_class = DatabaseCreation

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> tandemdb.Connection:
        """Open a connection with Django's functions, foreign keys enforced."""
        connection: tandemdb.Connection = tandemdb.connect(**conn_params)
        register_functions(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA legacy_alter_table = OFF")
        for command in filter(None, map(str.strip, getattr(self, "init_commands", ()))):  # from Django 5.1
            connection.execute(command)
        return connection

    def create_cursor(self, name: str | None = None) -> CursorWrapper:
        """Open a cursor; `name` is for databases with cursors on the server."""
        return self.connection.cursor(factory=CursorWrapper)  # type: ignore[no-any-return]
