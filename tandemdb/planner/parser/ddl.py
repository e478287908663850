"""CREATE TABLE: columns, their constraints, and the table's.

    CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT CONSTRAINT n NOT NULL DEFAULT 'x', CHECK (a > 0)) STRICT
                    |                      |                                         |
                    ColumnDefinition       ColumnDefinition                          Check

A constraint's name holds, as in SQLite, for every constraint up to the next column, or up to the next comma among the
table's own.
"""

from __future__ import annotations

import re
from typing import Any

from tandemdb.errors import OperationalError
from tandemdb.planner.parser.core import LITERAL_KINDS
from tandemdb.planner.parser.dml import DmlParser
from tandemdb.planner.parser.expressions import LOOSEST, SELECT_STARTS
from tandemdb.planner.parser.limits import COLUMNS_MAX
from tandemdb.planner.syntax.ast import Collate, Expression, Literal, Name, OrderTerm, Unary
from tandemdb.planner.syntax.ddl import (
    Check,
    ColumnDefinition,
    CreateTable,
    ForeignKey,
    Generated,
    UniqueConstraint,
)
from tandemdb.planner.syntax.keywords import IDENTIFIERS, JOIN_WORDS, NAMES, TIME_WORDS
from tandemdb.planner.syntax.lexer import dequote

