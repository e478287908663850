"""How SQLAlchemy's compliance suite sets up an engine on tandemdb; SQLAlchemy finds this module beside the dialect.

    engine of the suite          ──► post_configure_engine           ─┐
    engine of one class or test  ──► post_configure_testing_engine   ─┴─► each connection: ATTACH ... AS test_schema

What it does for SQLite is taken over (importing its module registers it), except that a database's second schema,
`test_schema`, is a named store in RAM where SQLite's is a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.dialects.sqlite import provision as _sqlite  # noqa: F401  registers what is said for "sqlite"
from sqlalchemy.testing.provision import generate_driver_url, post_configure_engine, post_configure_testing_engine

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine

configure_as_sqlite = post_configure_testing_engine.fns["sqlite"]


@generate_driver_url.for_db("sqlite")  # type: ignore[untyped-decorator]  # sqlalchemy.testing has no types
def generate_url(url: URL, driver: str, query_str: str) -> URL | None:
    """Offer no other driver for the same database."""
    return url if url.get_driver_name() == driver else None


@post_configure_engine.for_db("sqlite")  # type: ignore[untyped-decorator]  # the same
def attach_schema(url: URL, engine: Engine, follower_ident: str | None) -> None:
    """Give every connection the schema that tests of schemas write to."""

    @event.listens_for(engine, "connect")
    def attach(connection: Any, _record: Any) -> None:
        connection.execute("ATTACH DATABASE ':memory:compliance_test_schema' AS test_schema")


@post_configure_testing_engine.for_db("sqlite")  # type: ignore[untyped-decorator]  # the same
def configure(url: URL, engine: Engine, options: dict[str, Any], scope: str) -> None:
    """Do the same for the engines that classes and tests make for themselves."""
    configure_as_sqlite(url, engine, options, scope)
    if scope != "global":
        attach_schema(url, engine, None)
