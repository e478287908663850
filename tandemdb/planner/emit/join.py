"""One step of a join in a pipeline: inner, left, right or full.

    INNER   for k in <path> if <conditions>
    LEFT    for k in ([k for k in <path> if <ON>] or null_row)          the rest of WHERE is tested after
    RIGHT   pairs made beforehand: every match, then each right row without one beside a row of NULLs
    FULL    and each left row without a match beside a row of NULLs
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from tandemdb.planner.access.join_order import Step
from tandemdb.planner.access.paths import Path, row_count
from tandemdb.planner.bind.bound import (
    HOLDS_NULL,
    HOLDS_NUMBER,
    Column,
    Expr,
    FunctionCall,
    Local,
    QueryValue,
    Source,
    UserCall,
    sources_of,
    walk,
)
from tandemdb.planner.bind.traits import is_constant
from tandemdb.planner.emit.condition import PYTHON_COMPARISON
from tandemdb.planner.emit.counted_join import count_matches
from tandemdb.planner.emit.hash_join import hash_key
from tandemdb.planner.emit.pipeline import Pipeline
from tandemdb.planner.emit.source import SourceReader
from tandemdb.planner.emit.subquery import runs_once
from tandemdb.planner.runtime import helpers as runtime
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

NEVER_EARLY = (FunctionCall, UserCall, Local)
"""What must not be computed for rows that no other row leads to: it may fail, or is known in one place only."""
NO_MATCH = ", ())"
"""How a look-up in a dictionary of lists ends: nothing is found under a value that is not there."""


def emit_step(queries: QueryEmitter, pipeline: Pipeline, step: Step) -> None:
    """Append a step's clauses to the pipeline."""
    source = step.source
    if source.join in ("RIGHT", "FULL"):
        emit_full(queries, pipeline, step)
    elif source.join == "LEFT":
        emit_left(queries, pipeline, step)
    else:
        own = own_filters(queries, step)
        tests = [queries.expressions.true(c) for c in own]
        conjuncts = own if step.path.kind == "hash" else step.filters
        reader = SourceReader(queries, source, step.path, pipeline, tests, conjuncts)
        reader.filters = step.filters
        if queries.counted is source and len(own) == len(step.filters):
            count_matches(reader, pipeline)
            return
        reader.write()
        for conjunct in cheapest_first([c for c in step.filters if not any(c is item for item in own)]):
            pipeline.test(queries.expressions.true(conjunct))
    for conjunct in step.after:
        pipeline.test(queries.expressions.true(conjunct))
    if pipeline.matches is not None:
        return
    if source.variable not in pipeline.unread:
        remember(pipeline, source)
    pipeline.cut_if_deep(queries.generator, queries.frame)


def cheapest_first(conjuncts: Sequence[Expr]) -> list[Expr]:
    """The conditions with comparisons of numbers before those of texts, where nothing between them could fail."""
    found: list[Expr] = []
    run: list[tuple[int, Expr]] = []
    for conjunct in conjuncts:
        cost = comparison_cost(conjunct)
        if cost is not None:
            run.append((cost, conjunct))
            continue
        found += [*in_order_of_cost(run), conjunct]
        run = []
    return found + in_order_of_cost(run)


def in_order_of_cost(run: Sequence[tuple[int, Expr]]) -> list[Expr]:
    return [conjunct for _, conjunct in sorted(run, key=itemgetter(0))]


def comparison_cost(conjunct: Expr) -> int | None:
    """0 for comparing a column's numbers with a constant, or with NULL; 1 for other values; None for anything else.

    2 for what costs more, but cannot fail either; 3 for looking for a pattern, which fails only where that is beyond
    SQLite's limit.
    """
    if isinstance(conjunct, ast.Like):
        parts = (conjunct.operand, conjunct.pattern)
        plain = conjunct.escape is None and is_constant(conjunct.pattern)
        return 3 if plain and all(cannot_fail(node) for part in parts for node in walk(part)) else None
    if isinstance(conjunct, ast.InList):
        return 2 if all(map(cannot_fail, walk(conjunct))) else None
    if isinstance(conjunct, ast.IsNull):
        return 0 if isinstance(conjunct.operand, Column) else None
    if not isinstance(conjunct, ast.Binary) or conjunct.operator not in PYTHON_COMPARISON:
        return None
    column, other = conjunct.left, conjunct.right
    if isinstance(other, Column):
        column, other = other, column
    if not isinstance(column, Column) or not (is_constant(other) or is_made_once(other)):
        return 2 if all(map(cannot_fail, walk(conjunct))) else None
    classes = column.source.columns[column.position].classes
    return int(bool(classes & ~(HOLDS_NUMBER | HOLDS_NULL)))


