"""Flask-SQLAlchemy with tandemdb: an application whose tests each begin from the same seeded database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask_sqlalchemy", reason="Flask-SQLAlchemy is not installed")

from flask import Flask, abort, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Entry(db.Model):  # type: ignore[name-defined,misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)
    hits: Mapped[int] = mapped_column(default=0)


class Visit(db.Model):  # type: ignore[name-defined,misc]
    __bind_key__ = "statistics"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str]


def make_application(url: str, statistics: str) -> Flask:
    """Make a little application with two databases."""
    application = Flask(__name__)
    application.config.update(SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_BINDS={"statistics": statistics}, TESTING=True)
    db.init_app(application)

    @application.before_request
    def count() -> None:
        db.session.add(Visit(path=request.path))
        db.session.commit()

    @application.get("/")
    def listing() -> Any:
        page = db.paginate(db.select(Entry).order_by(Entry.id), per_page=3, page=request.args.get("page", 1, type=int))
        return jsonify(entries=[entry.text for entry in page], pages=page.pages, total=page.total)

    @application.post("/")
    def add() -> Any:
        entry = Entry(text=request.form["text"])
        db.session.add(entry)
        try:
            db.session.commit()
        except Exception as error:
            db.session.rollback()
            abort(409, str(getattr(error, "orig", error)))
        return jsonify(id=entry.id), 201

    @application.get("/<int:number>")
    def show(number: int) -> Any:
        entry = db.get_or_404(Entry, number)
        entry.hits = Entry.hits + 1
        db.session.commit()
        return jsonify(text=entry.text, hits=entry.hits)

    with application.app_context():
        db.create_all()
        db.session.add_all([Entry(text=f"entry {number}") for number in range(5)])
        db.session.commit()
    return application


def use(application: Flask) -> list[Any]:
    """Send requests; return the answers."""
    client = application.test_client()
    answers = [
        client.get("/"),
        client.get("/?page=2"),
        client.post("/", data={"text": "new"}),
        client.post("/", data={"text": "new"}),
        client.get("/6"),
        client.get("/6"),
        client.get("/99"),
    ]
    seen: list[Any] = [(answer.status_code, answer.get_data(as_text=True)) for answer in answers]
    with application.app_context():
        paths = db.session.execute(db.select(Visit.path, db.func.count()).group_by(Visit.path).order_by(Visit.path))
        seen.append([tuple(row) for row in paths])
        db.drop_all()
        seen.append(db.inspect(db.engine).get_table_names())
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()
    return seen


@pytest.fixture(params=["sqlite+tandemdb://", "sqlite+tandemdb:///:memory:entries", "sqlite+tandemdb:///{path}/e.db"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield request.param.format(path=tmp_path)


def test_as_with_sqlite(url: str) -> None:
    found = use(make_application(url, "sqlite+tandemdb:///:memory:statistics"))
    assert found == use(make_application("sqlite://", "sqlite://"))
    assert found[3] == (409, found[3][1])
    assert "UNIQUE constraint failed: entry.text" in found[3][1]
