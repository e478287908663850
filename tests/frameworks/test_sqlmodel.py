"""SQLModel with tandemdb: models, relationships, a session a request, an engine many threads share.

engine = create_engine("sqlite+tandemdb://")      no StaticPool, no check_same_thread

Annotations are not postponed here, for SQLModel reads them.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sqlmodel = pytest.importorskip("sqlmodel", reason="SQLModel is not installed")

from sqlalchemy.exc import IntegrityError  # noqa: E402
from sqlmodel import Field, Relationship, Session, SQLModel, col, create_engine, func, select  # noqa: E402


class Team(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, unique=True)
    heroes: list["Hero"] = Relationship(back_populates="team", cascade_delete=True)


class Hero(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    age: int | None = Field(default=None, ge=0)
    team_id: int | None = Field(default=None, foreign_key="team.id", ondelete="CASCADE")
    team: Team | None = Relationship(back_populates="heroes")


def story(engine: Any) -> list[Any]:
    """Play a little application; return what it saw."""
    SQLModel.metadata.create_all(engine)
    seen: list[Any] = []
    with Session(engine) as session:
        rangers = Team(name="Rangers", heroes=[Hero(name="Rusty", age=48), Hero(name="Tarantula")])
        session.add(rangers)
        session.add(Hero(name="Loner"))
        session.commit()
        session.refresh(rangers)
        seen.append([hero.name for hero in rangers.heroes])
    with Session(engine) as session:
        statement = select(Hero.name, Team.name).join(Team, isouter=True).order_by(col(Hero.id))
        seen.append([tuple(row) for row in session.exec(statement)])
        seen.append(session.exec(select(func.count()).select_from(Hero).where(col(Hero.age).is_(None))).one())
        hero = session.exec(select(Hero).where(Hero.name == "Rusty")).one()
        hero.age = 49
        session.add(hero)
        session.commit()
        session.add(Team(name="Rangers"))
        try:
            session.commit()
        except IntegrityError as error:
            session.rollback()
            seen.append(str(error.orig))
        seen.append(session.get(Hero, 1).model_dump())
        session.delete(session.get(Team, 1))
        session.commit()
        seen.append([hero.name for hero in session.exec(select(Hero)).all()])

    def serve(number: int) -> int:
        """One request: a session of its own, in a thread of its own."""
        with Session(engine) as session:
            session.add(Hero(name=f"hero {number}", age=number))
            session.commit()
            return session.exec(select(func.count()).select_from(Hero).where(Hero.name == f"hero {number}")).one()

    with ThreadPoolExecutor(4) as pool:
        seen.append(list(pool.map(serve, range(20))))
    with Session(engine) as session:
        seen.append(session.exec(select(func.count(), func.sum(Hero.age)).select_from(Hero)).one())
    engine.dispose()
    return seen


def test_as_with_sqlite(tmp_path: Path) -> None:
    expected = story(create_engine(f"sqlite:///{tmp_path}/reference.db"))
    assert story(create_engine("sqlite+tandemdb://")) == expected
    assert story(create_engine(f"sqlite+tandemdb:///{tmp_path}/own.db")) == expected


@pytest.mark.parametrize("url", ["sqlite+tandemdb://", "sqlite+tandemdb:///:memory:heroes"])
def test_threads(url: str) -> None:
    seen = story(create_engine(url))
    assert seen[-2:] == [[1] * 20, (21, 190)]
