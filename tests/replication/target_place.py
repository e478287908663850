"""A backup target as tests see it: by its own means, not by tandemdb's."""

from __future__ import annotations

import sqlite3
from typing import Any


class Place:
    """A target, and a way to look into it that is not tandemdb's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_file = url.startswith("sqlite:///")

    def rows(self, sql: str) -> list[Any]:
        if self.is_file:
            with sqlite3.connect(self.url.removeprefix("sqlite:///")) as connection:
                found = connection.execute(sql).fetchall()
            connection.close()
            return found
        import sqlalchemy as sa

        engine = sa.create_engine(self.url)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.exec_driver_sql(sql)]
        engine.dispose()
        return found

    def run(self, sql: str) -> None:
        if self.is_file:
            with sqlite3.connect(self.url.removeprefix("sqlite:///")) as connection:
                connection.execute(sql)
            connection.close()
            return
        import sqlalchemy as sa

        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            connection.exec_driver_sql(sql)
        engine.dispose()

    @property
    def lsn(self) -> int:
        return int(self.rows("SELECT lsn FROM tandemdb_position")[0][0])
