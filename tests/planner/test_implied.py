"""ORs over several sources: what they say of one alone narrows its dictionary and changes no answer."""

from __future__ import annotations

import random

import pytest

from tandemdb.planner.access.implied import implied_conditions
from tandemdb.planner.bind.bound import Column, Source, SourceColumn
from tandemdb.planner.syntax import ast
from tests.planner.twins import Twins

TERMS = {
    "p": ["p.g = 3", "p.g > 40", "p.name like 'n1%'", "p.name is null", "p.g in (1, 2, null)", "not p.g < 20",
          "p.g between 5 and 9", "p.g is not 7"],
    "c": ["c.n > 5", "c.q = 'n3'", "c.n is null", "c.q in ('n1', 'n2')", "c.n <> 4"],
    "both": ["c.n = p.g", "c.q = p.name", "c.n < p.g"],
}  # fmt: skip


@pytest.fixture(scope="module")
def twins() -> Twins:
    pair = Twins("create table p(id integer primary key, name text, g int); create table c(p int, q, n real)")
    for number in range(40):
        pair.run("insert into p values (?, ?, ?)", number, f"n{number % 20}" if number % 7 else None, number * 7 % 50)
        pair.run("insert into c values (?, ?, ?)", number % 30, f"n{number % 9}", number % 9 if number % 8 else None)
        pair.run("insert into c values (?, ?, ?)", number % 13, None, number % 5)
    return pair


@pytest.mark.parametrize("seed", range(150))
def test_answers(twins: Twins, seed: int) -> None:
    draw = random.Random(seed)
    arms = []
    for _ in range(draw.randint(2, 3)):
        kinds = draw.choices(["p", "c", "both"], k=draw.randint(1, 3))
        arms.append(" and ".join(draw.choice(TERMS[kind]) for kind in kinds))
    join = draw.choice(["join c on c.p = p.id", "left join c on c.p = p.id", "join c on p.id = c.p and c.n >= 0"])
    where = " or ".join(f"({arm})" for arm in arms)
    negated = draw.choice(["", "", "not "])
    for _ in range(2):
        twins.same(f"select p.id, c.rowid from p {join} where {negated}({where}) order by 1, 2")


def test_an_arm_that_asks_nothing_leaves_nothing_to_say() -> None:
    one, other = (Source(number, name, [SourceColumn("a", None, "BINARY", 31)]) for number, name in enumerate("xy"))
    first, second = (ast.Binary("=", Column(source, 0), ast.Literal(1)) for source in (one, other))
    both = ast.Binary("AND", first, second)
    assert implied_conditions([ast.Binary("OR", both, second)], one) == []
    assert implied_conditions([ast.Binary("OR", both, second)], other) == [ast.Binary("OR", second, second)]
    assert implied_conditions([ast.Binary("OR", first, first)], one) == []
    assert implied_conditions([both], one) == []
