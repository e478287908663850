"""Alembic on tandemdb beside SQLAlchemy's sqlite driver: autogenerate, upgrade, downgrade, batch mode.

engine --- same migration ---> sqlite_master, rows, what autogenerate proposes     compared as text
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("alembic", reason="Alembic is not installed")
sa = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")

from alembic import command  # noqa: E402
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code  # noqa: E402
from alembic.config import Config  # noqa: E402
from alembic.migration import MigrationContext  # noqa: E402
from alembic.operations import Operations  # noqa: E402

URLS = {"tandemdb": "sqlite+tandemdb://", "sqlite3": "sqlite://"}
CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
Migrate = Callable[[Operations, Any], Any]

OLD_SCHEMA = """
    CREATE TABLE owner (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20) UNIQUE);
    CREATE TABLE pet (
        id INTEGER NOT NULL, name VARCHAR(20) DEFAULT 'none', age INTEGER, owner_id INTEGER, code TEXT,
        PRIMARY KEY (id), UNIQUE (code), CONSTRAINT old_enough CHECK (age >= 0), CHECK (length(name) > 1),
        CONSTRAINT belongs FOREIGN KEY (owner_id) REFERENCES owner (id) ON DELETE CASCADE,
        CONSTRAINT name_once UNIQUE (name, owner_id)
    );
    CREATE INDEX pet_age ON pet (age);
    INSERT INTO owner VALUES (1, 'Ann'), (2, 'Bob');
    INSERT INTO pet VALUES (1, 'Rex', 3, 1, 'r'), (2, 'Tom', 4, 2, 't'), (3, 'Flo', NULL, NULL, NULL);
"""


def contents(connection: Any) -> list[Any]:
    """Return the schema's statements and all rows; lines sorted, for Alembic keeps unnamed constraints in sets."""
    schema = connection.exec_driver_sql(
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    ).fetchall()
    tables = [row[1] for row in schema if row[0] == "table"]
    rows = [(table, connection.exec_driver_sql(f'SELECT * FROM "{table}"').fetchall()) for table in tables]
    statements = [(*row[:3], sorted(str(row[3]).replace(", ", "").splitlines())) for row in schema]
    return [*statements, *[(table, sorted(map(repr, found))) for table, found in rows]]


