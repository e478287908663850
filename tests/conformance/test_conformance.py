"""Each feature of SQLite's language does on tandemdb what the table says, and the page says the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.conformance.features import ORACLE, TABLE, Feature, TableError, read_features, try_feature
from tests.conformance.page import PAGE, write_page

FEATURES = read_features(TABLE.read_text(encoding="utf-8"))
# Parts of SQLite's language that a build may leave out; the table has them.
OPTIONS = ("ENABLE_MATH_FUNCTIONS", "ENABLE_UPDATE_DELETE_LIMIT", "SOUNDEX", "ENABLE_FTS5", "ENABLE_RTREE")


def lacking() -> str:
    """What keeps this interpreter's sqlite3 from being the oracle; nothing if it can be."""
    if sqlite3.sqlite_version_info[:2] != ORACLE:
        return f"compares with SQLite 3.40, this is {sqlite3.sqlite_version}"
    used = {row[0] for row in sqlite3.connect(":memory:").execute("PRAGMA compile_options")}
    missing = [option for option in OPTIONS if option not in used]
    return f"this SQLite is built without {', '.join(missing)}" if missing else ""


LIKE_ORACLE = pytest.mark.skipif(bool(lacking()), reason=lacking() or "not skipped")


@LIKE_ORACLE
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: f"{feature.group}: {feature.name}")
def test_feature(feature: Feature, tmp_path: Path) -> None:
    outcome = try_feature(feature, tmp_path)
    assert outcome.status == feature.expected, (
        f"{outcome.statement}\nsqlite3   {outcome.wanted}\ntandemdb  {outcome.found}"
    )


def test_the_page_is_what_the_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(FEATURES), "run python -m tests.conformance"


def test_features_have_names_of_their_own_statements_and_reasons_where_they_differ() -> None:
    names = [(feature.group, feature.name) for feature in FEATURES]
    assert len(set(names)) == len(names)
    assert all(feature.statements and feature.group for feature in FEATURES)
    assert all(feature.reason for feature in FEATURES if feature.expected == "differs")


@LIKE_ORACLE
def test_a_statement_that_fails_unannounced_is_an_error_of_the_table(tmp_path: Path) -> None:
    for statement in ("SELECT nothing", "! SELECT 1"):
        with pytest.raises(TableError, match="wrong: sqlite3 answers"):
            try_feature(Feature("wrong", "Errors", [statement]), tmp_path)