def cannot_fail(node: Expr) -> bool:
    if isinstance(node, FunctionCall):
        return node.name in HARMLESS
    return isinstance(node, (Column, ast.Literal, ast.Parameter, ast.InList)) or (
        isinstance(node, ast.Binary) and node.operator in PYTHON_COMPARISON
    )


HARMLESS = frozenset({"substr", "substring", "length", "upper", "lower", "trim", "ltrim", "rtrim", "instr"})
"""Functions that take whatever they are given."""


def is_made_once(expression: Expr) -> bool:
    return isinstance(expression, QueryValue) and runs_once(expression.query)


def own_filters(queries: QueryEmitter, step: Step) -> list[Expr]:
    """Conditions on a hashed source alone, which are tested while its dictionary is made, not for every pair."""
    source, path = step.source, step.path
    if path.kind != "hash" or source.table is None:
        return []
    if path.repeated * path.rows < row_count(source, queries.generator.roots) and not source.live:
        return []  # Fewer rows are looked up than there are: better test those, and keep the dictionary of all.
    return [
        conjunct
        for conjunct in (*step.filters, *source.implied)
        if sources_of(conjunct) == {source}
        and not any(hasattr(node, "query") or isinstance(node, NEVER_EARLY) for node in walk(conjunct))
    ]


def remember(pipeline: Pipeline, source: Source) -> None:
    if source.variable not in pipeline.variables:
        pipeline.variables.append(source.variable)
    if source.uses_key and source.key_variable not in pipeline.variables:
        pipeline.variables.append(source.key_variable)


def null_row(queries: QueryEmitter, source: Source) -> str:
    """The name of a row of NULLs as wide as the source."""
    return queries.generator.helper((None,) * len(source.columns), f"null_row_{len(source.columns)}")


def target_of(source: Source) -> str:
    return f"({source.key_variable}, {source.variable})" if source.uses_key else source.variable


def emit_left(queries: QueryEmitter, pipeline: Pipeline, step: Step) -> None:
    source = step.source
    inner = Pipeline()
    was, source.nullable = source.nullable, False
    queries.expressions.forget()
    own = own_filters(queries, step)
    reader = SourceReader(queries, source, step.path, inner, [queries.expressions.true(c) for c in own], own)
    if queries.counted is source and len(own) == len(step.filters):
        count_matches(reader, pipeline)
        source.nullable = was
        queries.expressions.forget()
        return
    reader.write()
    for conjunct in step.filters:
        if not any(conjunct is item for item in own):
            inner.test(queries.expressions.true(conjunct))
    source.nullable = was
    queries.expressions.forget()
    if emit_with_default(queries, pipeline, inner, source):
        return
    nothing = null_rows(queries, source)
    if inner.is_comprehension:
        matches = inner.comprehension(target_of(source))
    else:
        matches = matching_function(queries, pipeline, inner, source)
    pipeline.loop(target_of(source), f"({matches} or {nothing})")


def emit_with_default(queries: QueryEmitter, pipeline: Pipeline, inner: Pipeline, source: Source) -> bool:
    """Write one look-up without further conditions, a row of NULLs where it finds none; False where there is more."""
    clauses, nothing = inner.clauses, null_rows(queries, source)
    kinds = [clause.kind for clause in clauses]
    text = clauses[0].text
    if kinds == ["for"] and text.startswith("hash_") and text.endswith(NO_MATCH):
        pipeline.loop(target_of(source), f"{text.removesuffix(NO_MATCH)}, {nothing})")
    elif kinds == ["for"] and text.startswith("under_"):
        pipeline.loop(target_of(source), f"({text} or {nothing})")
    elif kinds == ["let", "if"] and not source.uses_key and clauses[1].target == f"{source.variable} is not None":
        pipeline.let(source.variable, f"({text} or {null_row(queries, source)})")
    else:
        return False
    return True


