"""How SQLAlchemy's compliance suite sets up an engine on tandemdb; SQLAlchemy finds this module beside the dialect.

What it does for SQLite is taken over (importing its module registers it), except that a database's second schema,
`test_schema`, is a named store in RAM where SQLite's is a file.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.dialects.sqlite import provision as _sqlite  # noqa: F401  registers what is said for "sqlite"
from sqlalchemy.testing.provision import generate_driver_url, post_configure_engine

from tandemdb.errors import NotSupportedError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine


@generate_driver_url.for_db("sqlite")  # type: ignore[untyped-decorator]  # sqlalchemy.testing has no types
def generate_url(url: URL, driver: str, query_str: str) -> URL | None:
    """Offer no other driver for the same database."""
    return url if url.get_driver_name() == driver else None


@post_configure_engine.for_db("sqlite")  # type: ignore[untyped-decorator]  # the same
def attach_schema(url: URL, engine: Engine, follower_ident: str | None) -> None:
    """Give every connection the schema that tests of schemas write to."""
    name = f":memory:{follower_ident or 'compliance'}_test_schema"

    @event.listens_for(engine, "connect")
    def attach(connection: Any, _record: Any) -> None:
        with suppress(NotSupportedError):  # without ATTACH the tests of schemas fail, and no others
            connection.execute(f"ATTACH DATABASE '{name}' AS test_schema")
