"""Writes the page of the documents that goes through SQLite's language feature by feature.

features --write_page--> counts by group, then a table a group: feature | answer | shown by
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from tests.conformance.features import DIFFERS, REFUSED, SUPPORTED, Feature

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sql.md"
EXAMPLE_MAX = 100
HEAD = """\
# SQL, feature by feature

Written by `python -m tests.conformance` from `tests/conformance/features.txt`; a test compares it with what the
engines answer. *Supported*: rows, column names, and classes, texts and codes of errors equal those of SQLite 3.40 on
the statements that show the feature. *Differs*: they do not, for the reason given. *Refused*: `NotSupportedError`.
What differs on purpose outside the language is in [differences.md](differences.md).
"""


def write_page(features: list[Feature]) -> str:
    """Return the text of the page; the features' expected statuses must be those that a run has found."""
    groups = [(name, list(members)) for name, members in groupby(features, lambda feature: feature.group)]
    lines = [HEAD, "| group | features | supported | differs | refused |", "|---|--:|--:|--:|--:|"]
    for name, members in [*groups, ("together", features)]:
        counts = [sum(feature.expected == answer for feature in members) for answer in (SUPPORTED, DIFFERS, REFUSED)]
        lines.append(f"| {name} | {len(members)} | " + " | ".join(map(str, counts)) + " |")
    for name, members in groups:
        lines += ["", f"## {name}", "", "| feature | answer | shown by |", "|---|---|---|"]
        lines += [f"| {escape(member.name)} | {status(member)} | {example(member)} |" for member in members]
    return "\n".join(lines) + "\n"


def status(feature: Feature) -> str:
    return f"{feature.expected}: {escape(feature.reason)}" if feature.reason else feature.expected


def example(feature: Feature) -> str:
    """The last statement, which the others lead up to, on one line."""
    statement = feature.statements[-1].removeprefix("! ")
    if statement.startswith("plan "):
        statement = "EXPLAIN QUERY PLAN " + statement.removeprefix("plan ")
    flat = " ".join(statement.split())
    if len(flat) > EXAMPLE_MAX:
        flat = flat[:EXAMPLE_MAX].rsplit(" ", 1)[0] + " ..."
    return f"`{escape(flat)}`"


def escape(text: str) -> str:
    return text.replace("|", "\\|")
