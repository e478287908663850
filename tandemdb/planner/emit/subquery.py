"""Subqueries in expressions: a value, a test or a set, made once, or a local function called for each outer row.

    area > (SELECT avg(area) FROM city)               scalar_row_1 = scalar_query_1()            before any row is read
    EXISTS (SELECT 1 FROM city WHERE country = k.id)  under_1[k_0[0]]                            one look-up
    EXISTS (SELECT ... AND area > 5)                  exists_1(k_0)                              more than that
    id IN (SELECT country FROM city)                  k_0[0] in members_1                        a set made once
    (SELECT max(area) FROM city WHERE ... = k.id)     scalar_query_1(k_0), or remembered answers
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tandemdb.planner.bind.bound import (
    HOLDS_ANY,
    HOLDS_INT,
    HOLDS_NULL,
    AggregateRef,
    CommonRows,
    Query,
    QueryIn,
    QueryValue,
    WindowRef,
    expressions_of,
    queries_in,
    walk,
)
from tandemdb.planner.bind.traits import compared_result, comparison_collation, membership_affinity
from tandemdb.planner.emit.collation import collation_function
from tandemdb.planner.emit.explain import Explanation
from tandemdb.planner.emit.remembered import remembered_by
from tandemdb.planner.emit.row_membership import row_in
from tandemdb.planner.emit.writer import Code, Frame, Generator
from tandemdb.planner.runtime import helpers as runtime

if TYPE_CHECKING:
    from tandemdb.planner.emit.expression import ExpressionEmitter


class SubqueryEmitter:
    """The half of `QueryEmitter` that expressions ask for their subqueries."""

    generator: Generator
    frame: Frame
    explanation: Explanation
    expressions: ExpressionEmitter

    def function_frame(self, query: Query, prefix: str, home: Frame, arguments: Sequence[str], result: str) -> Frame:
        """A function inside `home` that runs the query; `QueryEmitter` writes it."""
        raise NotImplementedError  # Not to do: this is half a class, and queries are for the other half.

    def local_function(
        self, query: Query, prefix: str, home: Frame, arguments: Sequence[str], result: str = "rows"
    ) -> str:
        """Define a function in `home` that runs the query; its name. `result`: rows, first, any, set."""
        frame = self.function_frame(query, prefix, home, arguments, result)
        define(home, frame)
        return frame.name

    def home_of(self, query: Query) -> Frame:
        return self.generator.main if runs_once(query) else self.frame

    def correlation(self, query: Query) -> list[str]:
        """The variables of outer rows that a correlated subquery takes as arguments."""
        arguments = []
        for source in sorted(query.outer, key=lambda source: source.number):
            arguments.append(source.variable)
            if source.uses_key:
                arguments.append(source.key_variable)
        arguments.extend(self.outer_aggregates(query))
        return arguments

    def outer_aggregates(self, query: Query) -> list[str]:
        """The locals that hold aggregates of queries around this one and are read inside it."""
        names: list[str] = []
        emitter: Any = self
        while emitter is not None:
            names.extend(code.text for code in emitter.aggregates.values() if code.text.isidentifier())
            names.extend(code.text for code in emitter.windows.values() if code.text.isidentifier())
            emitter = emitter.parent
        return names if names and reads_aggregates(query) else []

    def scalar(self, node: QueryValue, expressions: ExpressionEmitter) -> Code:
        """The value of a subquery: its first row's column, NULL if it has none."""
        query, position = node.query, node.position
        if runs_once(query):
            key = f"scalar:{id(query)}"
            found = self.generator.hoisted.get(key)
            if found is None:
                self.explanation.open(f"SCALAR SUBQUERY {self.explanation.subquery_number()}")
                function = self.local_function(query, "scalar_query", self.generator.main, (), "first")
                self.explanation.close()
                name = self.generator.name("scalar_row")
                self.generator.main.emit_setup(f"{name} = {function}()")
                if function in self.generator.row_classes:
                    self.generator.row_classes[name] = self.generator.row_classes[function]
                found = self.generator.hoisted[key] = Code(name, HOLDS_ANY, True)
            name = found.text
            column = f"{name}_{position}"
            if column not in self.generator.hoisted:
                self.generator.main.emit_setup(f"{column} = None if {name} is None else {name}[{position}]")
                self.generator.hoisted[column] = Code(column, self.scalar_classes(name, query, position), True)
            return self.generator.hoisted[column]
        arguments = self.correlation(query)
        self.explanation.open(f"CORRELATED SCALAR SUBQUERY {self.explanation.subquery_number()}")
        function = self.local_function(query, "scalar_query", self.frame, arguments, "first")
        self.explanation.close()
        classes = self.scalar_classes(function, query, position)
        call = f"{function}({', '.join(arguments)})"
        sought = remembered_by(self, query)
        if sought is not None:
            answers, key = self.generator.name("answers"), self.generator.name("sought")
            self.frame.emit_setup(f"{answers} = {{}}")
            call = f"{answers}[{key}] if ({key} := {sought}) in {answers} else {answers}.setdefault({key}, {call})"
            call = f"({call})"
        name = self.generator.name("x")
        return Code(f"(None if ({name} := {call}) is None else {name}[{position}])", classes, True)

    def scalar_classes(self, name: str, query: Query, position: int) -> int:
        """What a column of a subquery's first row may hold; NULL where there may be none."""
        known = self.generator.row_classes.get(name)
        classes = HOLDS_ANY if known is None else known[position]
        return classes if always_has_row(query) else classes | HOLDS_NULL

    def exists(self, query: Query, expressions: ExpressionEmitter) -> str:
        """A Python condition: whether the subquery has a row."""
        if runs_once(query):
            key = f"exists:{id(query)}"
            if key not in self.generator.hoisted:
                self.explanation.open(f"SCALAR SUBQUERY {self.explanation.subquery_number()}")
                function = self.local_function(query, "exists_query", self.generator.main, (), "any")
                self.explanation.close()
                name = self.generator.name("exists")
                self.generator.main.emit_setup(f"{name} = {function}()")
                self.generator.hoisted[key] = Code(name, HOLDS_INT, True)
            return self.generator.hoisted[key].text
        arguments = self.correlation(query)
        self.explanation.open(f"CORRELATED SCALAR SUBQUERY {self.explanation.subquery_number()}")
        frame = self.function_frame(query, "exists", self.frame, arguments, "any")
        self.explanation.close()
        found = sole_look_up(frame)
        if found is not None:
            return found
        define(self.frame, frame)
        return f"{frame.name}({', '.join(arguments)})"

    def in_test(self, node: QueryIn, wanted: bool, expressions: ExpressionEmitter) -> str:
        wanted = wanted != node.negated
        value = self.in_value(node._replace(negated=False), expressions)
        if value.text.startswith("member("):
            operand, members, flag = self.in_parts(node, expressions)
            if wanted:
                return f"{operand} in {members}"
        return f"{value.text} == {int(wanted)}"

    def in_value(self, node: QueryIn, expressions: ExpressionEmitter) -> Code:
        """1, 0 or None: whether the operand is among the subquery's rows."""
        query = node.query
        classes = HOLDS_INT | HOLDS_NULL
        if len(node.operands) > 1:
            return row_in(self, node, expressions)
        function = self.generator.helper(runtime.not_member if node.negated else runtime.member,
                                         "not_member" if node.negated else "member")  # fmt: skip
        if runs_once(query):
            operand, members, flag = self.in_parts(node, expressions)
            return Code(f"{function}({operand}, {members}, {flag})", classes)
        arguments = self.correlation(query)
        self.explanation.open(f"CORRELATED LIST SUBQUERY {self.explanation.subquery_number()}")
        rows = self.local_function(query, "in_query", self.frame, arguments)
        self.explanation.close()
        operand = self.in_operand(node, expressions).text
        gather = self.generator.helper(runtime.in_rows if not node.negated else runtime.not_in_rows)
        key, affinity = self.in_conversion(node)
        return Code(f"{gather}({operand}, {rows}({', '.join(arguments)}), {affinity}, {key})", classes)

    def in_parts(self, node: QueryIn, expressions: ExpressionEmitter) -> tuple[str, str, str]:
        """The operand, the set of the subquery's values (made once) and the flag that tells of NULL among them."""
        key_name = f"in:{id(node.query)}"
        found = self.generator.hoisted.get(key_name)
        if found is None:
            self.explanation.open(f"LIST SUBQUERY {self.explanation.subquery_number()}")
            key, affinity = self.in_conversion(node)
            form = "set" if key == affinity == "None" else "rows"
            function = self.local_function(node.query, "in_query", self.generator.main, (), form)
            self.explanation.close()
            name, main = self.generator.name("members"), self.generator.main
            if function in self.generator.sets:
                main.emit_setup(f"{name} = {function}()")
                main.emit_setup(f"{name}_null = None in {name}")
                if self.generator.row_classes[function][0] & HOLDS_NULL:
                    main.emit_setup(f"{name}.discard(None)")
            else:
                maker = self.generator.helper(runtime.member_set_of_rows)
                main.emit_setup(f"{name}, {name}_null = {maker}({function}(), {affinity}, {key})")
            found = self.generator.hoisted[key_name] = Code(name, HOLDS_ANY, True)
        operand = self.in_operand(node, expressions)
        return operand.grouped, found.text, f"{found.text}_null"

    def in_operand(self, node: QueryIn, expressions: ExpressionEmitter) -> Code:
        code = expressions.value(node.operands[0])
        affinity, _ = membership_affinity(node.operands[0], node.query)
        if affinity is not None:
            code = Code(f"{self.generator.helper(runtime.CONVERSIONS[affinity])}({code.text})", HOLDS_ANY)
        return expressions.collated(code, comparison_collation(node.operands[0], compared_result(node.query)))

    def in_conversion(self, node: QueryIn) -> tuple[str, str]:
        """The key function of the comparison's collation and the conversion of the subquery's values, as text."""
        collation = comparison_collation(node.operands[0], compared_result(node.query))
        key = collation_function(self.generator, collation)
        _, affinity = membership_affinity(node.operands[0], node.query)
        return str(key), "None" if affinity is None else self.generator.helper(runtime.CONVERSIONS[affinity])


