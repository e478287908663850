"""The CI-sized run of the differential tests, and tests of their own machinery."""

from __future__ import annotations

import re
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tandemdb.planner.change import dml
from tandemdb.storage import secondary
from tandemdb.storage.values import fold_ascii

from . import engines
from . import run as run_module
from .choices import from_hypothesis, from_seed
from .compare import Difference, compare, same_rows
from .engines import ENGINES, Run, execute, run, sqlite3_engine
from .fragment import expression, items, optional, simpler, sql
from .layers.script import PROFILES, make_script
from .reduce import reduce
from .run import breaks_foreign_keys, has_one_answer, shrink
from .script import Script, Statement
from .whole import run_whole

FEW = settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # reduce.py shrinks better: it knows the grammar
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("profile", sorted(PROFILES))
@given(data=st.data())
@FEW
def test_same_as_sqlite3(profile, engine_name, data):
    """Hypothesis draws the scripts."""
    check(make_script(from_hypothesis(data), profile, length=6), engine_name)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_same_as_sqlite3_on_fixed_seeds(profile, engine_name):
    """A few hundred longer scripts, the same in each run."""
    for number in range(75):
        check(make_script(from_seed(f"ci/{profile}/{number}"), profile), engine_name)


@pytest.mark.parametrize("profile", ["changes", "mixed", "transactions"])
def test_changes_written_out_are_the_same(profile, engine_name, monkeypatch):
    """The plans of changes that run often, for statements that do not; keys whose changes wait from the first on."""
    monkeypatch.setattr(dml, "compile_dml", partial(dml.compile_dml, written_out=True))
    monkeypatch.setattr(secondary, "CHANGES_FEW", 0)
    for number in range(75):
        check(make_script(from_seed(f"written out/{profile}/{number}"), profile), engine_name)


@pytest.mark.parametrize("profile", ["changes", "mixed", "transactions"])
def test_changes_that_do_all_of_a_run_are_the_same(profile, engine_name, monkeypatch):
    """The functions of changes that run often, for each statement from its first run on."""
    made = run_whole(monkeypatch)
    monkeypatch.setattr(secondary, "CHANGES_FEW", 0)
    for number in range(75):
        check(make_script(from_seed(f"whole/{profile}/{number}"), profile), engine_name)
    assert len(made) > 20


@pytest.mark.parametrize("profile", ["changes", "definitions", "mixed", "queries", "shapes", "transactions", "windows"])
def test_collations_of_the_program_are_the_same(profile, engine_name, monkeypatch):
    """NOCASE by a function of the program's: where a text is compared, hashed or sorted it is one of another kind."""
    for name in ("sqlite3", "reversed", engine_name):
        monkeypatch.setitem(ENGINES, name, with_own_collation(ENGINES[name]))
    for module in (engines, run_module):
        monkeypatch.setattr(module, "execute", under_own_collation)
    for number in range(60):
        check(make_script(from_seed(f"collation/{profile}/{number}"), profile), engine_name)


def with_own_collation(connect):
    def connect_and_register():
        connection = connect()
        connection.create_collation("OWN", compare_folded)
        return connection

    return connect_and_register


def compare_folded(left: str, right: str) -> int:
    left, right = fold_ascii(left), fold_ascii(right)
    return (left > right) - (left < right)


def under_own_collation(connection, statement):
    return execute(connection, statement._replace(text=re.sub(r"\bNOCASE\b", "OWN", str(statement.text), flags=re.I)))


def check(script: Script, engine_name: str) -> None:
    expected = run(ENGINES["sqlite3"], script)
    difference = compare(script, expected, run(ENGINES[engine_name], script))
    if isinstance(difference, Difference) and is_to_be_told(script, expected, difference):
        script, difference = shrink(script, difference, engine_name, seconds=5.0)
        pytest.fail(
            f"{difference.what}\nexpected {difference.expected}\nfound    {difference.found}\n{script}", pytrace=False
        )


def is_to_be_told(script: Script, expected: Run, difference: Difference) -> bool:
    return has_one_answer(script, expected) and not breaks_foreign_keys(script, difference.place)


def test_a_seed_repeats_its_script():
    assert str(make_script(from_seed("x"))) == str(make_script(from_seed("x")))
    assert str(make_script(from_seed("x"))) != str(make_script(from_seed("y")))


def test_most_statements_run():
    outcomes = [
        outcome
        for number in range(60)
        for outcome in run(sqlite3_engine, make_script(from_seed(f"valid/{number}"))).outcomes
    ]
    assert sum(1 for outcome in outcomes if outcome.error) < len(outcomes) / 5
    assert sum(len(outcome.rows) for outcome in outcomes) > len(outcomes) / 4


class Forgetful:
    """sqlite3 with a fault: a WHERE with 'b' in it forgets its last row."""

    def __init__(self):
        self._connection = sqlite3_engine()

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def cursor(self):
        cursor = self._connection.cursor()

        class Faulty:
            def execute(self, text, parameters=()):
                self.faulty = text.startswith("SELECT") and "WHERE" in text and "b" in text.split("WHERE")[1]
                cursor.execute(text, parameters)

            def fetchall(self):
                rows = cursor.fetchall()
                return rows[:-1] if self.faulty else rows

            def __getattr__(self, name):
                return getattr(cursor, name)

        return Faulty()


def test_a_faulty_engine_is_found_and_its_script_made_small():
    def differs(script):
        return isinstance(compare(script, run(sqlite3_engine, script), run(Forgetful, script)), Difference)

    failing = next(s for n in range(200) if differs(s := make_script(from_seed(f"faulty/{n}"), "queries")))
    small = reduce(failing, differs)
    assert len(small.statements) <= 3 < len(failing.statements)
    assert len(str(small)) < len(str(failing)) / 3


def test_fragments_get_simpler_without_leaving_the_grammar():
    text = sql(
        "SELECT ",
        items([expression("(", expression("a"), " + ", expression("2"), ")"), expression("b")]),
        optional(" LIMIT 1"),
    )
    versions = [str(version) for version in simpler(text)]
    assert "SELECT b LIMIT 1" in versions and "SELECT a,b LIMIT 1" in versions
    assert "SELECT (a + 2),b" in versions and "SELECT NULL,b LIMIT 1" in versions


@pytest.mark.parametrize(
    ("order", "one", "other", "equal"),
    [
        ("scan", [(1,), (2,)], [(2,), (1,)], False),
        ("any", [(1,), (2,)], [(2,), (1,)], True),
        ("any", [(1,)], [(1.0,)], False),
        ("loose", [("A",), (1,)], [(1.0,), ("a ",)], True),
        ("total", [("A",), ("b",)], [("a",), ("b",)], True),
        ("total", [("b",), ("a",)], [("a",), ("b",)], False),
    ],
)
def test_orders(order, one, other, equal):
    assert same_rows(order, one, other) is equal


def test_an_error_is_an_outcome():
    outcome = execute(sqlite3_engine(), Statement(sql("SELECT nowhere")))
    assert outcome.error == ("OperationalError", "no such column: nowhere", "SQLITE_ERROR")
