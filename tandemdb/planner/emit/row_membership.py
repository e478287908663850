"""(a, b) IN (SELECT ...) as Python: the subquery's rows in a set, each column converted as its comparison asks.

    (a, b) IN (SELECT c, d FROM t)      row_member((k_0[0], k_0[1]), in_rows_1)
                                        in_rows_1 = row_members(in_query_1(), ((), (affinity_numeric, nocase_key)))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandemdb.planner.bind.bound import HOLDS_ANY, HOLDS_INT, HOLDS_NULL, Expr, QueryIn
from tandemdb.planner.bind.traits import compared_result, comparison_collation, membership_affinity
from tandemdb.planner.emit.collation import collation_function
from tandemdb.planner.emit.writer import Code
from tandemdb.planner.runtime import helpers as runtime

if TYPE_CHECKING:
    from tandemdb.planner.emit.expression import ExpressionEmitter
    from tandemdb.planner.emit.subquery import SubqueryEmitter


def row_in(queries: SubqueryEmitter, node: QueryIn, expressions: ExpressionEmitter) -> Code:
    """1, 0 or None: whether the row on the left is among the subquery's rows."""
    from tandemdb.planner.emit.subquery import runs_once

    generator = queries.generator
    arguments = queries.correlation(node.query)
    function = queries.local_function(node.query, "in_query", queries.home_of(node.query), arguments)
    operands, conversions = [], []
    for place, operand in enumerate(node.operands):
        code, functions = column_compared(queries, node, place, operand, expressions)
        operands.append(code.text)
        conversions.append(f"({''.join(f'{name}, ' for name in functions)})")
    maker = generator.helper(runtime.RowMembers, "row_members")
    members = f"{maker}({function}({', '.join(arguments)}), ({', '.join(conversions)}))"
    if runs_once(node.query):
        members = generator.hoist(Code(members), "in_rows").text
    text = f"{generator.helper(runtime.row_member)}(({', '.join(operands)}), {members})"
    if node.negated:
        text = f"{generator.helper(runtime.logical_not)}({text})"
    return Code(text, HOLDS_INT | HOLDS_NULL)


def column_compared(
    queries: SubqueryEmitter, node: QueryIn, place: int, operand: Expr, expressions: ExpressionEmitter
) -> tuple[Code, list[str]]:
    """One value of the row on the left, and the functions that the subquery's column goes through."""
    result = compared_result(node.query, place)
    own, other = membership_affinity(operand, node.query, place)
    code = expressions.value(operand)
    if own is not None:
        code = Code(f"{queries.generator.helper(runtime.CONVERSIONS[own])}({code.text})", HOLDS_ANY)
    collation = comparison_collation(operand, result)
    functions = [] if other is None else [queries.generator.helper(runtime.CONVERSIONS[other])]
    key = collation_function(queries.generator, collation)
    if key is not None:
        functions.append(key)
    return expressions.collated(code, collation), functions
