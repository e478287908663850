"""The rows that an UPDATE or DELETE chooses: the loops that bring them, or a list made of them.

    UPDATE city SET size = size + 1 WHERE country = 7

    pipeline    for city_0 in find_many(...) / if city_0[2] == 7       written around the change itself, or collected:
    collect()   rows_1 = [(city_0[0], city_0, city_0[3] + 1) ...]      in the order of their keys if that can be seen

With ORDER BY, LIMIT or FROM there is only the list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import HOLDS_ANY, Column, Core, Local, Query, ResultColumn, Rowid, Source
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.scope import Scope
from tandemdb.planner.emit.order import OrderEmitter
from tandemdb.planner.emit.pipeline import Pipeline

if TYPE_CHECKING:
    from tandemdb.planner.change.update_delete import ChangeEmitter

FIRST = itemgetter(0)
FIND = re.compile(r"(\w+)\.find\((\w+)\)")


class Rows:
    """`single`: one row at most. Once collected, `classes` are what the new values behind key and record may hold, and
    `in_order` tells whether the list was sorted by its keys.
    """

    __slots__ = (
        "change", "core", "scope", "source", "key", "single", "classes", "in_order", "pipeline", "order", "listed",
    )  # fmt: skip

    def __init__(self, change: ChangeEmitter, core: Core, scope: Scope, source: Source, extra: Sequence[Any]) -> None:
        """Choose the path to the rows; `extra` are expressions to list beside key and record."""
        self.change = change
        self.core = core
        self.scope = scope
        self.source = source
        position = change.table.rowid_position
        self.key: Any = Column(source, position) if position >= 0 else Rowid(source)
        self.classes: list[int] = []
        self.in_order = False
        core.results = [ResultColumn(self.key, "key"), ResultColumn(Local(source.variable, HOLDS_ANY), "old")]
        core.results += [ResultColumn(item, "new") for item in extra]
        node, queries = change.node, change.queries
        self.pipeline: Pipeline | None = None
        self.order: OrderEmitter | None = None
        self.listed: str | None = None
        if node.order_by or node.limit is not None or getattr(node, "source", None) is not None:
            self.bind_limits()
            self.listed = queries.core_rows(core, scope.query)
        else:
            self.order = OrderEmitter(queries, core, scope.query)
            self.pipeline, _ = queries.pipeline(core, self.order)
        self.single = queries.single_row

    def bind_limits(self) -> None:
        """ORDER BY and LIMIT, which are those of the statement."""
        node, query = self.change.node, self.scope.query
        binder = ExpressionBinder(self.change.binder, self.scope)
        query.order_by = [binder.bind_order_term(term) for term in node.order_by]
        bare = ExpressionBinder(self.change.binder, Scope(None, Core(), Query()))
        query.limit = None if node.limit is None else bare.bind_scalar(node.limit)
        query.offset = None if node.offset is None else bare.bind_scalar(node.offset)

    @property
    def is_scan(self) -> bool:
        """Whether all blocks are read in order, with nothing but tests on each record."""
        pipeline = self.pipeline
        if pipeline is None or not pipeline.clauses:
            return False
        first, *rest = pipeline.clauses
        whole = first.kind == "for" and first.target == self.source.variable and first.text.endswith(SCAN_END)
        return whole and first.text.startswith(SCAN_START) and all(clause.kind == "if" for clause in rest)

    def seek(self) -> str | None:
        """Let the look-up of the one row tell its place, too; the name of that, None if the path has no such look-up.

        item_0 = table_item_1.find(p0)        item_0_place = table_item_1.seek(p0)
        if item_0 is not None:                if item_0_place is not None:
                                                  item_0 = item_0_place[0]
        """
        assert self.pipeline is not None
        variable, clauses = self.source.variable, self.pipeline.clauses
        if self.change.session.plan_settings is not None:
            return None  # A function of the user's might change the table before the statement does.
        place = f"{variable}_place"
        for at, clause in enumerate(clauses):
            found = FIND.fullmatch(clause.text) if clause.kind == "let" and clause.target == variable else None
            if found is not None:
                new = [clause._replace(target=place, text=f"{found[1]}.seek({found[2]})")]
                rest = clauses[at + 1 :]
                if rest and rest[0].kind == "if" and rest[0].target == f"{variable} is not None":
                    new.append(rest.pop(0)._replace(target=f"{place} is not None"))
                self.pipeline.clauses[at:] = [*new, clause._replace(text=f"{place}[0]"), *rest]
                return place
        return None

    def collect(self) -> str:
        """Write the list of (key, record, new values...); its name."""
        change, queries = self.change, self.change.queries
        frame = change.frame
        rows = self.listed
        if rows is None:
            assert self.pipeline is not None and self.order is not None
            element = queries.element(self.core, self.order)
            rows = self.pipeline.collect(change.generator, frame, element)
        self.classes = queries.element_classes[2:]
        if getattr(change.node, "source", None) is not None:
            frame.emit(f"{rows} = list({{row[0]: row for row in reversed({rows})}}.values())")
        if not self.single and not self.scope.query.order_by and change.order_shows():
            frame.emit(f"{rows}.sort(key={change.generator.helper(FIRST, 'first')})")
            self.in_order = True
        return rows


SCAN_START, SCAN_END = "chain(context.watched(", ".record_lists()))"