def null_rows(queries: QueryEmitter, source: Source) -> str:
    """The name of a list of one row of NULLs, beside its unique key where that is read."""
    nulls = (None,) * len(source.columns)
    rows = ((None, nulls),) if source.uses_key else (nulls,)
    return queries.generator.helper(rows, f"null_rows_{len(source.columns)}{'_keyed' if source.uses_key else ''}")


def matching_function(queries: QueryEmitter, pipeline: Pipeline, inner: Pipeline, source: Source) -> str:
    """A call of a local function that lists the matches, for clauses that do not fit a comprehension."""
    from tandemdb.planner.emit.writer import Frame

    generator = queries.generator
    frame = Frame(generator.name("matches"), list(pipeline.variables), queries.frame)
    name = inner.collect(generator, frame, target_of(source), "matched")
    frame.emit(f"return {name}")
    queries.frame.emit_setup_lines(["    " + line for line in frame.source()])
    return f"{frame.name}({', '.join(pipeline.variables)})"


def emit_full(queries: QueryEmitter, pipeline: Pipeline, step: Step) -> None:
    """RIGHT and FULL: the pairs are made before the loops that follow."""
    source, frame, generator = step.source, queries.frame, queries.generator
    held = list(pipeline.variables)
    pipeline.cut(generator, frame)
    left_rows = pipeline.clauses[0].text
    scan = Pipeline()
    SourceReader(queries, source, Path("scan", 0.0, 0.0), scan).write()
    right_rows = scan.collect(generator, frame, target_of(source), "right")
    test = " and ".join(queries.expressions.true(c) for c in (*step.path.used, *step.filters)) or "True"
    nulls = null_row(queries, source)
    right_nulls = f"(None, {nulls})" if source.uses_key else nulls
    pairs = generator.name("pairs")
    left_nulls = ", ".join(left_null(queries, name) for name in held)
    group = f"({', '.join(held)},)"
    frame.emit(f"{pairs}, matched = [], set()")
    candidates, probe = f"enumerate({right_rows})", ""
    if step.path.terms:
        candidates, probe = write_lookup(queries, step, right_rows)
    frame.emit(f"for {group} in {left_rows}:")
    if probe:
        frame.emit(f"    sought = {probe}")
    frame.emit(f"    hits = [place for place, {target_of(source)} in {candidates} if {test}]")
    frame.emit("    if hits:")
    frame.emit("        matched.update(hits)")
    frame.emit(f"        {pairs}.extend([({', '.join(held)}, {right_rows}[place]) for place in hits])")
    if source.join == "FULL":
        frame.emit("    else:")
        frame.emit(f"        {pairs}.append(({', '.join(held)}, {right_nulls}))")
    frame.emit(
        f"{pairs}.extend([({left_nulls}, row) for place, row in enumerate({right_rows}) if place not in matched])"
    )
    pipeline.clauses = []
    pipeline.loop(f"({', '.join(held)}, {target_of(source)})", pairs)


def write_lookup(queries: QueryEmitter, step: Step, right_rows: str) -> tuple[str, str]:
    """Gather the right rows by what equalities compare; what lists those that may match, and what it looks for."""
    source, frame = step.source, queries.frame
    reader = SourceReader(queries, source, step.path, Pipeline())
    own = [hash_key(reader, term, of_source=True).text for term in step.path.terms]
    sought = [hash_key(reader, term, of_source=False).text for term in step.path.terms]
    name = queries.generator.name("right_by_key")
    frame.emit(f"{name} = {{}}")
    frame.emit(f"for place, {target_of(source)} in enumerate({right_rows}):")
    frame.emit(f"    {name}.setdefault(({', '.join(own)},), []).append((place, {target_of(source)}))")
    return f"{name}.get(sought, ())", f"({', '.join(sought)},)"


def left_null(queries: QueryEmitter, name: str) -> str:
    """The NULL stand-in of a pipeline variable: a row of NULLs, or None for a key."""
    for source in queries.frame.sources:
        if source.variable == name:
            return null_row(queries, source)
    return "None"


__all__ = ["emit_step", "runtime"]