def outcome(url: str, migrate: Migrate) -> list[Any]:
    """Run a migration on the old schema; return the result or the error, and the contents after it."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        for statement in filter(str.strip, OLD_SCHEMA.split(";")):
            connection.exec_driver_sql(statement)
        connection.commit()
        result: Any
        try:
            context = MigrationContext.configure(connection, opts={"target_metadata": sa.MetaData()})
            result = migrate(Operations(context), connection)
            connection.commit()
        except Exception as error:
            connection.rollback()
            result = f"{type(error).__name__}: {str(error).splitlines()[0].replace('tandemdb.', 'sqlite3.')}"
        found = [result, *contents(connection)]
    engine.dispose()
    return found


def add_and_alter(op: Operations, _connection: Any) -> None:
    op.drop_index("pet_age", "pet")
    with op.batch_alter_table("pet") as batch:
        batch.add_column(sa.Column("weight", sa.Float(), server_default="1.5", nullable=False))
        batch.alter_column("age", type_=sa.String(10), new_column_name="years", nullable=True)
        batch.alter_column("name", nullable=False, server_default=None)


def drop_named_constraints(op: Operations, _connection: Any) -> None:
    with op.batch_alter_table("pet") as batch:
        batch.drop_constraint("belongs", type_="foreignkey")
        batch.drop_constraint("name_once", type_="unique")
        batch.drop_constraint("old_enough", type_="check")


def drop_unnamed_constraint(op: Operations, _connection: Any) -> None:
    with op.batch_alter_table("pet", naming_convention=CONVENTION) as batch:
        batch.drop_constraint("uq_pet_code", type_="unique")


def drop_constraint_that_is_not_there(op: Operations, _connection: Any) -> None:
    with op.batch_alter_table("pet") as batch:
        batch.drop_constraint("uq_pet_code", type_="unique")


def create_constraints(op: Operations, _connection: Any) -> None:
    with op.batch_alter_table("pet", naming_convention=CONVENTION) as batch:
        batch.create_unique_constraint("uq_age", ["age"])
        batch.create_check_constraint("short", sa.text("length(name) < 9"))
        batch.create_foreign_key("fk_self", "pet", ["age"], ["id"])
        batch.create_index("pet_lower", [sa.text("lower(name)")])
        batch.drop_index("pet_age")


def drop_column_with_foreign_key(op: Operations, _connection: Any) -> None:
    with op.batch_alter_table("pet") as batch:
        batch.drop_constraint("belongs", type_="foreignkey")
        batch.drop_constraint("name_once", type_="unique")
        batch.drop_column("owner_id")


def drop_column_of_an_index(op: Operations, _connection: Any) -> None:
    with op.batch_alter_table("pet") as batch:
        batch.drop_column("age")


def recreate_always_in_another_order(op: Operations, _connection: Any) -> None:
    with op.batch_alter_table("pet", recreate="always", partial_reordering=[("code", "name", "id")]) as batch:
        batch.add_column(sa.Column("extra", sa.Integer()), insert_after="code")


def break_a_constraint(op: Operations, connection: Any) -> None:
    connection.exec_driver_sql("UPDATE pet SET age = 3")
    with op.batch_alter_table("pet") as batch:
        batch.create_unique_constraint("uq_age", ["age"])


def parents_under_foreign_keys(op: Operations, connection: Any) -> Any:
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    with op.batch_alter_table("owner", recreate="always") as batch:
        batch.add_column(sa.Column("mail", sa.String()))
    return connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()


def without_batch(op: Operations, _connection: Any) -> None:
    op.rename_table("owner", "keeper")
    op.add_column("pet", sa.Column("born", sa.Date()))
    op.create_index("pet_code", "pet", ["code", "born"], unique=True, sqlite_where=sa.text("born IS NOT NULL"))
    op.drop_index("pet_age", "pet")
    toys = op.create_table(
        "toy",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("pet", sa.Integer, sa.ForeignKey("pet.id"), index=True),
    )
    op.bulk_insert(toys, [{"id": 1, "pet": 1}, {"id": 2, "pet": None}])
    op.execute("UPDATE pet SET name = upper(name)")


def alter_without_batch(op: Operations, _connection: Any) -> None:
    op.create_unique_constraint("uq", "pet", ["age"])


@pytest.mark.filterwarnings("ignore:Unnamed CHECK constraint")
@pytest.mark.parametrize(
    "migrate",
    [
        add_and_alter,
        drop_named_constraints,
        drop_unnamed_constraint,
        drop_constraint_that_is_not_there,
        create_constraints,
        drop_column_with_foreign_key,
        drop_column_of_an_index,
        recreate_always_in_another_order,
        break_a_constraint,
        parents_under_foreign_keys,
        without_batch,
        alter_without_batch,
    ],
    ids=lambda migrate: migrate.__name__,
)
def test_operations(migrate: Migrate) -> None:
    """As with sqlite3; but a migration that fails leaves nothing here, where sqlite3's driver keeps its DDL."""
    expected = outcome(URLS["sqlite3"], migrate)
    if isinstance(expected[0], str):
        expected[1:] = outcome(URLS["sqlite3"], lambda op, connection: None)[1:]
    assert outcome(URLS["tandemdb"], migrate) == expected


@pytest.mark.filterwarnings("ignore:Unnamed CHECK constraint")
def test_the_failing_ones_fail() -> None:
    failing = [break_a_constraint, drop_column_of_an_index, drop_constraint_that_is_not_there, alter_without_batch]
    errors = [outcome(URLS["tandemdb"], migrate)[0] for migrate in failing]
    assert [str(error).partition(":")[0] for error in errors] == [
        "IntegrityError",
        "OperationalError",
        "ValueError",
        "NotImplementedError",
    ]


