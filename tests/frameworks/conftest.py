"""Libraries that work on a database through sqlite3 or SQLAlchemy; each test is skipped if its library is missing."""

from __future__ import annotations

from contextlib import suppress

with suppress(ImportError):
    from sqlalchemy.dialects import registry

    registry.register("sqlite.tandemdb", "tandemdb.dialect", "TandemDialect")
