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

from tandemdb.planner.access.paths import Path
from tandemdb.planner.bind.bound import HOLDS_ANY, Column, Core, Local, Query, ResultColumn, Rowid, Source
from tandemdb.planner.bind.expression import ExpressionBinder
from tandemdb.planner.bind.scope import Scope
from tandemdb.planner.emit.order import OrderEmitter
from tandemdb.planner.emit.pipeline import Pipeline
from tandemdb.planner.syntax import ast
from tandemdb.storage.location import BLOCK_BITS
from tandemdb.storage.reading import PAGE_SHIFT, PLACE_IN_BLOCK, PLACE_IN_PAGE

if TYPE_CHECKING:
    from tandemdb.planner.change.update_delete import ChangeEmitter

FIRST = itemgetter(0)
FIND = re.compile(r"(\w+)\.find\((\w+)\)")
SCAN_START, SCAN_END = "chain(context.watched(", ".record_lists()))"


class Rows:
    """`single`: one row at most; `spot`: the names of its page, block and index, once sought. Once collected, `classes`
    are what the new values behind key and record may hold, and `in_order` tells whether the list was sorted by keys.
    """

    __slots__ = (
        "change", "core", "scope", "source", "key", "single", "classes", "in_order", "pipeline", "order", "listed",
        "path", "spot", "guess",
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
        self.path: Path | None = None
        self.spot: tuple[str, ...] = ()
        self.guess: tuple[str, ...] = ()
        if node.order_by or node.limit is not None or getattr(node, "source", None) is not None:
            self.bind_limits()
            self.listed = queries.core_rows(core, scope.query)
        else:
            self.order = OrderEmitter(queries, core, scope.query)
            self.pipeline, plan = queries.pipeline(core, self.order)
            self.path = None if plan is None else plan.steps[0].path
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
        """Let the look-up of the one row tell its place, too (`spot`); the text of both, None if no look-up is there.

        item_0 = table_item_1.find(p0)        item_0_place = table_item_1.seek(p0)
        if item_0 is not None:                if item_0_place is not None:
                                                  item_0, page_1, block_1, index_1 = item_0_place
        """
        assert self.pipeline is not None
        variable, clauses = self.source.variable, self.pipeline.clauses
        if self.change.session.plan_settings is not None:
            return None  # A function of the user's might change the table before the statement does.
        for at, clause in enumerate(clauses):
            found = FIND.fullmatch(clause.text) if clause.kind == "let" and clause.target == variable else None
            if found is not None:
                return self.seek_at(at, found[1], found[2])
        return None

    def seek_at(self, at: int, table: str, key: str) -> str:
        """As `seek`, where the look-up is the clause at this place."""
        assert self.pipeline is not None
        clauses, variable, place = self.pipeline.clauses, self.source.variable, f"{self.source.variable}_place"
        page, block, index = self.spot = tuple(map(self.change.generator.name, ("page", "block", "index")))
        unpacked = f"{variable}, {page}, {block}, {index}"
        look_up, rest = clauses[at], clauses[at + 1 :]
        tested = bool(rest) and rest[0].kind == "if" and rest[0].target == f"{variable} is not None"
        if not at and tested and self.change.generator.written_out and self.is_rowid(key):
            self.write_guess(table, key, unpacked, place)
            clauses[:1] = []
            return f"({unpacked})"
        if at and not rest and self.change.generator.whole and not self.change.table.without_rowid:
            clauses.pop()
            self.guess = table, key, unpacked, place
            return f"({unpacked})"
        new = [look_up._replace(target=place, text=f"{table}.seek({key})")]
        if tested:
            new.append(rest.pop(0)._replace(target=f"{place} is not None"))
        clauses[at:] = [*new, look_up._replace(target=unpacked, text=place), *rest]
        return place

    def open(self) -> None:
        """Write the head of the pipeline; behind it, the look-up of a row that another key has found."""
        assert self.pipeline is not None
        self.pipeline.open(self.change.frame)
        if self.guess:
            self.write_guess(*self.guess)

    def is_rowid(self, key: str) -> bool:
        """Whether this names a bound value that the plan's guard takes for an integer, and records bear the rowid."""
        generator = self.change.generator
        number = int(key[1:]) if key[0] == "p" and key[1:].isdecimal() else -1
        known = number in generator.sensitive and generator.types[number] is int
        return known and self.change.table.rowid_position >= 0

    def write_guess(self, table: str, key: str, unpacked: str, place: str) -> None:
        """Write the look-up out as far as `TableReading.seek` guesses: 0.2 us of 1.7 for an UPDATE."""
        variable = unpacked.split(", ")[0]
        write_guess(self.change, table, key, unpacked)
        frame = self.change.frame
        frame.emit(f"if {variable} is None:")
        frame.emit(f"    {place} = {table}.seek({key})")
        frame.emit(f"    if {place} is not None:")
        frame.emit(f"        {unpacked} = {place}")

    def in_one_pass(self) -> bool:
        """Whether SQLite changes each row as it finds it, by an index that it does not change."""
        change, path = self.change, self.path
        node = change.node
        if not isinstance(node, ast.Update) or path is None or node.returning or change.has_side_effects():
            return False
        if path.key is None or path.kind == "hash":
            return False
        columns = change.table.by_name
        set_here = {columns[name.lower()].position for item in node.assignments for name in item.columns
                    if name.lower() in columns}  # fmt: skip
        return not path.key.computed and not any(column.position in set_here for column in path.key.columns)

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
        # LIMIT has chosen by ORDER BY; they change in another order.
        if not self.single and change.order_shows() and not self.in_one_pass():
            frame.emit(f"{rows}.sort(key={change.generator.helper(FIRST, 'first')})")
            self.in_order = True
        return rows


def write_guess(emitter: Any, table: str, key: str, unpacked: str) -> None:
    """Write what `TableReading.seek` tries first; the record is None if it is not where it would be without gaps."""
    frame, generator, position = emitter.frame, emitter.generator, emitter.table.rowid_position
    location, first = generator.name("location"), generator.name("from_first")
    variable, page, block, index = unpacked.split(", ")
    found = f"{location}.pages[{page}].blocks[{block}]"
    frame.emit(f"{variable} = None")
    frame.emit(f"{location} = {table}.location")
    frame.emit(f"if {location}.first is not None and ({first} := {key} - {location}.first) >= 0:")
    frame.emit(f"    {page} = {first} >> {PAGE_SHIFT}")
    frame.emit(f"    {block} = {first} >> {BLOCK_BITS} & {PLACE_IN_PAGE}")
    frame.emit(f"    {index} = {first} & {PLACE_IN_BLOCK}")
    frame.emit("    try:")
    if position >= 0:
        frame.emit(f"        {variable} = {found}.records[{index}]")
        frame.emit(f"        if {variable}[{position}] != {key}:")
        frame.emit(f"            {variable} = None")
    else:
        frame.emit(f"        if {found}.keys[{index}] == {key}:")
        frame.emit(f"            {variable} = {found}.records[{index}]")
    frame.emit("    except IndexError:")
    frame.emit("        pass")
