"""Where names of tables are looked up: the schemas of one connection's databases, in SQLite's order.

    position   name      schema
           0   main      Schema of the database's root
           1   temp      Schema of the connection's own temporary objects (searched first, as SQLite does)
           2   ...       attached databases, in the order of ATTACH

A namespace is interned by its schemas' fingerprints, so that every connection to a database of the same schema shares
one, and with it the plan cache that hangs on it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.errors import OperationalError, did_you_mean

if TYPE_CHECKING:
    from tandemdb.planner.schema.schema import Schema, Table, View

NAMESPACES_MAX = 256
"""Namespaces kept for reuse; the least recently used one is forgotten with its plans."""

_namespaces: OrderedDict[tuple[Any, ...], Namespace] = OrderedDict()


class Namespace:
    """The schemas of a connection by position and name, and the plans made for them."""

    __slots__ = ("names", "schemas", "plans", "templates", "programs")

    def __init__(self, names: Sequence[str], schemas: Sequence[Schema | None]) -> None:
        self.names = tuple(names)
        self.schemas = tuple(schemas)
        self.plans: OrderedDict[str, Any] = OrderedDict()
        self.templates: OrderedDict[str, Any] = OrderedDict()
        self.programs: dict[Any, Any] = {}

    def find_table(self, name: str, schema: str | None) -> tuple[int, Table | View] | None:
        """The table or view of that name and the position of its database; temp goes before main."""
        lowered = name.lower()
        for position in self.search_order(schema):
            here = self.schemas[position]
            if here is None:
                continue
            found = here.tables.get(lowered) or here.views.get(lowered)
            if found is not None:
                return position, found
        return None

    def search_order(self, schema: str | None) -> Sequence[int]:
        if schema is not None:
            lowered = schema.lower()
            return [i for i, name in enumerate(self.names) if name.lower() == lowered]
        if len(self.names) == 1:
            return (0,)
        return [1, 0, *range(2, len(self.names))]

    def require_table(self, name: str, schema: str | None) -> tuple[int, Table | View]:
        """As find_table.

        Raises:
            OperationalError: no such table (or `unknown database` when the schema is not there).
        """
        found = self.find_table(name, schema)
        if found is None:
            shown = name if schema is None else f"{schema}.{name}"
            raise OperationalError(f"no such table: {shown}", code="SQLITE_ERROR", hint=self.hint(name, schema))
        return found

    def hint(self, name: str, schema: str | None) -> str:
        """What may help whoever names a table that is not there."""
        known: list[str] = []
        for position in self.search_order(schema):
            here = self.schemas[position]
            if here is not None:
                known += [table.name for table in here.tables.values()] + [view.name for view in here.views.values()]
        known = [one for one in known if not one.startswith("sqlite_")]
        if not known and schema is None:
            return (
                "The database is empty. A connection to :memory: has one of its own; all that name it, as in "
                ":memory:NAME, share one."
            )
        return did_you_mean(name, known)


def namespace_of(names: Sequence[str], schemas: Sequence[Schema | None]) -> Namespace:
    """The interned namespace of these schemas."""
    key = (tuple(names), tuple(None if schema is None else schema.fingerprint for schema in schemas))
    found = _namespaces.get(key)
    if found is None:
        found = _namespaces[key] = Namespace(names, schemas)
        if len(_namespaces) > NAMESPACES_MAX:
            _namespaces.popitem(last=False)
    else:
        _namespaces.move_to_end(key)
    return found
