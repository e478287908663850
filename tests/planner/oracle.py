"""What sqlite3 makes of a statement's text, so far as its parser alone decides.

A statement is compiled behind EXPLAIN in a database with two small tables. An error that only the names in the
statement can cause ("no such table") counts as accepted.
"""

from __future__ import annotations

import re
import sqlite3

from tandemdb.planner.parser.limits import VARIABLE_NUMBER_MAX

PARSER_ERROR = re.compile(
    r'near "|incomplete input|unrecognized token|parser stack overflow|clause should come after|too many terms in comp|'
    r"unknown join type|a JOIN clause is required|Expression tree is too|duplicate WITH|unknown table option|"
    r"syntax error after column|cannot use RETURNING|is not allowed on UPDATE or DELETE|qualified table names are not|"
    r"variable number must|hex literal too big|too many (arguments on|columns on|SQL var|FROM clause)|"
    r"more than one primary key|error in generated column"
)


def parser_error(sql: str) -> str | None:
    """Return the text of the parser's error, None if there is none."""
    connection = sqlite3.connect(":memory:")
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, VARIABLE_NUMBER_MAX)
    connection.executescript("CREATE TABLE t (a, b, c); CREATE TABLE u (a, b, d); CREATE INDEX i ON t (a)")
    try:
        connection.execute(sql if sql[:7].upper() == "EXPLAIN" else "EXPLAIN " + sql)
    except (sqlite3.Error, sqlite3.Warning) as error:
        return str(error) if PARSER_ERROR.search(str(error)) else None
    finally:
        connection.close()
    return None
