"""The fixtures of tandemdb.pytest_plugin, each used in a suite of its own (pytester runs it)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
CONFTEST = """
    import pytest

    @pytest.fixture(scope="session")
    def tandemdb_template(tandemdb_template):
        tandemdb_template.executescript('''
            CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
            INSERT INTO user VALUES (1, 'Ada'), (2, 'Grace');
        ''')
        return tandemdb_template
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> object:
    """Write a suite and run it; the package is found where this test found it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makeconftest(CONFTEST)

    def write_and_run(suite: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(suite)
        plugin = ("-p", "tandemdb.pytest_plugin", "-p", "no:cacheprovider")
        return pytester.runpytest_subprocess(*plugin, *options)

    return write_and_run


def need(module: str) -> None:
    """Skip a test that needs a module; pytester, which forgets what a test imports, would have it imported twice."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


def test_each_test_has_a_fork(run) -> None:
    suite = """
        import pytest

        @pytest.mark.parametrize("name", ["Bo", "Cy", "Di"])
        def test_insert(tandemdb, name):
            assert tandemdb.execute("SELECT count(*) FROM user").fetchone() == (2,)
            with tandemdb:
                tandemdb.execute("INSERT INTO user (name) VALUES (?)", (name,))
            assert tandemdb.execute("SELECT id FROM user WHERE name = ?", (name,)).fetchone() == (3,)

        def test_leave_a_transaction_open(tandemdb):
            tandemdb.execute("DELETE FROM user")

        def test_the_template_is_as_it_was(tandemdb, tandemdb_template):
            assert tandemdb.digest() == tandemdb_template.digest()

        def test_the_template_keeps_its_tables(tandemdb_template):
            assert tandemdb_template.execute("SELECT name FROM user").fetchall() == [("Ada",), ("Grace",)]
    """
    run(suite).assert_outcomes(passed=6)


