"""Plans: a statement compiled to one Python function, with the conditions under which it may be used again.

    Plan
     +- run(roots, params, context) -> the rows (`flat`) or batches of them; None if the plan does not fit
     +- guards: ((database, table id, classes), ...)       columns hold no class that the code does not expect
     +- sizes:  ((database, table id, low, high), ...)     row counts for which the join order was chosen
     +- types:  ((index, type), ...)                       classes of bound values that the code relies on

A statement keeps several plans where its tables or values change between such classes; one that no longer fits is
left for
another or compiled anew.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from tandemdb.planner.bind.bound import HOLDS_INT, CommonRows, Core, Query
from tandemdb.planner.bind.query import Binder, UserFunctions
from tandemdb.planner.emit.order import OrderEmitter
from tandemdb.planner.emit.query import QueryEmitter, is_whole_record
from tandemdb.planner.emit.writer import Generator, compile_source
from tandemdb.planner.namespace import Namespace
from tandemdb.planner.runtime.recursion import in_batches
from tandemdb.planner.syntax import ast
from tandemdb.planner.user_functions import NOTHING, REGISTRATIONS_MAX
from tandemdb.storage.collector import with_collector_paused

if TYPE_CHECKING:
    from tandemdb.planner.authorization import Authority

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
SIZE_FACTOR, SIZE_SLACK = 8, 256
"""A join is planned again when a table's row count leaves the range from a SIZE_FACTOR-th to SIZE_FACTOR times, plus
slack.
"""

SCAN = re.compile(r"chain\((context\.watched\((?:table_\w+\.record_lists\(\)|lists_\d+)\))\)\Z")
"""A loop over a whole table, or over what is left of it (see `emit.narrowing`)."""
Batches = Iterable[list[tuple[Any, ...]]]


class Plan:
    """A compiled query; `source` is its generated Python, `explanation` the lines of EXPLAIN QUERY PLAN."""

    __slots__ = ("run", "guards", "sizes", "types", "columns", "source", "explanation", "streams", "column_types",
                 "pinned",
                 "settings", "affinities", "questions", "suited", "checks_all", "flat", "uses_context", "runs_programs",
    )  # fmt: skip

    def __init__(self, run: Callable[..., Batches], columns: tuple[str, ...] | None) -> None:
        self.run = run
        self.columns = columns
        self.guards: tuple[tuple[int, int, Any], ...] = ()
        self.sizes: tuple[tuple[int, int, int, int], ...] = ()
        self.types: tuple[tuple[int, type], ...] = ()
        self.source = ""
        self.explanation: list[tuple[int, int, int, str]] = []
        self.streams = False
        self.column_types: tuple[str | None, ...] = ()
        self.pinned = False
        self.settings: Any = None
        self.questions: dict[Any, Any] = {}
        self.suited: dict[Any, bool] = {}
        self.runs_programs = False
        """Whether it runs triggers or actions of foreign keys, compiled apart: its questions do not tell of those."""
        self.checks_all = False
        self.flat = False
        self.uses_context = True
        self.affinities: tuple[str | None, ...] = ()

    def iterate(self, result: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of what `run` gave: a plan that makes all its rows at once gives them as one list (`flat`)."""
        return iter(result) if self.flat else chain.from_iterable(result)

    def suits(self, settings: Any) -> bool:
        """Whether the plan is right for a connection's settings and registered functions."""
        if self.settings == settings:
            return True
        if self.runs_programs:
            return False
        found = self.suited.get(settings)
        if found is None:
            users = settings
            found = True
            if isinstance(settings, tuple):
                found, users = settings[:-1] == self.settings[:-1], settings[-1]
            if len(self.suited) >= REGISTRATIONS_MAX:
                self.suited.clear()
            found = self.suited[settings] = found and (users or NOTHING).gives(self.questions)
        return found

    def fits(self, roots: Sequence[Any], params: Sequence[Any]) -> bool:
        """Whether the plan may run on these tables and values."""
        for database, table_id, classes in self.guards:
            held = roots[database].tables[table_id].classes
            if held is not classes and held != classes:
                return False
        for index, kind in self.types:
            if type(params[index]) is not kind:
                return False
        for database, table_id, low, high in self.sizes:
            if not low <= roots[database].tables[table_id].count <= high:
                return False
        return True


AnyPlan = TypeVar("AnyPlan", bound=Plan)


