"""SQLAlchemy models over the tables of world.sql.

    python examples/orm.py

The schema was made by a script, so nothing is created here: the models only say what they need of it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import tandemdb

SCRIPT = Path(__file__).with_name("world.sql")


class Base(DeclarativeBase):
    """The base of the models."""


class Continent(Base):
    __tablename__ = "continent"
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    countries: Mapped[list[Country]] = relationship(back_populates="continent", order_by="Country.name")


class CountryLanguage(Base):
    __tablename__ = "country_language"
    country_code: Mapped[str] = mapped_column(ForeignKey("country.code"), primary_key=True)
    language_code: Mapped[str] = mapped_column(ForeignKey("language.code"), primary_key=True)


class Country(Base):
    __tablename__ = "country"
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    capital: Mapped[str | None]
    continent_code: Mapped[str] = mapped_column(ForeignKey("continent.code"))
    currency_code: Mapped[str]
    continent: Mapped[Continent] = relationship(back_populates="countries")
    languages: Mapped[list[Language]] = relationship(secondary="country_language", back_populates="countries")


class Language(Base):
    __tablename__ = "language"
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    countries: Mapped[list[Country]] = relationship(secondary="country_language", back_populates="languages")


def main() -> None:
    # This connection holds the named database as long as it is open; the engine's connections come and go.
    holder = tandemdb.connect(":memory:world")
    holder.executescript(SCRIPT.read_text(encoding="utf-8"))
    engine = create_engine("sqlite+tandemdb:///:memory:world")
    with Session(engine) as session:
        switzerland = session.get_one(Country, "CH")
        languages = sorted(language.name for language in switzerland.languages)
        print(f"{switzerland.name}, {switzerland.continent.name}:", ", ".join(languages))

        count = func.count(CountryLanguage.language_code).label("languages")
        most = select(Country.name, count).join(CountryLanguage).group_by(Country.code).order_by(count.desc()).limit(3)
        for name, number in session.execute(most):
            print(f"{name}: {number} languages")

        atlantis = Country(
            code="XA",
            name="Atlantis",
            capital="Poseidonis",
            currency_code="EUR",
            continent=session.get_one(Continent, "OC"),
            languages=[session.get_one(Language, "el")],
        )
        session.add(atlantis)
        session.flush()
        greek = select(Country.name).where(Country.languages.any(name="Greek")).order_by(Country.name)
        print("Greek:", ", ".join(session.scalars(greek)))
        session.rollback()
        print("after the rollback:", session.scalar(select(func.count()).select_from(Country)), "countries")
    engine.dispose()
    holder.close()


if __name__ == "__main__":
    main()
