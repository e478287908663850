"""Reading one source inside a pipeline: an access path becomes clauses.

    find     let city_0 = table_city_1.find(p0) ; if city_0 is not None
    unique   let city_0_key = table_city_1.keys[7].first(2, p0) ; if ... ; let city_0 = table_city_1.find(city_0_key)
    key      for city_0 in table_city_1.find_many(table_city_1.keys[7].equal(2, p0))
             for city_0 in under_1[k_1[2]]               under_1 = rows_under(table_city_1, 7, 1, 'records')
    range    for city_0 in chain(table_city_1.range_record_lists(p0, False, p1, True))
    hash     for city_0 in hash_1.get(k_1[2], ())        hash_1 = records_by(context, table_city_1, (3,), False, False)
    scan     for city_0 in chain(context.watched(table_city_1.record_lists()))

Where the unique key is needed beside the record, the loops bring both: `for city_0_key, city_0 in ...items()`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from tandemdb.planner.access.covering import columns_read, places_in
from tandemdb.planner.access.paths import Path, Term, row_count, unique_on
from tandemdb.planner.bind.bound import (
    HOLDS_BLOB,
    HOLDS_INT,
    HOLDS_NULL,
    HOLDS_NUMBER,
    HOLDS_TEXT,
    Column,
    CommonRows,
    Expr,
    Rowid,
    Source,
)
from tandemdb.planner.bind.traits import comparison_affinity, comparison_collation, is_constant
from tandemdb.planner.emit.exists_extreme import read_extreme_by, read_extreme_under
from tandemdb.planner.emit.lookup import READERS
from tandemdb.planner.emit.narrowing import narrowed_lists
from tandemdb.planner.emit.pipeline import Clause, Lookup, Pipeline
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import values
from tandemdb.planner.runtime.kept import finder, records_by, records_under, rows_under, values_by

if TYPE_CHECKING:
    from tandemdb.planner.emit.query import QueryEmitter

JOINED_MIN = 2
"""So many look-ups for each entry of a dictionary pay for joining it to another first."""
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
                self.read_hash(self.rows_text)
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
            "hash": lambda: self.read_hash(self.scan_text),
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

    # ---- by a dictionary made for the join

    def read_hash(self, rows: Callable[[], str]) -> None:
        path = self.path
        single = unique_on(self.source, path.terms) and len(path.terms) >= 1 and self.source.table is not None
        if not single and self.read_extreme():
            return
        column = self.sole_column() if single else None
        name = self.kept_hash(single, column)
        if name is None:
            home = self.queries.build_frame(self.source)
            name = self.generator.name("hash")
            self.build_hash(home, name, rows(), single, column)
        probe = self.probe_text()
        if column is not None:
            self.source.places = {column: ""}
            self.queries.expressions.forget()
        if single and not self.source.uses_key:
            if not self.join_dictionaries(name, probe):
                self.look_up(name, probe)
        else:
            self.pipeline.loop(f"({self.target})" if self.source.uses_key else self.target, f"{name}.get({probe}, ())")

    def read_extreme(self) -> bool:
        """Read no row where the least or greatest value of a column tells all that is asked."""
        positions = self.kept_positions()
        if positions is None or self.own_tests or self.generator.live or self.source.uses_key or -1 in positions:
            return False
        return read_extreme_by(self, positions, self.probe_text())

    def look_up(self, name: str, probe: str) -> None:
        variable, pipeline, path = self.source.variable, self.pipeline, self.path
        entries = row_count(self.source, self.generator.roots)
        used = [*path.used, *self.conjuncts]
        if self.is_unread():
            pipeline.test(f"{probe} in {name}")
            pipeline.unread.add(variable)
            return
        pipeline.lookups[variable] = Lookup(
            len(pipeline.clauses), name, probe, self.source, used, path.repeated, entries
        )
        pipeline.let(variable, f"{name}.get({probe})")
        pipeline.test(f"{variable} is not None")

    def is_unread(self) -> bool:
        """Whether nothing of the row found is read, so that it is enough that there is one."""
        source, order = self.source, self.queries.order
        if order is None or source.uses_key or source.join != "INNER" or self.generator.live:
            return False
        if any(other.join in ("RIGHT", "FULL") for other in order.core.sources):
            return False
        used = [*self.path.used, *self.conjuncts]
        return not order.core.windows and columns_read(order.core, order.keys, source, used) == set()

    def join_dictionaries(self, name: str, probe: str) -> bool:
        """Join the dictionary to that of the source whose column it is asked for, if that is read for nothing else.

        So one look-up does for both, where there are more of them than entries.
        """
        pipeline, order, variable = self.pipeline, self.queries.order, self.source.variable
        before = pipeline.lookups.get(probe)
        if before is None or order is None or before.repeated < JOINED_MIN * before.entries:
            return False
        if columns_read(order.core, order.keys, before.source, [*before.used, *self.path.used]) != set():
            return False
        joined, place = self.generator.name("hash"), before.place
        self.generator.main.emit_setup(
            f"{joined} = {{key: value for key, {probe} in {before.dictionary}.items() "
            f"for value in [{name}.get({probe})] if value is not None}}"
        )
        del pipeline.lookups[probe]
        pipeline.variables.remove(probe)
        if self.is_unread():
            pipeline.clauses[place : place + 2] = [Clause("if", f"{before.probe} in {joined}")]
            pipeline.unread.add(variable)
            return True
        pipeline.clauses[place : place + 2] = [
            Clause("let", variable, f"{joined}.get({before.probe})"),
            Clause("if", f"{variable} is not None"),
        ]
        used = [*self.path.used, *self.conjuncts]
        pipeline.lookups[variable] = before._replace(dictionary=joined, source=self.source, used=used)
        return True

    def sole_column(self) -> int | None:
        """The one column, never NULL, that is read of the rows found: a dictionary may hold that in their place."""
        source, order = self.source, self.queries.order
        if order is None or source.uses_key or source.join != "INNER" or self.generator.live:
            return None
        core = order.core
        if source.places is not None or any(other.join in ("RIGHT", "FULL") for other in core.sources):
            return None
        read = columns_read(core, order.keys, source, [*self.path.used, *self.conjuncts])
        if read is None or len(read) != 1:
            return None
        column: int = read.pop()
        return None if source.columns[column].classes & HOLDS_NULL else column

    def kept_hash(self, single: bool, column: int | None) -> str | None:
        """The name of the dictionary that the table keeps; None where it is particular to this execution."""
        positions = self.kept_positions()
        if positions is None or self.own_tests or self.generator.live:
            return None
        single = single and not self.source.uses_key
        places = f"({', '.join(map(str, positions))},)"
        if column is not None:
            maker = self.generator.helper(values_by)
            return self.made_once(f"{maker}(context, {self.table}, {places}, {column})", "hash")
        maker = self.generator.helper(records_by)
        return self.made_once(f"{maker}(context, {self.table}, {places}, {single}, {self.source.uses_key})", "hash")

    def kept_positions(self) -> list[int] | None:
        """The columns by whose stored values the equalities find rows; None where they compare something else."""
        source = self.source
        if source.table is None:
            return None
        positions = []
        for term in self.path.terms:
            text = self.hash_key(term, of_source=True).text
            if isinstance(term.key, Column) and text == f"{source.variable}[{term.key.position}]":
                positions.append(term.key.position)
            elif isinstance(term.key, Rowid) and text == source.key_variable:
                positions.append(-1)
            else:
                return None
        return positions

    def probe_text(self) -> str:
        texts = [self.hash_key(term, of_source=False).text for term in self.path.terms]
        return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"

    def build_hash(self, home: Any, name: str, rows: str, single: bool, column: int | None) -> None:
        """Write the dictionary's making into the function where it is made once."""
        codes = [self.hash_key(term, of_source=True) for term in self.path.terms]
        key = codes[0].text if len(codes) == 1 else f"({', '.join(code.text for code in codes)})"
        element = f"({self.target})" if self.source.uses_key else self.source.variable
        if column is not None:
            element = f"{element}[{column}]"
        nullable = any(code.nullable for code in codes)
        tests = [test for test in self.own_tests if test != "True"]
        single = single and not self.source.uses_key
        if single and len(codes) == 1 and not nullable and ":=" not in "".join([key, rows, *tests]):
            kept = "".join(f" if {test}" for test in tests)
            home.emit_setup(f"{name} = {{{key}: {element} for {self.source.variable} in {rows}{kept}}}")
            return
        home.emit_setup(f"{name} = {{}}" if single else f"{name} = {self.generator.helper(defaultdict)}(list)")
        home.emit_setup(f"for {self.target} in {rows}:")
        indent = "    "
        if tests:
            home.emit_setup(f"{indent}if {' and '.join(f'({test})' for test in tests)}:")
            indent += "    "
        if nullable:
            home.emit_setup(f"{indent}key_of_{name} = {key}")
            key = f"key_of_{name}"
            home.emit_setup(f"{indent}if {f'{key} is not None' if len(codes) == 1 else f'None not in {key}'}:")
            indent += "    "
        home.emit_setup(f"{indent}{name}[{key}] = {element}" if single else f"{indent}{name}[{key}].append({element})")

    def hash_key(self, term: Term, *, of_source: bool) -> Code:
        expressions = self.queries.expressions
        left, right = expressions.operands(term.conjunct)
        on_left = term.conjunct.left is term.key
        code = (left if on_left else right) if of_source else (right if on_left else left)
        return expressions.settled(code)

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


__all__ = ["Column", "Expr", "SourceReader", "values"]