def compile_select(
    node: ast.Select,
    namespace: Namespace,
    roots: Sequence[Any],
    params: Sequence[Any],
    users: UserFunctions,
    literal_base: int | None,
    name: str,
    authority: Authority | None = None,
) -> Plan:
    """Compile a SELECT for the tables of `roots` and values of the classes of `params`.

    `literal_base` is the place of the first lifted literal among the bound values; None keeps literals in the code.

    Raises:
        OperationalError: as sqlite3 words what is wrong with the statement.
    """
    binder = new_binder(namespace, roots, users, authority)
    query = binder.bind_select(node, None)
    generator = new_generator(params, roots, literal_base)
    generator.reserved = binder.variables
    generator.narrows = True
    emitter = QueryEmitter(generator, generator.main, None)
    form = write_top(emitter, query)
    joins = sum(len(core.sources) for core in query.cores) > 1 or len(binder.tables_read) > 1
    sizes = size_ranges(binder) if joins else ()
    guard_here(generator, binder, sizes)
    leave_at_once(emitter, query, "return []")
    plan = finish_plan(generator, binder, name, tuple(column.name for column in query.columns), Plan)
    plan.streams = form == "stream"
    plan.flat = form == "rows"
    plan.uses_context = generator.needs_context or bool(binder.user_calls)
    if plan.flat and makes_many(query, generator, binder):
        plan.run = with_collector_paused(plan.run)
    plan.sizes = sizes
    plan.checks_all = checks_values(generator, len(params))
    plan.explanation = emitter.explanation.lines
    plan.column_types = tuple(column.type_name for column in query.columns)
    plan.affinities = tuple(column.affinity for column in query.columns)
    return plan


def makes_many(query: Query, generator: Generator, binder: Binder) -> bool:
    """Whether a plan may make so much that Python's collector would walk it again and again.

    Not where functions of the program's own run meanwhile: what they leave behind is theirs to have collected.
    """
    if binder.user_calls or not generator.reads_many or any(kind == "collation" for kind, *_ in binder.users.asked):
        return False
    return query.limit is None or any(core.is_aggregate for core in query.cores)


def checks_values(generator: Generator, count: int) -> bool:
    """Whether the generated guard looks at the class of every bound value; those of literals are the shape's own."""
    bound = count if generator.literal_base is None else generator.literal_base
    return all(f"p{at}" in generator.hoisted and at in generator.sensitive for at in range(bound))


