"""Lets each change of one record run as one that runs often does, from its first run on."""

from __future__ import annotations

from typing import Any

import pytest

from tandemdb import Cursor
from tandemdb.dbapi import ready
from tandemdb.dbapi.ready import NOT_READY
from tandemdb.planner.change import dml
from tandemdb.planner.plan_settings import plan_key


def run_whole(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have Cursor.execute do so; the texts that were run so, as they come."""
    made: list[str] = []
    ordinary = Cursor.execute

    def execute_whole(cursor: Cursor, text: str, parameters: Any = ()) -> Cursor:
        if prepare_whole(cursor.connection, text, tuple(parameters)):
            made.append(text)
        return ordinary(cursor, text, tuple(parameters))

    monkeypatch.setattr(Cursor, "execute", execute_whole)
    return made


def prepare_whole(connection: Any, text: str, parameters: tuple[Any, ...]) -> bool:
    """Have ready what runs a change of one record as one that runs often; False for what does not run so."""
    session = connection._session
    session.ready.pop(text, None)
    try:
        statement = session.prepare(text)
        if not statement.is_dml or len(session.databases) > 1 or statement.bulk is not None:
            return False
        values = (*parameters, *statement.literals)
        plan, _ = dml.read_and_plan(session, statement, values, plan_key(session), False)
        if not (plan.atomic and plan.checks_all and plan.single) or plan.calls_own or connection._ready is NOT_READY:
            return False
        if not dml.write_out(session, statement, plan, parameters):
            return False
        change = ready.make_change(session, statement, plan)
        session.ready[text] = ready.make_written_out(session, statement, plan, change)
    except Exception:  # which running it tells of
        return False
    return True