def new_metadata() -> Any:
    """Return the metadata that autogenerate shall bring the old schema to."""
    metadata = sa.MetaData()
    sa.Table(
        "owner",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(20), nullable=False, index=True),
        sa.Column("mail", sa.String(50), unique=True),
    )
    sa.Table(
        "pet",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(30), server_default="nobody"),
        sa.Column("age", sa.Float),
        sa.Column("owner_id", sa.ForeignKey("owner.id", name="belongs", ondelete="SET NULL")),
    )
    sa.Table(
        "visit",
        metadata,
        sa.Column("pet_id", sa.ForeignKey("pet.id"), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.CheckConstraint("day > '2000-01-01'", name="recent"),
    )
    return metadata


def autogenerated(url: str) -> list[Any]:
    """Return what autogenerate proposes for the old schema, as differences and as code; then apply it."""

    def migrate(_op: Operations, connection: Any) -> Any:
        options = {"compare_type": True, "compare_server_default": True, "render_as_batch": True}
        context = MigrationContext.configure(connection, opts=options)
        metadata = new_metadata()
        differences = sorted(re.sub(r" at 0x\w+", "", repr(one)) for one in compare_metadata(context, metadata))
        script = produce_migrations(context, metadata)
        return differences, render_python_code(script.upgrade_ops, render_as_batch=True)

    return outcome(url, migrate)


def test_autogenerate() -> None:
    assert autogenerated(URLS["tandemdb"]) == autogenerated(URLS["sqlite3"])


ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine

from tests.frameworks.test_alembic import new_metadata

engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=new_metadata(), render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[dict[str, Config]]:
    """Make an Alembic environment a driver, each with a file of its own."""
    configs = {}
    for name, driver in (("tandemdb", "sqlite+tandemdb"), ("sqlite3", "sqlite")):
        directory = tmp_path / name
        config = Config(directory / "alembic.ini", stdout=(tmp_path / f"{name}.out").open("w"))
        config.set_main_option("script_location", str(directory / "migrations"))
        config.set_main_option("sqlalchemy.url", f"{driver}:///{directory}/application.db")
        config.attributes["output"] = tmp_path / f"{name}.out"
        directory.mkdir()
        with redirect_stdout(StringIO()):
            command.init(config, str(directory / "migrations"))
        (directory / "migrations" / "env.py").write_text(ENVIRONMENT, encoding="utf-8")
        configs[name] = config
    yield configs
    for config in configs.values():
        config.stdout.close()


def test_a_project_from_first_revision_to_last_and_back(projects: dict[str, Config]) -> None:
    """The command line's commands, on a file: what both drivers leave in it after each step is equal."""
    seen = []
    for config in projects.values():
        revisions = Path(str(config.get_main_option("script_location"))) / "versions"
        url = str(config.get_main_option("sqlalchemy.url"))
        steps: list[Any] = []

        def look(url: str = url, steps: list[Any] = steps) -> None:
            engine = sa.create_engine(url)
            with engine.connect() as connection:
                steps.append(contents(connection))
            engine.dispose()

        command.revision(config, "first", autogenerate=True, rev_id="one")
        command.upgrade(config, "head")
        look()
        body = """
            with op.batch_alter_table("pet") as batch:
                batch.add_column(sa.Column("chip", sa.String(8), nullable=True))
                batch.drop_constraint("belongs", type_="foreignkey")
        """
        back = """
            with op.batch_alter_table("pet") as batch:
                batch.create_foreign_key("belongs", "owner", ["owner_id"], ["id"], ondelete="SET NULL")
                batch.drop_column("chip")
        """
        command.revision(config, "second", rev_id="two")
        path = next(revisions.glob("two_*.py"))
        text = path.read_text(encoding="utf-8")
        for what, code in (("upgrade", body), ("downgrade", back)):
            head, _, tail = text.partition(f"def {what}()")
            code = textwrap.indent(textwrap.dedent(code), "    ")
            text = head + f"def {what}()" + tail.replace("    pass\n", code, 1)
        path.write_text(text, encoding="utf-8")
        for step in ("head", "one", "two", "base"):
            (command.upgrade if step in ("head", "two") else command.downgrade)(config, step)
            look()
        command.upgrade(config, "head")
        command.current(config)
        command.history(config)
        first = next(revisions.glob("one_*.py")).read_text(encoding="utf-8")
        steps.append(first.partition("# revision identifiers")[2])
        config.stdout.flush()
        steps.append(config.attributes["output"].read_text())
        seen.append([str(step).replace("tandemdb", "sqlite3") for step in steps])
    assert seen[0][0].count("CREATE TABLE visit") == 1
    assert "CREATE TABLE visit" not in seen[0][4]
    assert seen[0][:-1] == seen[1][:-1]
    assert "two (head)" in seen[0][-1]