TABLE_CONSTRAINT_STARTS = frozenset(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"])
QUOTED = re.compile(r"""\[[^]]*\]|(["'`])(?:(?!\1).|\1\1)*\1""", re.DOTALL)


class TableParser(DmlParser):
    """Reads table definitions."""

    table_name = ""
    has_primary_key = False
    constraint_name: str | None = None

    def create_table(self, temporary: bool) -> CreateTable:
        """Read the statement from behind the word TABLE."""
        if_not_exists = self.if_not_exists()
        name, schema, first = self.created_name()
        if self.accept("AS"):
            if self.kind not in SELECT_STARTS:
                self.fail()
            select = self.select(3)
            return CreateTable(
                name, schema, (), temporary=temporary, if_not_exists=if_not_exists, select=select
            )
        self.expect("(")
        self.table_name = name
        self.has_primary_key = False
        columns = [self.column_definition()]
        parts: list[UniqueConstraint | Check | ForeignKey] = []
        while self.accept(","):
            if self.kind in TABLE_CONSTRAINT_STARTS:
                parts = self.table_constraints()
                break
            columns.append(self.column_definition())
            if len(columns) > COLUMNS_MAX:
                raise OperationalError(f"too many columns on {name}")
        self.expect(")")
        text = "CREATE TABLE " + self.text_from(first)
        options = self.table_options()
        if options:
            text = "CREATE TABLE " + self.sql[self.offset(first) : self.offset(self.position)]
        return CreateTable(
            name,
            schema,
            tuple(columns),
            tuple(part for part in parts if isinstance(part, UniqueConstraint)),
            tuple(part for part in parts if isinstance(part, Check)),
            tuple(part for part in parts if isinstance(part, ForeignKey)),
            temporary,
            if_not_exists,
            "rowid" in options,
            "strict" in options,
            None,
            text,
        )

    def if_not_exists(self) -> bool:
        if not self.accept("IF"):
            return False
        self.expect_all("NOT", "EXISTS")
        return True

    def created_name(self) -> tuple[str, str | None, int]:
        """Read [schema.]name; return it with the position of the name itself, where the kept text begins."""
        name, schema = self.qualified_name()
        return name, schema, self.position - 1

    def table_options(self) -> set[str]:
        """Read STRICT and WITHOUT ROWID, separated by commas."""
        options: set[str] = set()
        while self.kind == "," or (not options and self.kind in NAMES):
            if self.kind == ",":
                self.advance()
            known = "rowid" if self.accept("WITHOUT") else "strict"
            text = self.texts[self.position]
            self.name()
            if self.kind not in (",", ";", "end"):
                self.fail()
            if text.lower() != known:
                raise OperationalError(f"unknown table option: {text}")
            options.add(known)
        return options

    # ---- columns

    def column_definition(self) -> ColumnDefinition:
        name = self.name()
        self.constraint_name = None
        type_name = declared_type(self.type_name())
        fields: dict[str, Any] = {}
        checks: list[Check] = []
        references: list[ForeignKey] = []
        while True:
            reader = COLUMN_CONSTRAINTS.get(self.kind)
            if reader is not None:
                self.advance()
                reader(self, fields, name)
            elif self.kind == "CHECK":
                self.advance()
                checks.append(self.check())
            elif self.kind == "REFERENCES":
                references.append(self.reference((name,)))
            elif self.kind == "DEFERRABLE" or (self.kind == "NOT" and self.following() == "DEFERRABLE"):
                deferred = self.deferrable()
                if references:
                    references[-1] = references[-1]._replace(deferred=deferred)
            elif self.accept("CONSTRAINT"):
                self.constraint_name = self.name()
            elif self.kind == "NOT":
                self.advance()
                self.expect("NULL")
                fields["not_null"] = True
                fields["not_null_conflict"] = self.on_conflict()
            else:
                return ColumnDefinition(
                    name, type_name, **fields, checks=tuple(checks), references=tuple(references)
                )

    def column_primary_key(self, fields: dict[str, Any], name: str) -> None:
        self.expect("KEY")
        fields["primary_key"] = self.kind if self.kind in ("ASC", "DESC") else "ASC"
        if self.kind in ("ASC", "DESC"):
            self.advance()
        fields["primary_key_conflict"] = self.on_conflict()
        fields["autoincrement"] = self.accept("AUTOINCREMENT")
        self.note_primary_key()

    def column_unique(self, fields: dict[str, Any], name: str) -> None:
        fields["unique"] = True
        fields["unique_conflict"] = self.on_conflict()

    def column_null(self, fields: dict[str, Any], name: str) -> None:
        self.on_conflict()

    def column_collate(self, fields: dict[str, Any], name: str) -> None:
        fields["collation"] = self.identifier_or_string()

    def column_default(self, fields: dict[str, Any], name: str) -> None:
        first = self.position
        if self.accept("("):
            fields["default"] = self.expression(LOOSEST, 8)
            fields["default_text"] = self.text_between(first + 1, self.position)
            self.expect(")")
            return
        if self.kind in LITERAL_KINDS or self.kind in TIME_WORDS or self.kind in ("NULL", "+", "-"):
            fields["default"] = self.default_term()
        else:
            fields["default"] = self.default_word()
        fields["default_text"] = self.text_from(first)

    def default_term(self) -> Expression:
        """Read a literal, NULL or CURRENT_..., with a sign or without."""
        sign = self.kind
        if sign == "+" or sign == "-":
            self.advance()
        if self.kind not in LITERAL_KINDS and self.kind not in TIME_WORDS and self.kind != "NULL":
            self.fail()
        term: Expression
        if self.kind in LITERAL_KINDS:
            term = self.literal()
            if sign == "-" and term == Literal(float(2**63)):
                return Literal(-(2**63))
        else:
            term = self.null(0) if self.kind == "NULL" else self.time_word(0)
        return Unary("-", term) if sign == "-" else term

    def default_word(self) -> Expression:
        """Read an identifier: TRUE and FALSE are names to the binder, any other stands for its own text."""
        text = self.texts[self.position]
        if self.kind == "string" or self.kind not in NAMES or self.kind in JOIN_WORDS:
            self.fail()
        word = self.name()
        if word.lower() in ("true", "false") and text == word:
            return Name(word)
        return Literal(word)

    def column_generated(self, fields: dict[str, Any], name: str) -> None:
        """Read GENERATED ALWAYS AS (...) from behind its first word."""
        self.expect_all("ALWAYS", "AS")
        self.column_as(fields, name)

    def column_as(self, fields: dict[str, Any], name: str) -> None:
        self.expect("(")
        first = self.position
        expression = self.expression(LOOSEST, 8)
        text = self.text_between(first, self.position)
        self.expect(")")
        stored = False
        if self.kind in IDENTIFIERS:
            word = self.texts[self.position].lower()
            if word not in ("stored", "virtual"):
                raise OperationalError(f'error in generated column "{name}"')
            stored = word == "stored"
            self.advance()
        fields["generated"] = Generated(expression, text, stored)

    # ---- constraints

    def table_constraints(self) -> list[UniqueConstraint | Check | ForeignKey]:
        """Read constraints; SQLite does not ask for commas between them."""
        parts: list[UniqueConstraint | Check | ForeignKey] = []
        while True:
            kind = self.choose("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
            if kind == "CONSTRAINT":
                self.constraint_name = self.name()
            elif kind == "CHECK":
                parts.append(self.check())
                self.on_conflict()
            elif kind == "FOREIGN":
                parts.append(self.foreign_key())
            else:
                parts.append(self.unique(kind == "PRIMARY"))
            if self.accept(","):
                self.constraint_name = None
            elif self.kind not in TABLE_CONSTRAINT_STARTS:
                return parts

    def unique(self, primary: bool) -> UniqueConstraint:
        if primary:
            self.expect("KEY")
        self.expect("(")
        columns = self.key_columns(8)
        autoincrement = primary and self.accept("AUTOINCREMENT")
        self.expect(")")
        conflict = self.on_conflict()
        if primary:
            self.note_primary_key()
        return UniqueConstraint(columns, primary, conflict, autoincrement, self.constraint_name)

    def note_primary_key(self) -> None:
        if self.has_primary_key:
            raise OperationalError(f'table "{self.table_name}" has more than one primary key')
        self.has_primary_key = True

    def key_columns(self, depth: int) -> tuple[OrderTerm, ...]:
        """Read the columns of a key, where a string is the name of a column."""
        return tuple(
            term._replace(expression=string_to_name(term.expression)) for term in self.order_terms(depth)
        )

    def check(self) -> Check:
        self.expect("(")
        first = self.position
        expression = self.expression(LOOSEST, 8)
        text = self.text_between(first, self.position)
        self.expect(")")
        # SQLite takes the text for a name, and of one that begins with a quoted name or string keeps just that.
        quoted = QUOTED.match(text)
        return Check(expression, dequote(quoted[0]) if quoted else text, self.constraint_name)

    def foreign_key(self) -> ForeignKey:
        self.expect_all("KEY")
        key = self.reference(self.column_list())
        if self.kind == "DEFERRABLE" or self.kind == "NOT":
            key = key._replace(deferred=self.deferrable())
        return key

    def reference(self, columns: tuple[str, ...]) -> ForeignKey:
        """Read REFERENCES and the actions that follow."""
        self.expect("REFERENCES")
        parent = self.name()
        parent_columns = self.column_list() if self.kind == "(" else ()
        actions = {"DELETE": "NO ACTION", "UPDATE": "NO ACTION", "INSERT": ""}
        match = "NONE"
        while True:
            if self.accept("MATCH"):
                match = self.name()
            elif self.accept("ON"):
                event = self.choose("DELETE", "UPDATE", "INSERT")
                actions[event] = self.reference_action()
            else:
                break
        return ForeignKey(
            columns, parent, parent_columns, actions["DELETE"], actions["UPDATE"], False, match, self.constraint_name
        )

    def reference_action(self) -> str:
        action = self.choose("SET", "CASCADE", "RESTRICT", "NO")
        if action == "SET":
            return "SET " + self.choose("NULL", "DEFAULT")
        if action == "NO":
            self.expect("ACTION")
            return "NO ACTION"
        return action

    def deferrable(self) -> bool:
        """Read [NOT] DEFERRABLE [INITIALLY DEFERRED | IMMEDIATE]; True if the check waits for the commit."""
        negated = self.accept("NOT")
        self.expect("DEFERRABLE")
        deferred = self.accept("INITIALLY") and self.choose("DEFERRED", "IMMEDIATE") == "DEFERRED"
        return deferred and not negated

    def on_conflict(self) -> str | None:
        """Read ON CONFLICT action, if it is there."""
        if not self.accept("ON"):
            return None
        self.expect("CONFLICT")
        return self.conflict_action()


COLUMN_CONSTRAINTS = {
    "PRIMARY": TableParser.column_primary_key,
    "UNIQUE": TableParser.column_unique,
    "NULL": TableParser.column_null,
    "COLLATE": TableParser.column_collate,
    "DEFAULT": TableParser.column_default,
    "GENERATED": TableParser.column_generated,
    "AS": TableParser.column_as,
}


STANDARD_TYPES = frozenset(["ANY", "BLOB", "INT", "INTEGER", "REAL", "TEXT"])


def declared_type(type_name: str) -> str:
    """Return a column's type as SQLite keeps it: standard names in upper case, without GENERATED ALWAYS.

    SQLite's grammar reads those two words as part of the type.
    """
    if type_name[-6:].upper() == "ALWAYS":
        shorter = type_name[:-6].rstrip()
        if shorter[-9:].upper() == "GENERATED":
            type_name = shorter[:-9].rstrip()
    return type_name.upper() if type_name.upper() in STANDARD_TYPES else type_name


def string_to_name(expression: Expression) -> Expression:
    if isinstance(expression, Literal) and isinstance(expression.value, str):
        return Name(expression.value)
    if isinstance(expression, Collate):
        return expression._replace(operand=string_to_name(expression.operand))
    return expression
