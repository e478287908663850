"""Reading one source inside a pipeline: an access path becomes clauses.

    find     let city_0 = table_city_1.find(p0) ; if city_0 is not None
    unique   let city_0_key = table_city_1.keys[7].first(2, p0) ; if ... ; let city_0 = table_city_1.find(city_0_key)
    key      for city_0 in table_city_1.find_many(table_city_1.keys[7].equal(2, p0))
             for city_0 in under_1[k_1[2]]               under_1 = rows_under(table_city_1, 7, 1, 'records')
    range    for city_0 in chain(table_city_1.range_record_lists(p0, False, p1, True))
    hash     for city_0 in hash_1.get(k_1[2], ())        see hash_join.py
    scan     for city_0 in chain(context.watched(table_city_1.record_lists()))

Where the unique key is needed beside the record, the loops bring both: `for city_0_key, city_0 in ...items()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from tandemdb.planner.access.covering import places_in
from tandemdb.planner.access.paths import Path, Term
from tandemdb.planner.bind.bound import (
    HOLDS_BLOB,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    CommonRows,
    Expr,
    Source,
)
from tandemdb.planner.bind.traits import comparison_affinity, comparison_collation, is_constant
from tandemdb.planner.emit.exists_extreme import read_extreme_under
from tandemdb.planner.emit.hash_join import read_hash
from tandemdb.planner.emit.lookup import READERS
from tandemdb.planner.emit.narrowing import narrowed_lists
from tandemdb.planner.emit.pipeline import Pipeline
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import values
from tandemdb.planner.runtime.kept import finder, records_under, rows_under

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

REPEATED_MIN = 16
"""Fewer look-ups are made in the table itself."""
RANK_OF_CLASSES = {HOLDS_TEXT: 2, HOLDS_BLOB: 3, HOLDS_NULL: 0}


class SourceReader:
    """Writes the clauses that read one source by its access path."""

    __slots__ = ("queries", "source", "path", "pipeline", "generator", "own_tests", "conjuncts", "filters")

    def __init__(
        self,
        queries: QueryEmitter,
        source: Source,
        path: Path,
        pipeline: Pipeline,
        own_tests: Sequence[str] = (),
        conjuncts: Sequence[Expr] = (),
    ) -> None:
        self.queries = queries
        self.source = source
        self.path = path
        self.pipeline = pipeline
        self.generator = queries.generator
        self.own_tests = own_tests
        """Conditions on the source alone, for the making of its dictionary."""
        self.conjuncts = conjuncts
        """Conditions that a record must pass: a scan may leave out what does not."""
        self.filters: Sequence[Expr] = ()
        """Conditions that are tested on each row, those not counted that lead to it."""

    def write(self) -> None:
        """Append the clauses; the source's variable (and key variable) hold its row after them."""
        source = self.source
        if source.table is None:
            if self.path.kind == "hash":
                read_hash(self, self.rows_text)
            else:
                self.pipeline.loop(source.variable, self.rows_text())
            return
        if self.path.kind in READERS:
            READERS[self.path.kind](self)
            return
        readers: dict[str, Callable[[], None]] = {
            "scan": self.read_scan,
            "find": self.read_find,
            "scan_reversed": self.read_scan_reversed,
            "range": self.read_range,
            "range_reversed": self.read_range_reversed,
            "primary": self.read_primary,
            "primary_prefix": self.read_primary_prefix,
            "unique": self.read_unique,
            "key": self.read_key,
            "key_reversed": self.read_key,
            "hash": lambda: read_hash(self, self.scan_text),
        }
        readers[self.path.kind]()

    @property
    def target(self) -> str:
        source = self.source
        return f"{source.key_variable}, {source.variable}" if source.uses_key else source.variable

    @property
    def table(self) -> str:
        source = self.source
        assert source.table is not None
        return self.generator.table(source.database, source.table.id, source.table.name)

    # ---- rows that are made

    def rows_text(self) -> str:
        """An expression for the rows of a source that is not a stored table."""
        source = self.source
        if isinstance(source.function, CommonRows):
            rows = self.queries.common_rows(source.function)
            self.note_classes(rows)
            # What a recursive step reads is one generation, counted by `recursion`.
            return rows if rows == "queue" else f"context.watched_rows({rows})"
        if source.function is not None:
            arguments = ", ".join(self.queries.expressions.value(item).text for item in source.arguments)
            self.generator.needs_context = True
            name = self.generator.helper(source.function.rows, f"rows_of_{source.function.name}")
            return f"{name}(context, {arguments})"
        assert source.query is not None
        rows = self.queries.materialized(source.query, source.alias)
        self.note_classes(rows)
        return f"context.watched_rows({rows})"

    def note_classes(self, rows: str) -> None:
        """Let expressions know what the columns hold, and where, now that what brings their rows is written."""
        source = self.source
        bare = self.generator.bare.get(rows)
        if bare is not None:
            source.places = {bare: ""} if bare >= 0 else {}
        found = self.generator.row_classes.get(rows)
        if found is not None and len(found) == len(source.columns):
            source.columns = [
                column._replace(classes=classes) for column, classes in zip(source.columns, found, strict=True)
            ]
        self.queries.expressions.forget()

    # ---- whole tables

    def scan_text(self) -> str:
        if self.source.uses_key:
            return f"context.watched_items({self.table})"
        flatten = self.generator.helper(chain.from_iterable, "chain")
        lists = narrowed_lists(self, self.conjuncts) or f"{self.table}.record_lists()"
        return f"{flatten}(context.watched({lists}))"

    def read_scan(self) -> None:
        self.pipeline.loop(self.target, self.scan_text())

    def read_scan_reversed(self) -> None:
        method = "reversed_items" if self.source.uses_key else "reversed_records"
        self.pipeline.loop(self.target, f"{self.table}.{method}()")

    # ---- by the unique key

    def read_find(self) -> None:
        source = self.source
        code = self.operand(self.path.terms[0])
        text = self.named(code)
        if code.nullable or code.classes & (HOLDS_TEXT | HOLDS_BLOB):
            types = self.generator.helper(NUMBER_TYPES, "number_types")
            self.pipeline.test(f"type({text}) in {types}")
        self.pipeline.let(source.variable, f"{self.finder()}({text})")
        self.pipeline.test(f"{source.variable} is not None")
        if source.uses_key:
            self.pipeline.let(source.key_variable, f"int({text})" if code.classes != HOLDS_INT else text)

    def finder(self) -> str:
        """What finds a record by its unique key: the table, or a dictionary where there are many to find."""
        if not self.is_repeated():
            return f"{self.table}.find"
        maker = self.generator.helper(finder)
        return self.made_once(f"{maker}(context, {self.table}, {round(self.path.repeated)})", "find")

    def is_repeated(self) -> bool:
        """Whether so many look-ups are expected that what they find is worth keeping."""
        return self.path.repeated >= REPEATED_MIN and not self.generator.live

    def made_once(self, text: str, prefix: str) -> str:
        """The name of what joins keep of a table, asked for once in an execution."""
        self.generator.needs_context = True
        found = self.generator.hoisted.get(text)
        if found is None:
            name = self.generator.name(prefix)
            self.generator.main.emit_setup(f"{name} = {text}")
            found = self.generator.hoisted[text] = Code(name)
        return found.text

    def read_range(self) -> None:
        bounds = self.bounds_text(self.path.low, self.path.high)
        if self.source.uses_key:
            self.pipeline.loop(self.target, f"{self.table}.range_items({bounds})")
        else:
            flatten = self.generator.helper(chain.from_iterable, "chain")
            lists = f"{self.table}.range_record_lists({bounds})"
            self.pipeline.loop(self.target, f"{flatten}(context.watched({lists}))")

    def read_range_reversed(self) -> None:
        bounds = self.bounds_text(self.path.low, self.path.high)
        target = f"{self.source.key_variable}, {self.source.variable}"
        self.pipeline.loop(target, f"{self.table}.range_reversed_items({bounds})")

    def bounds_text(self, low: Term | None, high: Term | None) -> str:
        """`low, low_open, high, high_open`; a bound that is NULL or of another class empties or opens the range."""
        parts = []
        for term in (low, high):
            if term is None:
                parts.append("None, False")
                continue
            code = self.operand(term)
            text = self.named(code)
            if code.nullable or code.classes & (HOLDS_TEXT | HOLDS_BLOB):
                # A text is above all numbers; NULL compares as neither.
                test = self.generator.helper(above_numbers if term is high else below_texts)
                self.pipeline.test(f"{test}({text})")
                text = f"{self.generator.helper(number_or_none)}({text})"
            parts.append(f"{text}, {term.operator in ('<', '>')}")
        return ", ".join(parts)

    def read_primary(self) -> None:
        """WITHOUT ROWID: the flat key of (rank, value, rank, value, ...)."""
        source = self.source
        self.pipeline.let(source.key_variable, f"({', '.join(self.flat_key())})")
        self.pipeline.let(source.variable, f"{self.table}.find({source.key_variable})")
        self.pipeline.test(f"{source.variable} is not None")

    def read_primary_prefix(self) -> None:
        parts = ", ".join(self.flat_key())
        bounds = f"({parts}), False, ({parts}, 9), False"
        if self.source.uses_key:
            self.pipeline.loop(self.target, f"{self.table}.range_items({bounds})")
        else:
            flatten = self.generator.helper(chain.from_iterable, "chain")
            self.pipeline.loop(self.target, f"{flatten}({self.table}.range_record_lists({bounds}))")

    def flat_key(self) -> list[str]:
        parts: list[str] = []
        for at, term in enumerate(self.path.terms):
            rank, text, _ = self.component(term, at)
            parts += (rank, text)
        return parts

    # ---- by a secondary key

    def read_unique(self) -> None:
        source = self.source
        if self.is_kept_by_value():
            self.read_under()
            return
        key = self.key_text()
        rank, stored = self.stored_text(self.path.terms)
        self.pipeline.let(source.key_variable, f"{key}.first({rank}, {stored})")
        self.pipeline.test(f"{source.key_variable} is not None")
        self.pipeline.let(source.variable, f"{self.table}.find({source.key_variable})")

    def is_kept_by_value(self) -> bool:
        """Whether equalities with other sources' values ask the key often enough to keep what it answers."""
        path = self.path
        if path.low is not None or path.high is not None or not path.terms or path.kind == "key_reversed":
            return False
        return self.is_repeated() and not all(is_constant(term.expression) for term in path.terms)

    def read_under(self) -> None:
        """Through the dictionary that asks the key once for each value."""
        path, source = self.path, self.source
        texts = [self.operand(term).text for term in path.terms]
        value = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
        if not path.cover and read_extreme_under(self, value, len(texts)):
            return
        maker = self.generator.helper(rows_under)
        form = "keys" if path.cover == "key" else "items" if source.uses_key else "records"
        under = self.made_once(f"{maker}({self.table}, {path.key.id}, {len(texts)}, {form!r})", "under")
        self.pipeline.loop(self.target, f"{under}[{value}]")
        if path.cover == "key":
            self.cover()

    def read_key(self) -> None:
        path = self.path
        if self.is_kept_by_value():
            self.read_under()
            return
        key = self.key_text()
        many = f"{self.table}.find_items" if self.source.uses_key else f"{self.table}.find_many"
        if len(path.terms) == len(path.key.columns):
            rank, stored = self.stored_text(path.terms)
            keys = f"{key}.equal({rank}, {stored})"
        else:
            keys = self.range_of_key(key)
        if path.cover == "entry":
            keys = keys.replace(".range_keys(", ".range_entries(", 1)
        if path.kind == "key_reversed":
            keys = f"{keys}[::-1]"
        if path.cover:
            self.pipeline.loop(self.source.variable, keys)
            self.cover()
        elif not path.terms and path.kind == "key" and self.generator.narrows and not self.source.uses_key:
            self.generator.needs_context = True
            maker = self.generator.helper(records_under)
            self.pipeline.loop(self.target, f"{maker}(context, {self.table}, {keys})")
        else:
            self.pipeline.loop(self.target, f"{many}({keys})")

    def cover(self) -> None:
        """Let expressions read the columns from what of a key's entries the variable holds."""
        source, path = self.source, self.path
        assert source.table is not None
        if path.cover == "entry":
            source.places = places_in(source, path.key)
            self.pipeline.pairs = True
        elif path.cover == "value":
            source.places = {path.key.columns[0].position: ""}
        else:
            source.places = {source.table.rowid_position: ""} if source.table.rowid_position >= 0 else {}
        self.queries.expressions.forget()

    def range_of_key(self, key: str) -> str:
        path = self.path
        if len(path.key.columns) == 1 or not path.terms:
            segment = self.segment_rank()
            low, high = self.segment_bound(path.low, segment), self.segment_bound(path.high, segment)
            if len(path.key.columns) == 1:
                bounds = f"{low or 'None'}, {is_open(path.low)}, {high or 'None'}, {is_open(path.high)}"
                return f"{key}.range_keys({segment}, {bounds})"
            low_text = prefix_bound(low, above=is_open(path.low))
            high_text = prefix_bound(high, above=not is_open(path.high))
            return f"{key}.range_keys({segment}, {low_text}, False, {high_text}, True)"
        # A composite key: the bounds are prefixes of its flat tuples, and (9,) lies above every continuation.
        prefix: list[str] = []
        rank_text = ""
        for at, term in enumerate(path.terms):
            rank, text, _ = self.component(term, at)
            if at == 0:
                rank_text = rank
                prefix.append(text)
            else:
                prefix.extend((rank, text))
        # Behind the prefix come a rank and a value: 0 for NULL, 9 above all.
        low_parts, high_parts = [*prefix, "0.5" if path.low or path.high else "0"], [*prefix, "9"]
        if path.low is not None:
            rank, text, _ = self.component(path.low, len(path.terms))
            low_parts = [*prefix, rank, text, *(["9"] if is_open(path.low) else [])]
        if path.high is not None:
            rank, text, _ = self.component(path.high, len(path.terms))
            high_parts = [*prefix, rank, text, *([] if is_open(path.high) else ["9"])]
        return f"{key}.range_keys({rank_text}, ({', '.join(low_parts)}), False, ({', '.join(high_parts)}), True)"

    def segment_rank(self) -> int:
        """The segment that holds all values of the leading column, NULLs aside (see `access.paths.fits_range`)."""
        position = self.path.key.columns[0].position
        classes = self.source.columns[position].classes & ~HOLDS_NULL
        return 1 if classes & ~HOLDS_NUMBER == 0 else RANK_OF_CLASSES[classes]

    def segment_bound(self, term: Term | None, rank: int) -> str | None:
        """A bound inside the segment; one of another class lies below or above all of it."""
        if term is None:
            return None
        found, text, code = self.component(term, 0)
        if found == str(rank):
            return text
        side = ">=" if term is self.path.high else "<="
        self.pipeline.test(f"{found} {side} {rank}")
        name = self.generator.name("bound")
        self.pipeline.let(name, f"{text} if {found} == {rank} else None")
        return name

    def key_text(self) -> str:
        return f"{self.table}.keys[{self.path.key.id}]"

    def stored_text(self, terms: Sequence[Term]) -> tuple[str, str]:
        """The segment's rank and the stored value that the equalities ask for."""
        if len(self.path.key.columns) == 1:
            rank, text, _ = self.component(terms[0], 0)
            return rank, text
        first_rank, parts = "", []
        for at, term in enumerate(terms):
            rank, text, _ = self.component(term, at)
            if at == 0:
                first_rank = rank
                parts.append(text)
            else:
                parts.extend((rank, text))
        return first_rank, f"({', '.join(parts)})"

    def component(self, term: Term, at: int) -> tuple[str, str, Code]:
        """The rank and the text of one component; NULL never matches, which a test before the read sees to."""
        code = self.operand(term)
        text = self.named(code)
        if code.nullable:
            self.pipeline.test(f"{text} is not None")
        classes = code.classes & ~HOLDS_NULL
        if classes & ~HOLDS_NUMBER == 0:
            rank = "1"
        elif classes in RANK_OF_CLASSES:
            rank = str(RANK_OF_CLASSES[classes])
        else:
            rank = f"{self.generator.helper(values.RANKS, 'class_rank')}[type({text})]"
        return rank, text, code

    # ---- operands

    def operand(self, term: Term) -> Code:
        """The value that the key is compared with, affinity and collation applied."""
        expressions = self.queries.expressions
        _, affinity = comparison_affinity(term.key, term.expression)
        collation = comparison_collation(term.conjunct.left, term.conjunct.right)
        code = expressions.collated(expressions.with_affinity(term.expression, affinity), collation)
        return expressions.settled(code)

    def named(self, code: Code) -> str:
        """The operand under a name, so that it can be tested and used."""
        if code.atomic and ":=" not in code.text and "(" not in code.text:
            return code.text
        name = self.generator.name("sought")
        self.pipeline.let(name, code.text)
        return name


def prefix_bound(bound: str | None, *, above: bool) -> str:
    """A bound on the leading column as a prefix of a composite key's tuples, behind all that begin with it if
    `above`.
    """
    if bound is None:
        return "None"
    prefix = f"({bound}, 9)" if above else f"({bound},)"
    return f"(None if {bound} is None else {prefix})" if bound.startswith("bound_") else prefix


def is_open(term: Term | None) -> bool:
    return term is not None and term.operator in ("<", ">")


NUMBER_TYPES = frozenset({int, float})


def number_or_none(value: Any) -> Any:
    """The bound of a range of numbers: a text or blob leaves that side open."""
    return value if type(value) in NUMBER_TYPES else None


def above_numbers(value: Any) -> bool:
    """Whether `number < value` can hold for some number: any value but NULL."""
    return value is not None


def below_texts(value: Any) -> bool:
    """Whether `number > value` can hold for some number: only for a number."""
    return type(value) in NUMBER_TYPES

