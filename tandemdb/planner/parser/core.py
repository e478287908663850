"""The stream of tokens that the parser reads, and the errors it raises, worded as SQLite words them.

    kinds   SELECT  id  FROM  id  end
    texts   SELECT  a   from  t
                        ^ position; `kind` is its kind

The parser is predictive: it decides by the kind at `position` (and once by the kind behind it), never goes back, and so
finds an error at the first token that cannot continue what was read, which is the token SQLite names.

`depth` arguments count the symbols that SQLite's own parser would hold on its stack at that point: it gives
up beyond 99, which bounds the recursion here too.
"""

from __future__ import annotations

from typing import NoReturn

from tandemdb.errors import OperationalError
from tandemdb.planner.parser.limits import STACK_DEPTH_MAX
from tandemdb.planner.syntax.ast import Literal, Value
from tandemdb.planner.syntax.keywords import IDENTIFIERS_OR_STRING, NAMES
from tandemdb.planner.syntax.lexer import Tokens, check_number, dequote, literal_value, scan

LITERAL_KINDS = frozenset(["number", "string", "blob"])


class TokenStream:
    """Position in one statement's tokens, its literals and its parameters."""

    def __init__(self, sql: str, start: int) -> None:
        self.sql = sql
        self.start = start
        self.parameters: list[str | None] = []
        self.parameter_indexes: dict[str, int] = {}
        self.literals: list[Value] = []
        self.slots: dict[int, int] = {}
        self.structural_slots: list[int] = []
        self._offsets: list[int] | None = None
        self.tokens: Tokens = scan(sql, start)
        self.kinds = self.tokens.kinds
        self.texts = self.tokens.texts
        self.position = 0
        self.kind = self.kinds[0]
        self.number_literals(0)

    def number_literals(self, first: int) -> None:
        """Give every literal token from position `first` on its slot and value."""
        kinds, texts = self.kinds, self.texts
        if LITERAL_KINDS.isdisjoint(kinds):
            return
        for position in range(first, len(kinds)):
            if kinds[position] in LITERAL_KINDS:
                try:
                    value = literal_value(texts[position])
                except ValueError:
                    continue
                self.slots[position] = len(self.literals)
                self.literals.append(value)

    def extend(self) -> None:
        """Read the tokens of the next statement too: the body of a trigger goes on behind its semicolons."""
        first = len(self.kinds)
        more = scan(self.sql, self.tokens.end)
        self.kinds += more.kinds
        self.texts += more.texts
        self.tokens = Tokens(self.kinds, self.texts, self.tokens.gaps + more.gaps, more.end)
        self._offsets = None
        self.number_literals(first)

    # ---- moving on

    def advance(self) -> None:
        self.position = position = self.position + 1
        self.kind = self.kinds[position]

    def accept(self, kind: str) -> bool:
        """Step over the token if it is of this kind, and tell so."""
        if self.kind == kind:
            self.position = position = self.position + 1
            self.kind = self.kinds[position]
            return True
        return False

    def expect(self, kind: str) -> None:
        if self.kind != kind:
            self.fail()
        self.position = position = self.position + 1
        self.kind = self.kinds[position]

    def expect_all(self, *kinds: str) -> None:
        for kind in kinds:
            self.expect(kind)

    def following(self) -> str:
        """Return the kind of the next token but one."""
        position = self.position + 1
        return self.kinds[position] if position < len(self.kinds) else "end"

    def choose(self, *kinds: str) -> str:
        """Step over the token, which must be of one of these kinds, and return its kind."""
        kind = self.kind
        if kind not in kinds:
            self.fail()
        self.advance()
        return kind

    # ---- names and literals

    def name(self) -> str:
        """Read the name of a table, column, index, ...: any identifier, a string, or a word of a join."""
        kind = self.kind
        if kind not in NAMES:
            self.fail()
        position = self.position
        text = self.texts[position]
        if kind == "string":
            self.structural_slots.append(self.slots[position])
        self.position = position = position + 1
        self.kind = self.kinds[position]
        return text if text[0] not in "\"'`[" else dequote(text)

    def identifier_or_string(self) -> str:
        if self.kind not in IDENTIFIERS_OR_STRING:
            self.fail()
        return self.name()

    def qualified_name(self) -> tuple[str, str | None]:
        """Read `name` or `schema.name`; return (name, schema)."""
        name = self.name()
        if self.kind != ".":
            return name, None
        self.advance()
        return self.name(), name

    def names(self) -> tuple[str, ...]:
        """Read one name or more, separated by commas."""
        names = [self.name()]
        while self.accept(","):
            names.append(self.name())
        return tuple(names)

    def names_in_parentheses(self) -> tuple[str, ...]:
        self.expect("(")
        names = self.names()
        self.expect(")")
        return names

    def literal(self) -> Literal:
        """Read the literal token at the position."""
        position = self.position
        slot = self.slots.get(position)
        self.position = after = position + 1
        self.kind = self.kinds[after]
        if slot is not None:
            return Literal(self.literals[slot], slot)
        text = self.texts[position]
        check_number(text)
        return Literal(float(text), -1)

    def signed_number(self) -> int | float:
        """Read `[+|-] number`, as in type names and PRAGMA values, where it is not an expression."""
        negative = self.kind == "-"
        if negative or self.kind == "+":
            self.advance()
        if self.kind != "number":
            self.fail()
        number = self.literal()
        if number.slot >= 0:
            self.structural_slots.append(number.slot)
        value = number.value
        assert isinstance(value, int | float)
        if number.slot < 0:
            return -(2**63) if negative else value
        return -value if negative else value

    # ---- source text

    def offset(self, position: int) -> int:
        """Return where the token begins in the text."""
        if self._offsets is None:
            self._offsets = self.tokens.offsets(self.start)
        return self._offsets[position]

    def text_between(self, first: int, after: int) -> str:
        """Return the source from one token up to another, comments included, without space around it."""
        if after == first + 1 and len(self.tokens.gaps[after]) < 2:
            return self.texts[first]
        return self.sql[self.offset(first) : self.offset(after)].strip(" \t\n\v\f\r")

    def text_from(self, first: int) -> str:
        """Return the source from a token to the end of the one before the position."""
        last = self.position - 1
        return self.sql[self.offset(first) : self.offset(last) + len(self.texts[last])]

    # ---- errors

    def fail(self) -> NoReturn:
        """Raise the syntax error of the token at the position."""
        self.fail_at(self.position)

    def fail_at(self, position: int) -> NoReturn:
        text = self.texts[position]
        if self.kinds[position] == "end":
            raise OperationalError("incomplete input")
        message = f'near "{text}": syntax error'
        if self.kinds[position] == "illegal":
            message = f'unrecognized token: "{text}"'
        offset = self.offset(position)
        line, column = self.sql.count("\n", 0, offset) + 1, offset - self.sql.rfind("\n", 0, offset)
        error = OperationalError(message, detail=f"It is at line {line}, column {column}.")
        error.sql_offset = offset
        raise error

    def check_depth(self, depth: int) -> None:
        if depth > STACK_DEPTH_MAX:
            raise OperationalError("parser stack overflow")