def size_ranges(binder: Binder) -> tuple[tuple[int, int, int, int], ...]:
    """The row counts for which the join order holds good."""
    return tuple(
        (database, table_id, table.count // SIZE_FACTOR, table.count * SIZE_FACTOR + SIZE_SLACK)
        for (database, table_id), table in binder.tables_read.items()
    )


def guard_here(generator: Generator, binder: Binder, sizes: Sequence[tuple[int, int, int, int]]) -> None:
    """Write the plan's conditions at the head of its function, which gives None where one does not hold."""
    guard = guard_of(generator, binder, sizes)
    unpack_parameters(generator)
    if guard:
        generator.main.loads.append(f"    if {guard}:")
        generator.main.loads.append("        return None")


def guard_of(generator: Generator, binder: Binder, sizes: Sequence[tuple[int, int, int, int]]) -> str:
    """The plan's conditions turned round: what holds where it does not fit; empty if it always does."""
    tests = []
    for (database, table_id), table in binder.tables_read.items():
        name = generator.tables.get((database, table_id)) or f"roots[{database}].tables[{table_id}]"
        classes = generator.helper(table.classes, f"classes_{table_id}")
        tests.append(f"{name}.classes is not {classes} and {name}.classes != {classes}")
    for database, table_id, low, high in sizes:
        name = generator.tables.get((database, table_id)) or f"roots[{database}].tables[{table_id}]"
        tests.append(f"not {low} <= {name}.count <= {high}")
    for index in bound_sensitive(generator):
        name = f"p{index}" if f"p{index}" in generator.hoisted else f"params[{index}]"
        kind = generator.types[index]
        tests.append(f"{name} is not None" if kind is type(None) else f"type({name}) is not {kind.__name__}")
        if kind is int:
            tests.append(f"not {INTEGER_MIN} <= {name} <= {INTEGER_MAX}")
        elif kind is float:
            tests.append(f"{name} != {name}")
        elif kind is str:
            tests.append(f"not {name}.isascii() and {generator.helper(has_surrogates)}({name})")
    return " or ".join(tests)


def leave_at_once(emitter: QueryEmitter, query: Query, *nothing: str) -> None:
    """Write what a query with LIMIT 0 comes to before anything is computed, for computing it might raise an error."""
    if not isinstance(query.limit, (ast.Literal, ast.Parameter)):
        return
    if not query.order_by and {*query.operators} - {"UNION ALL"}:
        return  # SQLite has read all rows of these before it looks at LIMIT.
    limit = emitter.expressions.value(query.limit)
    is_known = isinstance(query.limit, ast.Literal) and not limit.text.startswith("p")
    if limit.classes == HOLDS_INT and (limit.text == "0" or not is_known):
        loads = emitter.generator.main.loads
        loads.append(f"    if {limit.text} == 0:")
        loads += [f"        {line}" for line in nothing]


def bound_sensitive(generator: Generator) -> list[int]:
    """The places of bound values on whose class the code relies. A lifted literal's is part of the shape."""
    base = generator.literal_base
    return sorted(generator.sensitive if base is None else [at for at in generator.sensitive if at < base])


def unpack_parameters(generator: Generator) -> None:
    """Load all values in one line where each is read: `p0, p1 = params`."""
    loads = generator.main.loads
    names = [f"p{place}" for place in range(len(generator.types))]
    if len(names) > 1 and all(name in generator.hoisted for name in names):
        single = {f"    {name} = params[{place}]" for place, name in enumerate(names)}
        loads[:] = [f"    {', '.join(names)} = params", *(line for line in loads if line not in single)]


def has_surrogates(text: str) -> bool:
    """Whether the text cannot be stored: who bound it must be told."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def new_binder(
    namespace: Namespace, roots: Sequence[Any], users: UserFunctions, authority: Authority | None, **options: bool
) -> Binder:
    """A binder; with an authority, one that reads NULL where an authorizer said so."""
    if authority is None:
        return Binder(namespace, roots, users, **options)
    from tandemdb.planner.authorization import AuthorizedBinder

    return AuthorizedBinder(namespace, roots, users, authority, **options)


def new_generator(params: Sequence[Any], roots: Sequence[Any], literal_base: int | None) -> Generator:
    generator = Generator([type(value) for value in params], roots)
    generator.literal_base = literal_base
    return generator


def finish_plan(
    generator: Generator, binder: Binder, name: str, columns: tuple[str, ...] | None, kind: type[AnyPlan]
) -> AnyPlan:
    """Compile what was written and note the conditions it relies on."""
    source = "\n".join(generator.main.source()) + "\n"
    bound = {**generator.bound, "__builtins__": builtins}
    plan = kind(compile_source(source, name, bound), columns)
    plan.source = source
    plan.guards = tuple(
        (database, table_id, table.classes) for (database, table_id), table in binder.tables_read.items()
    )
    plan.types = tuple((index, generator.types[index]) for index in bound_sensitive(generator))
    plan.pinned = bool(binder.pinned)
    plan.questions = binder.users.asked
    return plan


def write_top(emitter: QueryEmitter, query: Query) -> str:
    """Write the statement's own query; what it returns: "rows", "batches" that are there, or a "stream" of them."""
    frame = emitter.frame
    core = query.cores[0]
    if can_stream(query, core):
        emitter.common(query)
        return write_stream(emitter, core)
    rows = emitter.rows(query)
    frame.emit(f"return {rows}")
    return "rows"


def can_stream(query: Query, core: Core) -> bool:
    return (
        len(query.cores) == 1
        and not query.order_by
        and query.limit is None
        and core.values is None
        and not core.is_aggregate
        and not core.windows
        and not core.distinct
        and bool(core.sources)
    )


def reads_growing(core: Core) -> bool:
    """Whether a recursive table is read, which need not have an end."""
    return any(isinstance(source.function, CommonRows) and source.function.recursive for source in core.sources)


def write_stream(emitter: QueryEmitter, core: Core) -> str:
    """Rows that need nothing but the loops: a batch for each block of the outermost table."""
    frame, generator = emitter.frame, emitter.generator
    order = OrderEmitter(emitter, core, None)
    pipeline, _ = emitter.pipeline(core, order)
    element = emitter.element(core, order)
    first = pipeline.clauses[0] if pipeline.clauses else None
    lists = None
    if first is not None and first.kind == "for" and (found := SCAN.match(first.text)):
        lists = found[1]
    if lists is None and pipeline.is_comprehension and reads_growing(core):
        rows = pipeline.comprehension(element, "(", ")")
        frame.emit(f"return {generator.helper(in_batches)}({rows})")
        return "stream"
    if lists is None or not pipeline.is_comprehension:
        rows = pipeline.collect(generator, frame, element)
        frame.emit(f"return {rows}")
        return "rows"
    assert first is not None
    results = [result.expression for result in core.results]
    if len(pipeline.clauses) == 1 and is_whole_record(core, results):
        frame.emit(f"return {lists}")
        return "batches"
    batch = generator.name("batch")
    pipeline.clauses[0] = first._replace(text=batch)
    frame.emit("def batches():")
    frame.emit(f"    for {batch} in {lists}:")
    frame.emit(f"        yield {pipeline.comprehension(element)}")
    frame.emit("return batches()")
    return "stream"
