"""What the emitters of INSERT, UPDATE and DELETE, on tables and on views, have in common.

    node, table, database       what is changed: the statement as parsed, the schema's table, the place of its database
    binder, session             what names mean; settings and registered functions
    queries, generator, frame   where the code goes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tandemdb.planner.bind.query import Binder
    from tandemdb.planner.emit.query import QueryEmitter
    from tandemdb.planner.schema.schema import Table


class StatementEmitter:
    """Writes one statement into the generator's main function."""

    changes_one = False
    """Whether it changes one row at most, and that after it has called all functions of the user's."""

    def __init__(
        self, queries: QueryEmitter, binder: Binder, node: Any, table: Table, database: int, session: Any
    ) -> None:
        self.queries = queries
        self.binder = binder
        self.node = node
        self.table = table
        self.database = database
        self.session = session
        self.frame = queries.frame
        self.generator = queries.generator
