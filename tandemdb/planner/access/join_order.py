"""Join order: which source is read first, and how each next one is found.

    FROM a, b, c WHERE a.x = b.id AND b.y = c.id AND c.name = 'n'

    step 1  c  by its key on name                    1 row
    step 2  b  hash on y = c.id                      10 rows
    step 3  a  hash on x = b.id                      100 rows

Greedy: at each step the source that keeps the result smallest for its cost, tried from every first source while there
are few. Where that is one that no condition links to those there, the order in which such a one waits is tried, too.
Outer joins and CROSS JOIN keep their place behind what they are joined to (`Source.requires`).
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from tandemdb.planner.access.paths import (
    EQUAL_PART,
    OTHER_PART,
    RANGE_PART,
    Path,
    best_path,
    row_count,
    runs_often,
)
from tandemdb.planner.bind.bound import Core, Expr, Source, sources_of
from tandemdb.planner.syntax import ast

CALLS_GUESSED = 200.0
"""How often a correlated subquery is assumed to run."""
UNLINKED_COST = 2.0
"""For each row that a source brings which no condition links to those there: what comes next is looked up as often."""
STARTS_MAX = 8
"""Cores with more sources than this try only the likeliest first sources."""


class Step(NamedTuple):
    """One source of the join: how its rows are found, and the conditions checked on each.

    Of an outer join `filters` are its ON conditions, and `after` the conditions of WHERE that can now be checked.
    """

    source: Source
    path: Path
    filters: Sequence[Expr]
    after: Sequence[Expr] = ()


class JoinPlan(NamedTuple):
    steps: Sequence[Step]
    cost: float
    rows: float
    crosses: bool
    """Whether a source was taken that no condition links to those before it, though one that is linked was left."""


def order_joins(core: Core, roots: Sequence[Any], outside: set[Source]) -> JoinPlan:
    """The cheapest order found for the core's sources; conditions that need no source go to the first step."""
    sources = core.sources
    conditions = Conditions(core, outside)
    if len(sources) == 1:
        return follow(core, sources[0], conditions, roots, outside)
    best: JoinPlan | None = None
    for start in first_sources(core, roots):
        plan = follow(core, start, conditions.anew(), roots, outside)
        if plan.crosses:
            linked = follow(core, start, conditions.anew(), roots, outside, may_cross=False)
            plan = min(plan, linked, key=attrgetter("cost"))
        # The order of FROM is kept unless another is clearly cheaper: results without ORDER BY come in its order.
        weight = 1.0 if start is sources[0] else 1.2
        if best is None or plan.cost * weight < best.cost:
            best = plan._replace(cost=plan.cost * weight)
    assert best is not None
    return best


def first_sources(core: Core, roots: Sequence[Any]) -> Sequence[Source]:
    free = [source for source in core.sources if not source.requires and source.join == "INNER"] or core.sources[:1]
    if len(free) <= STARTS_MAX:
        return free
    rows = {source: row_count(source, roots) for source in free}
    for conjunct in core.conjuncts:
        read = sources_of(conjunct)
        if len(read) == 1 and (source := next(iter(read))) in rows:
            rows[source] *= share_kept(conjunct)
    return sorted(free, key=rows.__getitem__)[:2]


class Conditions:
    """Those of WHERE that no step has checked yet: each is checked as soon as all sources it reads are there.

    `of` has each source's, in their order; those that read none are every source's, and gone after the first step.
    `linked` are the sources that one of them reads together with a source that is there.
    """

    __slots__ = ("of", "checked", "everything", "linked")

    def __init__(self, core: Core, outside: set[Source]) -> None:
        # WHERE looks at the rows that a RIGHT or FULL join has completed, never at what goes into it.
        last = {source for source in core.sources if source.join in ("RIGHT", "FULL")}
        self.everything = everything = set(core.sources)
        self.of: dict[Source, list[tuple[Expr, set[Source]]]] = {source: [] for source in core.sources}
        self.checked: set[int] = set()
        self.linked: set[Source] = set()
        for conjunct in core.conjuncts:
            read = everything if runs_often(conjunct) else (sources_of(conjunct) - outside) | last
            for source in read & everything if read else core.sources:
                self.of[source].append((conjunct, read))

    def anew(self) -> Conditions:
        """The same, none of them checked."""
        copied = Conditions.__new__(Conditions)
        copied.of, copied.everything, copied.checked, copied.linked = self.of, self.everything, set(), set()
        return copied

    def ready(self, source: Source, there: set[Source]) -> list[Expr]:
        """Those that can be checked once the source is there."""
        checked = self.checked
        return [conjunct for conjunct, read in self.of[source] if id(conjunct) not in checked and read <= there]

    def link(self, source: Source, known: set[Source]) -> bool:
        """Whether one reads the source and another that is there already, but for what is put off to the last."""
        checked, everything = self.checked, self.everything
        return any(
            id(conjunct) not in checked and read is not everything and not read.isdisjoint(known)
            for conjunct, read in self.of[source]
        )

    def check(self, step: Step) -> None:
        """Note what a step checks."""
        self.checked.update(id(conjunct) for conjunct in (*step.filters, *step.path.used, *step.after))
        self.linked.update(*[read for _, read in self.of[step.source]])


