"""Whole statements: routes each by its first words, and reads those that are neither queries nor changes of rows.

    CREATE --+-- [TEMP] TABLE --> ddl.py            SELECT, VALUES --> select.py
             +-- [TEMP] VIEW, TRIGGER               WITH --> select.py or dml.py
             +-- [UNIQUE] INDEX                     INSERT, REPLACE, UPDATE, DELETE --> dml.py
             +-- VIRTUAL TABLE                      the rest --> STATEMENTS below
"""

from __future__ import annotations

from collections.abc import Callable

from tandemdb.planner.parser.ddl import TableParser
from tandemdb.planner.parser.expressions import LOOSEST, SELECT_STARTS
from tandemdb.planner.parser.limits import EXPRESSION_DEPTH_MAX, check_height
from tandemdb.planner.syntax.ast import (
    Analyze,
    Attach,
    Begin,
    Commit,
    Delete,
    Detach,
    Explain,
    Expression,
    Insert,
    Pragma,
    Reindex,
    Release,
    Rollback,
    Savepoint,
    Select,
    Update,
    Vacuum,
    Value,
)
from tandemdb.planner.syntax.ddl import (
    AddColumn,
    CreateIndex,
    CreateTrigger,
    CreateView,
    CreateVirtualTable,
    Drop,
    DropColumn,
    RenameColumn,
    RenameTable,
)
from tandemdb.planner.syntax.keywords import NAMES
from tandemdb.planner.syntax.parsed import Parsed, Statement

SPACE = " \t\n\v\f\r"


def parse(sql: str, start: int = 0) -> Parsed:
    """Parse the first statement at or behind `start`; semicolons before it are passed over.

    Returns:
        The statement, with the offset behind it; `node` is None if only white space and comments are left.
    Raises:
        OperationalError: a syntax error, in SQLite's words, or a statement beyond SQLite's limits.
    Cost: linear in the statement's text.
    """
    while True:
        parser = StatementParser(sql, start)
        if parser.kind == ";":
            start = parser.tokens.end
            continue
        if parser.kind == "end":
            return Parsed(None, parser.tokens.end, (), ())
        node = parser.statement()
        if parser.kind != ";" and parser.kind != "end":
            parser.fail()
        if len(parser.kinds) > EXPRESSION_DEPTH_MAX:
            check_height(node)
        return Parsed(
            node, parser.tokens.end, parser.parameters, parser.literals, tuple(parser.structural_slots)
        )


def parse_expression(text: str) -> Expression:
    """Parse a text that is one expression, as in a catalog's CHECK or DEFAULT."""
    parser = StatementParser(text, 0)
    expression = parser.expression()
    if parser.kind != "end":
        parser.fail()
    return expression


