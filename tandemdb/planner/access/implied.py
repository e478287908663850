"""What an OR over several sources says of one alone: a dictionary of that source needs no other rows.

    (n1.name = 'FRANCE' AND n2.name = 'GERMANY') OR (n1.name = 'GERMANY' AND n2.name = 'FRANCE')

    of n1: n1.name = 'FRANCE' OR n1.name = 'GERMANY'            of n2: the same two names

Where the OR is true one of its arms is, and so is what that arm asks of the source. An arm that asks nothing of it
leaves nothing to say. The OR itself is tested all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandemdb.planner.bind.bound import Expr, Source, sources_of
from tandemdb.planner.bind.expression import joined
from tandemdb.planner.bind.query import chain_of
from tandemdb.planner.syntax import ast


def implied_conditions(conjuncts: Sequence[Expr], source: Source) -> list[Expr]:
    """Conditions on the source alone that hold wherever the conjuncts do."""
    found = []
    for conjunct in conjuncts:
        if not isinstance(conjunct, ast.Binary) or conjunct.operator != "OR":
            continue
        read = sources_of(conjunct)
        if source not in read or len(read) == 1:
            continue
        arms = [[term for term in chain_of(arm, "AND") if sources_of(term) == {source}]
                for arm in chain_of(conjunct, "OR")]  # fmt: skip
        if all(arms):
            found.append(joined("OR", [joined("AND", arm) for arm in arms]))
    return found
