"""peewee: models, joins, window functions, functions written in Python, migrations, savepoints."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peewee
from playhouse import migrate
from playhouse.reflection import generate_models
from playhouse.shortcuts import model_to_dict

db = peewee.SqliteDatabase(None, pragmas={"foreign_keys": 1, "journal_mode": "wal"})


class Base(peewee.Model):
    class Meta:
        database = db


class Person(Base):
    name = peewee.CharField(unique=True)
    born = peewee.DateField(null=True)
    boss = peewee.ForeignKeyField("self", null=True, backref="staff", on_delete="SET NULL")


class Note(Base):
    person = peewee.ForeignKeyField(Person, backref="notes", on_delete="CASCADE")
    text = peewee.TextField()
    stamp = peewee.DateTimeField(default=datetime.datetime(2024, 5, 6, 7, 8, 9))
    stars = peewee.IntegerField(default=0, constraints=[peewee.Check("stars >= 0")])

    class Meta:
        indexes = ((("person", "stars"), False),)


def play(directory: Path, driver: str) -> Iterator[Any]:
    db.init(str(directory / "people.db"))
    db.connect()
    db.create_tables([Person, Note])
    ann = Person.create(name="Ann", born=datetime.date(1980, 2, 3))
    for number in range(10):
        person = Person.create(name=f"p{number}", boss=ann)
        Note.insert_many([{"person": person, "text": f"note {n}", "stars": n} for n in range(number % 4)]).execute()
    yield [model_to_dict(note, recurse=False) for note in Note.select().limit(3)]
    yield [failure(lambda: Person.create(name="Ann")), failure(lambda: Note.create(person=ann, text="x", stars=-1))]
    yield failure(lambda: Note.create(person=999, text="x"))
    count = peewee.fn.COUNT(Note.id).alias("n")
    joined = (
        Person.select(Person.name, count)
        .join(Note, peewee.JOIN.LEFT_OUTER)
        .group_by(Person)
        .order_by(count.desc(), Person.name)
    )
    yield list(joined.tuples())
    Boss = Person.alias()
    yield list(
        Person.select(Person.name, Boss.name)
        .join(Boss, on=(Person.boss == Boss.id))
        .order_by(Person.id)
        .limit(2)
        .tuples()
    )
    rank = peewee.fn.RANK().over(partition_by=[Note.person], order_by=[Note.stars.desc()])
    yield list(Note.select(Note.person, Note.stars, rank).order_by(Note.id).tuples())
    yield list(Note.select(Note.stamp.year, peewee.fn.strftime("%m", Note.stamp)).distinct().tuples())
    yield [
        Note.update(stars=Note.stars + 1).where(Note.text.contains("2")).execute(),
        Note.delete().where(Note.stars == 0).execute(),
    ]
    yield list(Note.update(text="r").where(Note.stars > 2).returning(Note.id, Note.text).tuples().execute())
    upsert = Person.insert(name="Ann", born=None).on_conflict(
        conflict_target=[Person.name], preserve=[Person.born], update={Person.boss: None}
    )
    yield [upsert.execute(), Person.get(name="Ann").born, Person.get_or_create(name="new")[1]]
    tree = (
        Person.select(Person.id, Person.name, peewee.Value(0).alias("level"))
        .where(Person.boss.is_null())
        .cte("tree", recursive=True)
    )
    tree = tree.union_all(
        Person.select(Person.id, Person.name, tree.c.level + 1).join(tree, on=(Person.boss == tree.c.id))
    )
    yield list(tree.select_from(tree.c.name, tree.c.level).order_by(tree.c.level, tree.c.name).tuples())

    @db.func()
    def shout(text: str) -> str:
        return text.upper() + "!"

    @db.aggregate()
    class longest:
        def __init__(self) -> None:
            self.value = ""

        def step(self, value: str) -> None:
            self.value = max(self.value, value, key=len)

        def finalize(self) -> str:
            return self.value

    yield list(Person.select(peewee.fn.shout(Person.name)).order_by(Person.id).limit(2).tuples())
    yield list(Note.select(peewee.fn.longest(Note.text)).tuples())
    with db.atomic() as outer:
        Person.create(name="outer")
        try:
            with db.atomic():
                Person.create(name="inner")
                raise ValueError
        except ValueError:
            yield [
                Person.select().where(Person.name == "inner").count(),
                Person.select().where(Person.name == "outer").count(),
            ]
        outer.rollback()
    yield Person.select().where(Person.name == "outer").count()
    migrator = migrate.SqliteMigrator(db)
    migrate.migrate(
        migrator.add_column("person", "rank", peewee.IntegerField(default=7)),
        migrator.rename_column("note", "text", "body"),
        migrator.drop_not_null("note", "stars"),
        migrator.add_index("person", ("rank", "name"), True),
        migrator.drop_column("person", "born"),
        migrator.rename_table("note", "remark"),
    )
    yield [db.get_columns("person"), db.get_columns("remark"), db.get_indexes("person"), db.get_foreign_keys("remark")]
    models = generate_models(db)
    yield [sorted(models), models["remark"].select().count(), models["person"].get(name="Ann").rank]
    yield db.execute_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    db.close()


def failure(work: Any) -> str:
    try:
        return repr(work())
    except peewee.PeeweeException as error:
        return f"{type(error).__name__}: {error}"