class StatementParser(TableParser):
    """Reads any statement."""

    def statement(self) -> Statement:
        if self.kind == "EXPLAIN":
            self.advance()
            query_plan = self.accept("QUERY")
            if query_plan:
                self.expect("PLAN")
            return Explain(query_plan, self.command())
        return self.command()

    def command(self) -> Statement:
        kind = self.kind
        if kind == "SELECT" or kind == "VALUES":
            return self.select(0)
        if kind == "WITH":
            with_ = self.with_clause(0)
            if self.kind in ("INSERT", "REPLACE", "UPDATE", "DELETE"):
                return self.dml(with_, 1)
            return self.select_without_with(with_, 2)
        reader = STATEMENTS.get(kind)
        if reader is None:
            self.fail()
        return reader(self)

    def change(self) -> Insert | Update | Delete:
        return self.dml(None, 1)

    # ---- CREATE and DROP

    def create(self) -> Statement:
        self.advance()
        temporary = self.accept("TEMP")
        if temporary:
            kind = self.choose("TABLE", "VIEW", "TRIGGER")
        else:
            kind = self.choose("TABLE", "VIEW", "TRIGGER", "INDEX", "UNIQUE", "VIRTUAL")
        if kind == "TABLE":
            return self.create_table(temporary)
        if kind == "VIEW":
            return self.create_view(temporary)
        if kind == "TRIGGER":
            return self.create_trigger(temporary)
        if kind == "VIRTUAL":
            return self.create_virtual_table()
        if kind == "UNIQUE":
            self.expect("INDEX")
        return self.create_index(kind == "UNIQUE")

    def create_index(self, unique: bool) -> CreateIndex:
        if_not_exists = self.if_not_exists()
        name, schema, first = self.created_name()
        self.expect("ON")
        table = self.name()
        self.expect("(")
        columns = self.key_columns(9)
        self.expect(")")
        where = self.where(12)
        text = self.sql[self.offset(first) : self.offset(self.position)]
        head = "CREATE UNIQUE INDEX " if unique else "CREATE INDEX "
        return CreateIndex(name, schema, table, columns, unique, where, if_not_exists, head + text)

    def create_view(self, temporary: bool) -> CreateView:
        if_not_exists = self.if_not_exists()
        name, schema, first = self.created_name()
        columns = self.column_list() if self.kind == "(" else ()
        self.expect("AS")
        if self.kind not in SELECT_STARTS:
            self.fail()
        select = self.select(8)
        text = self.sql[self.offset(first) : self.offset(self.position)].rstrip(SPACE)
        return CreateView(name, schema, columns, select, temporary, if_not_exists, "CREATE VIEW " + text)

    def create_trigger(self, temporary: bool) -> CreateTrigger:
        if_not_exists = self.if_not_exists()
        name, schema, first = self.created_name()
        time = "BEFORE"
        if self.kind in ("BEFORE", "AFTER"):
            time = self.kind
            self.advance()
        elif self.accept("INSTEAD"):
            self.expect("OF")
            time = "INSTEAD OF"
        event = self.choose("INSERT", "UPDATE", "DELETE")
        columns = self.names() if event == "UPDATE" and self.accept("OF") else ()
        self.expect("ON")
        table, table_schema = self.qualified_name()
        if self.accept("FOR"):
            self.expect_all("EACH", "ROW")
        when = self.expression(LOOSEST, 11) if self.accept("WHEN") else None
        self.expect("BEGIN")
        body: list[Insert | Update | Delete | Select] = []
        while not body or self.kind != "END":
            body.append(self.trigger_statement())
            if self.kind != ";":
                self.fail()
            self.extend()
            self.advance()
        self.advance()
        text = "CREATE TRIGGER " + self.text_from(first)
        return CreateTrigger(
            name, schema, time, event, columns, table, table_schema, when, tuple(body), temporary, if_not_exists, text
        )

    def trigger_statement(self) -> Insert | Update | Delete | Select:
        if self.kind == "UPDATE":
            return self.update(None, 4, in_trigger=True)
        if self.kind == "DELETE":
            return self.delete(None, 4, in_trigger=True)
        if self.kind == "INSERT" or self.kind == "REPLACE":
            return self.insert(None, 5, in_trigger=True)
        if self.kind not in SELECT_STARTS:
            self.fail()
        return self.select(5)

    def create_virtual_table(self) -> CreateVirtualTable:
        self.expect("TABLE")
        if_not_exists = self.if_not_exists()
        name, schema, first = self.created_name()
        self.expect("USING")
        module = self.name()
        arguments = self.module_arguments() if self.accept("(") else ()
        text = "CREATE VIRTUAL TABLE " + self.text_from(first)
        return CreateVirtualTable(name, schema, module, arguments, if_not_exists, text)

    def module_arguments(self) -> tuple[str, ...]:
        """Read anything up to the closing parenthesis, cut at its own commas."""
        arguments = []
        open_parentheses = 0
        first = self.position
        while open_parentheses or self.kind != ")":
            if self.kind in ("end", "illegal", ";"):
                self.fail()
            if self.kind == "," and not open_parentheses:
                arguments.append(self.text_between(first, self.position))
                first = self.position + 1
            open_parentheses += (self.kind == "(") - (self.kind == ")")
            self.advance()
        if arguments or first < self.position:
            arguments.append(self.text_between(first, self.position))
        self.advance()
        return tuple(arguments)

    def drop(self) -> Drop:
        self.advance()
        kind = self.choose("TABLE", "INDEX", "VIEW", "TRIGGER")
        if_exists = self.accept("IF")
        if if_exists:
            self.expect("EXISTS")
        name, schema = self.qualified_name()
        return Drop(kind, name, schema, if_exists)

    # ---- ALTER TABLE

    def alter(self) -> RenameTable | RenameColumn | AddColumn | DropColumn:
        self.advance()
        self.expect("TABLE")
        table, schema = self.qualified_name()
        action = self.choose("RENAME", "ADD", "DROP")
        if action == "RENAME":
            if self.accept("TO"):
                return RenameTable(table, schema, self.name())
            self.accept("COLUMN")
            column = self.name()
            self.expect("TO")
            return RenameColumn(table, schema, column, self.name())
        self.accept("COLUMN")
        if action == "DROP":
            return DropColumn(table, schema, self.name())
        first = self.position
        definition = self.column_definition()
        text = self.sql[self.offset(first) : self.offset(self.position)].rstrip(SPACE + ";")
        return AddColumn(table, schema, definition, text)

    # ---- transactions

    def begin(self) -> Begin:
        self.advance()
        kind = "DEFERRED"
        if self.kind in ("DEFERRED", "IMMEDIATE", "EXCLUSIVE"):
            kind = self.kind
            self.advance()
        self.transaction_word()
        return Begin(kind)

    def commit(self) -> Commit:
        self.advance()
        self.transaction_word()
        return Commit()

    def rollback(self) -> Rollback:
        self.advance()
        self.transaction_word()
        if not self.accept("TO"):
            return Rollback(None)
        self.accept("SAVEPOINT")
        return Rollback(self.name())

    def transaction_word(self) -> None:
        """Read TRANSACTION and a name, which means nothing, if they are there."""
        if self.accept("TRANSACTION") and self.kind in NAMES:
            self.name()

    def savepoint(self) -> Savepoint:
        self.advance()
        return Savepoint(self.name())

    def release(self) -> Release:
        self.advance()
        self.accept("SAVEPOINT")
        return Release(self.name())

    # ---- the rest

    def pragma(self) -> Pragma:
        self.advance()
        name, schema = self.qualified_name()
        if self.accept("="):
            return Pragma(name, schema, self.pragma_value(), True)
        if self.accept("("):
            value = self.pragma_value()
            self.expect(")")
            return Pragma(name, schema, value, True)
        return Pragma(name, schema, None, False)

    def pragma_value(self) -> Value:
        if self.kind in ("number", "+", "-"):
            return self.signed_number()
        if self.kind in ("ON", "DELETE", "DEFAULT"):
            text = self.texts[self.position]
            self.advance()
            return text
        return self.name()

    def attach(self) -> Attach:
        self.advance()
        self.accept("DATABASE")
        file = self.expression(LOOSEST, 2)
        self.expect("AS")
        schema = self.expression(LOOSEST, 4)
        if self.accept("KEY"):
            self.expression(LOOSEST, 6)
        return Attach(file, schema)

    def detach(self) -> Detach:
        self.advance()
        self.accept("DATABASE")
        return Detach(self.expression(LOOSEST, 2))

    def vacuum(self) -> Vacuum:
        self.advance()
        schema = self.name() if self.kind in NAMES else None
        into = self.expression(LOOSEST, 3) if self.accept("INTO") else None
        return Vacuum(schema, into)

    def reindex(self) -> Reindex:
        self.advance()
        return Reindex(*self.optional_name())

    def analyze(self) -> Analyze:
        self.advance()
        return Analyze(*self.optional_name())

    def optional_name(self) -> tuple[str | None, str | None]:
        return self.qualified_name() if self.kind in NAMES else (None, None)


STATEMENTS: dict[str, Callable[[StatementParser], Statement]] = {
    **dict.fromkeys(["INSERT", "REPLACE", "UPDATE", "DELETE"], StatementParser.change),
    "CREATE": StatementParser.create,
    "DROP": StatementParser.drop,
    "ALTER": StatementParser.alter,
    "BEGIN": StatementParser.begin,
    "COMMIT": StatementParser.commit,
    "END": StatementParser.commit,
    "ROLLBACK": StatementParser.rollback,
    "SAVEPOINT": StatementParser.savepoint,
    "RELEASE": StatementParser.release,
    "PRAGMA": StatementParser.pragma,
    "ATTACH": StatementParser.attach,
    "DETACH": StatementParser.detach,
    "VACUUM": StatementParser.vacuum,
    "REINDEX": StatementParser.reindex,
    "ANALYZE": StatementParser.analyze,
}