def test_without_an_override_it_is_empty(run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("conftest.py").unlink()
    suite = """
        def test_empty(tandemdb):
            assert tandemdb.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    """
    run(suite).assert_outcomes(passed=1)


def test_all_that_a_test_opens_is_one_database(run) -> None:
    need("sqlalchemy")
    suite = """
        import threading
        from sqlalchemy import text
        import tandemdb as driver

        def test_connections(tandemdb):
            other = tandemdb.connect(isolation_level=None)
            third = driver.connect(tandemdb.name)
            with tandemdb:
                tandemdb.execute("INSERT INTO user (name) VALUES ('Bo')")
            assert other.execute("SELECT count(*) FROM user").fetchone() == (3,)
            assert third.execute("SELECT count(*) FROM user").fetchone() == (3,)
            third.close()

        def test_threads(tandemdb):
            def work(name):
                with tandemdb.connect(timeout=60) as connection:
                    connection.execute("INSERT INTO user (name) VALUES (?)", (name,))

            threads = [threading.Thread(target=work, args=(f"user {n}",)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert tandemdb.execute("SELECT count(*) FROM user").fetchone() == (6,)

        def test_session(tandemdb, tandemdb_session, tandemdb_engine):
            tandemdb_session.execute(text("INSERT INTO user (name) VALUES ('Bo')"))
            assert tandemdb.execute("SELECT count(*) FROM user").fetchone() == (2,)
            tandemdb_session.commit()
            assert tandemdb.execute("SELECT count(*) FROM user").fetchone() == (3,)
            with tandemdb_engine.connect() as connection:
                assert connection.scalar(text("SELECT count(*) FROM user")) == 3

        def test_session_again(tandemdb_session):
            assert tandemdb_session.scalar(text("SELECT count(*) FROM user")) == 2
    """
    run(suite).assert_outcomes(passed=4)


def test_asynchronous_engines(run) -> None:
    need("greenlet")
    suite = """
        import asyncio
        from sqlalchemy import text

        def test_engine(tandemdb, tandemdb_async_engine):
            async def work():
                async with tandemdb_async_engine.begin() as connection:
                    await connection.execute(text("INSERT INTO user (name) VALUES ('Bo')"))
                    return await connection.scalar(text("SELECT count(*) FROM user"))

            with tandemdb.assert_queries(2):
                assert asyncio.run(work()) == 3
            assert tandemdb.execute("SELECT count(*) FROM user").fetchone() == (3,)
    """
    run(suite).assert_outcomes(passed=1)


def test_queries_are_counted(run) -> None:
    need("sqlalchemy")
    suite = """
        import pytest
        from sqlalchemy import create_engine, text

        def test_right(tandemdb, tandemdb_session):
            other = tandemdb.connect()
            with tandemdb.assert_queries(4) as statements:
                with tandemdb:
                    tandemdb.execute("INSERT INTO user (name) VALUES (?)", ("Bo",))
                other.execute("SELECT 1").fetchall()
                tandemdb.connect().execute("SELECT 2").fetchall()
                tandemdb_session.execute(text("SELECT 3"))
                tandemdb_session.commit()
            assert statements == ["INSERT INTO user (name) VALUES ('Bo')", "SELECT 1", "SELECT 2", "SELECT 3"]
            with tandemdb.assert_queries(0):
                other.close()
            tandemdb.execute("SELECT 4")
            assert len(statements) == 4

        def test_an_engine_of_the_applications(tandemdb):
            engine = create_engine(tandemdb.url)
            tandemdb.watch(engine)
            with tandemdb.assert_queries(2), engine.begin() as connection:
                connection.execute(text("SELECT 1"))
                connection.execute(text("SELECT 2"))
            engine.dispose()

        def test_nested(tandemdb):
            with tandemdb.assert_queries(3):
                tandemdb.execute("SELECT 1")
                with tandemdb.assert_queries(1):
                    tandemdb.execute("SELECT 2")
                tandemdb.execute("SELECT 3")

        def test_wrong(tandemdb):
            with tandemdb.assert_queries(1):
                tandemdb.execute("SELECT 'first'")
                tandemdb.execute("SELECT 'second'")

        def test_failing(tandemdb):
            with tandemdb.assert_queries(1):
                raise ZeroDivisionError("the block's own error goes first")
    """
    result = run(suite)
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*AssertionError: 1 statements expected, 2 executed:", "*  1. SELECT 'first'"])
    result.stdout.fnmatch_lines(["*ZeroDivisionError: the block's own error goes first"])


def test_an_example_of_hypothesis_has_a_fork(run) -> None:
    need("hypothesis")
    suite = """
        from hypothesis import HealthCheck, given, settings, strategies

        @settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
        @given(names=strategies.lists(strategies.text("abc", min_size=1), unique=True))
        def test_names(tandemdb_template, names):
            with tandemdb_template.example() as database:
                with database:
                    database.executemany("INSERT INTO user (name) VALUES (?)", [(name,) for name in names])
                assert database.execute("SELECT count(*) FROM user").fetchone() == (2 + len(names),)
                assert database.connect().execute("SELECT count(*) FROM user").fetchone() == (2 + len(names),)

        def test_a_fork_of_a_fork(tandemdb):
            with tandemdb:
                tandemdb.execute("DELETE FROM user")
            with tandemdb.example() as first, tandemdb.example() as second:
                assert first.name != second.name
                first.execute("INSERT INTO user (name) VALUES ('Bo')")
                first.commit()
                assert second.execute("SELECT count(*) FROM user").fetchone() == (0,)
    """
    run(suite).assert_outcomes(passed=2)


def test_workers_of_xdist_have_their_own(run) -> None:
    need("xdist")
    suite = """
        import pytest

        @pytest.mark.parametrize("number", range(20))
        def test_insert(tandemdb, number):
            with tandemdb:
                tandemdb.execute("INSERT INTO user (name) VALUES ('Bo')")
            assert tandemdb.execute("SELECT count(*) FROM user").fetchone() == (3,)
    """
    run(suite, "-n", "2").assert_outcomes(passed=20)


def test_loading_the_plugin_loads_no_more_than_the_package() -> None:
    code = (
        "import sys, tandemdb.pytest_plugin\n"
        "heavy = ('sqlalchemy', 'tandemdb.planner', 'tandemdb.storage', 'msgspec', 'hypothesis')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout == "[]\n"


def test_a_traceback_ends_where_the_statement_is_executed(run) -> None:
    suite = """
        def insert(tandemdb):
            tandemdb.execute("INSERT INTO user VALUES (1, 'twice')")  # the last line of ours

        def test_error(tandemdb):
            insert(tandemdb)
    """
    result = run(suite)
    assert result.ret == 1
    places = [line for line in result.outlines if line.endswith(": IntegrityError") or ": in " in line]
    assert [place.split(":")[0] for place in places] == ["test_a_traceback_ends_where_the_statement_is_executed.py"]
    result.stdout.fnmatch_lines(["E *IntegrityError: UNIQUE constraint failed: user.id"])
    assert "cursor.py" in run(suite, "--full-trace").stdout.str()