def define(home: Frame, frame: Frame) -> None:
    """Write a function into the one around it."""
    home.emit_setup_lines(["    " + line for line in frame.source()])


def sole_look_up(frame: Frame) -> str | None:
    """The test that a function makes that only looks whether one look-up finds anything; None if it does more."""
    lines = [line.strip() for line in frame.body]
    if frame.loads or frame.setup or lines[-1] != "return False" or "return True" not in lines:
        return None
    if len(lines) == 3 and (loop := SOLE_LOOP.fullmatch(lines[0])):
        return loop[1]
    if len(lines) == 3 and (test := SOLE_TEST.fullmatch(lines[0])):
        return test[1] if is_one_group(test[1]) else f"({test[1]})"
    if len(lines) == 4 and (found := SOLE_RECORD.fullmatch(lines[0])) and lines[1] == f"if ({found[1]} is not None):":
        return f"({found[2]} is not None)"
    return None


def is_one_group(text: str) -> bool:
    """Whether the first parenthesis is closed by the last one: not so in `(a) and (b)`."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return place == len(text) - 1
    return False


SOLE_LOOP = re.compile(r"for \w+ in ((?:under_\d+\[.+\])|(?:hash_\d+\.get\(.+, \(\)\))):")
SOLE_TEST = re.compile(r"if (\(.+\)):")
SOLE_RECORD = re.compile(r"(\w+) = ((?:hash|find)_\d+(?:\.get)?\(.+\))")


def is_local(common: CommonRows) -> bool:
    """Whether a common table's rows differ from call to call of the function that reads them."""
    if common.is_local is not None:
        return common.is_local
    queries = [query for query in (common.query, common.setup, *common.steps) if query is not None]
    common.is_local = False  # A recursive table's steps read the table itself.
    common.is_local = any(query.outer or reads_local_common(query) for query in queries)
    return common.is_local


def reads_local_common(query: Query) -> bool:
    return any(
        isinstance(source.function, CommonRows) and is_local(source.function)
        for inner in queries_in(query)
        for core in inner.cores
        for source in core.sources
    )


def runs_once(query: Query) -> bool:
    """Whether a query gives the same rows wherever it stands in one execution."""
    return not query.outer and not reads_local_common(query)


def reads_aggregates(query: Query) -> bool:
    """Whether any expression inside the query reads an aggregate or window of a query around it."""
    inside = queries_in(query)
    own = {id(core) for inner in inside for core in inner.cores}
    return any(
        isinstance(node, (AggregateRef, WindowRef)) and id(node.core) not in own
        for inner in inside
        for core in inner.cores
        for expression in expressions_of(core)
        for node in walk(expression)
    )


def always_has_row(query: Query) -> bool:
    """Whether a query brings a row whatever the tables hold: one aggregate over all rows."""
    core = query.cores[0]
    plain = len(query.cores) == 1 and core.is_aggregate and not core.group_by and core.having is None
    return plain and query.limit is None and query.offset is None