def follow(
    core: Core,
    start: Source,
    conditions: Conditions,
    roots: Sequence[Any],
    outside: set[Source],
    may_cross: bool = True,
) -> JoinPlan:
    """The greedy plan that begins with `start`; not `may_cross`: what is linked to the sources there goes first."""
    alone: dict[Source, Path] = {}
    known: set[Source] = set()
    steps: list[Step] = []
    rows, cost, crosses = 1.0, 0.0, False
    remaining = list(core.sources)
    step, kept, price = make_step(start, conditions, known, rows, roots, outside, alone)
    while True:
        steps.append(step)
        rows, cost = max(kept, 0.01), cost + price
        known.add(step.source)
        remaining.remove(step.source)
        if not remaining:
            return JoinPlan(steps, cost, rows, crosses)
        conditions.check(step)
        made, crossed = next_step(remaining, conditions, known, rows, roots, outside, alone, may_cross)
        step, kept, price = made
        crosses = crosses or crossed


def next_step(
    remaining: Sequence[Source],
    conditions: Conditions,
    known: set[Source],
    rows: float,
    roots: Sequence[Any],
    outside: set[Source],
    alone: dict[Source, Path],
    may_cross: bool,
) -> tuple[tuple[Step, float, float], bool]:
    """The step, as `make_step` gives it, that promises most behind the sources that are known; whether it crosses."""
    numbers = {source.number for source in known}
    best: Source | None = None
    best_rank, best_made = (False, 0.0), None
    best_linked = any_linked = False
    for source in remaining:
        if not source.requires <= numbers:
            continue
        path = alone.get(source)
        if path is not None and source not in conditions.linked:
            linked, kept, price, made = False, rows * path.rows, rows * path.cost, None
        else:
            linked = conditions.link(source, known) or bool(source.on)
            made = make_step(source, conditions, known, rows, roots, outside, alone)
            _, kept, price = made
        any_linked = any_linked or linked
        score = price + kept * 0.05 + (0.0 if linked else kept * UNLINKED_COST)
        rank = (not linked and not may_cross, score)
        if best is None or rank < best_rank:
            best, best_rank, best_made, best_linked = source, rank, made, linked
    assert best is not None
    made = best_made or make_step(best, conditions, known, rows, roots, outside, alone)
    return made, any_linked and not best_linked


def make_step(
    source: Source,
    conditions: Conditions,
    known: set[Source],
    rows: float,
    roots: Sequence[Any],
    outside: set[Source],
    alone: dict[Source, Path],
) -> tuple[Step, float, float]:
    """The step that adds the source, the rows after it, and its price.

    `alone` gets the path of a source that has no conditions yet: it is the same behind any other.
    """
    there = known | {source}
    ready = conditions.ready(source, there)
    outer = source.join != "INNER"
    if not outer and source.on:
        ready = [*source.on, *ready]  # On the left of a RIGHT or FULL join, whose WHERE comes later.
    usable = [c for c in source.on if sources_of(c) - outside <= there] if outer else ready
    # What a query around this one reads is not counted here; it will be some rows.
    repeated = max(rows, CALLS_GUESSED) if outside else rows
    path = best_path(source, usable, known | outside, roots, repeated)
    if known and not outer and not ready:
        alone[source] = path
    used = {id(conjunct) for conjunct in path.used}
    filters = [conjunct for conjunct in (source.on if outer else ready) if id(conjunct) not in used]
    kept = rows * path.rows
    for conjunct in filters:
        kept *= share_kept(conjunct)
    price = rows * path.cost
    if outer:
        return Step(source, path, filters, ready), max(kept, rows), price
    return Step(source, path, filters), kept, price


def share_kept(conjunct: Expr) -> float:
    if isinstance(conjunct, ast.Binary):
        if conjunct.operator == "=":
            return EQUAL_PART
        if conjunct.operator in ("<", "<=", ">", ">="):
            return RANGE_PART
    return OTHER_PART
