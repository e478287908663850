"""What the names in a stored definition refer to: tables and columns, found as the binder would find them.

    CREATE VIEW v AS SELECT x.a FROM t AS x WHERE a > (SELECT min(b) FROM u)

    Reach                    Reach of the subquery
      x -> table t             u -> table u
      x.a, a -> t.a            b -> u.b, or else a column of the query around it

ALTER TABLE needs this twice: to find the tokens that name what it renames (`Resolver.tokens`, of a tree made by
`syntax.name_marks.parse_marked`), and to see that a definition still holds when the schema has changed (errors).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.schema.schema import CATALOG_NAMES, ROWID_NAMES, Schema, Table, View, catalog_table
from tandemdb.planner.syntax import ast, ddl
from tandemdb.planner.syntax.name_marks import Marked


class Target(NamedTuple):
    """What is looked for: a table of a database, or one of its columns."""

    database: str
    table: str
    column: str | None = None


class Source:
    """One item of FROM: its columns by lower-case name; `table` if it is a stored one (of `database`), `hidden` what
    USING merged.
    """

    __slots__ = ("alias", "columns", "table", "database", "named", "hidden", "only_qualified")

    def __init__(
        self, alias: str, columns: Sequence[str], table: Table | None = None, database: str = "", *, named: bool = False
    ) -> None:
        self.database = database
        self.alias = alias.lower()
        self.columns = {name.lower(): name for name in columns}
        self.table = table
        self.named = named
        self.hidden: set[str] = set()
        self.only_qualified = False


class Reach:
    """The sources that names may refer to in one SELECT, with the reach of the query around it."""

    __slots__ = ("sources", "aliases", "parent")

    def __init__(self, sources: Sequence[Source] = (), parent: Reach | None = None) -> None:
        self.sources = list(sources)
        self.aliases: set[str] = set()
        self.parent = parent


class Resolver:
    """Walks one definition; `tokens` collects the marked tokens that name the target.

    `visible` are the schemas that a definition of `database` may refer to, in the order in which they are searched.
    Raises from every method:
        OperationalError: no such table, no such column, ambiguous column name.
    """

    def __init__(self, visible: Mapping[str, Schema], database: str, target: Target | None = None) -> None:
        self.visible = visible
        self.database = database
        self.target = target
        self.tokens: set[int] = set()
        self.common: list[dict[str, list[str]]] = []
        self.views: list[str] = []

    # ---- definitions

    def resolve_table(self, node: ddl.CreateTable) -> None:
        """The table's own name and columns, and the tables and columns its foreign keys name."""
        self.note_table(node.name, node.name, self.database)
        stored = self.visible[self.database].tables.get(node.name.lower())
        own = Source(node.name, [column.name for column in node.columns], stored, self.database, named=True)
        reach = Reach([own])
        for column in node.columns:
            self.note_column(node.name, column.name, self.database)
            for check in column.checks:
                self.expression(check.expression, reach)
            if column.generated is not None:
                self.expression(column.generated.expression, reach)
            for reference in column.references:
                self.foreign_key(node.name, reference._replace(columns=()))
        for key in node.keys:
            for term in key.columns:
                self.expression(term.expression, reach)
        for check in node.checks:
            self.expression(check.expression, reach)
        for reference in node.foreign_keys:
            self.foreign_key(node.name, reference)

    def foreign_key(self, child: str, node: ddl.ForeignKey) -> None:
        self.note_table(node.parent, node.parent, self.database)
        for name in node.columns:
            self.note_column(child, name, self.database)
        for name in node.parent_columns:
            self.note_column(node.parent, name, self.database)

    def resolve_index(self, node: ddl.CreateIndex) -> None:
        self.note_table(node.table, node.table, self.database)
        _, table = self.find(node.table, self.database)
        if isinstance(table, View):
            raise fault("views may not be indexed")
        reach = Reach([table_source(table, self.database, node.table, named=True)])
        for term in node.columns:
            self.expression(term.expression, reach)
        self.expression(node.where, reach)

    def resolve_view(self, node: ddl.CreateView) -> None:
        self.views.append(node.name.lower())
        self.select(node.select, None)

    def resolve_owner(self, node: ddl.CreateTrigger) -> tuple[str, Any]:
        """The table or view that a trigger is on, with its database."""
        database, found = self.find(node.table, node.table_schema)
        self.note_table(node.table, node.table, database)
        return database, found

    def resolve_trigger(self, node: ddl.CreateTrigger) -> None:
        database, found = self.resolve_owner(node)
        columns = self.columns_of(found, database)
        for name in node.columns:
            self.note_column(node.table, name, database)
        rows = []
        for alias in ("old", "new"):
            if (alias == "old" and node.event == "INSERT") or (alias == "new" and node.event == "DELETE"):
                continue
            source = Source(alias, columns, found if isinstance(found, Table) else None, database)
            source.only_qualified = True
            rows.append(source)
        reach = Reach(rows)
        self.expression(node.when, reach)
        for statement in node.body:
            self.statement(statement, reach)

    # ---- statements of a trigger

    def statement(self, node: Any, reach: Reach) -> None:
        if isinstance(node, ast.Select):
            self.select(node, reach)
            return
        if node.with_ is not None:
            self.enter_with(node.with_, reach)
        try:
            if isinstance(node, ast.Insert):
                self.insert(node, reach)
            elif isinstance(node, ast.Update):
                self.update(node, reach)
            elif isinstance(node, ast.Delete):
                inner = Reach([self.changed_table(node.table)], reach)
                self.expression(node.where, inner)
        finally:
            if node.with_ is not None:
                self.common.pop()

    def insert(self, node: ast.Insert, reach: Reach) -> None:
        target = self.changed_table(node.table)
        for name in node.columns or ():
            self.note_column(node.table.name, name, target.database)
        if node.source is not None:
            self.select(node.source, reach)
        for upsert in node.upserts:
            excluded = Source("excluded", list(target.columns.values()), target.table, target.database)
            excluded.only_qualified = True
            inner = Reach([target, excluded], reach)
            for term in upsert.target or ():
                self.expression(term.expression, inner)
            self.expression(upsert.target_where, inner)
            self.assignments(node.table.name, target.database, upsert.assignments or (), inner)
            self.expression(upsert.where, inner)

    def update(self, node: ast.Update, reach: Reach) -> None:
        target = self.changed_table(node.table)
        inner = Reach([target], reach)
        if node.source is not None:
            self.source(node.source, inner)
        self.assignments(node.table.name, target.database, node.assignments, inner)
        self.expression(node.where, inner)

    def assignments(self, table: str, database: str, items: Sequence[ast.Assignment], reach: Reach) -> None:
        for item in items:
            for name in item.columns:
                self.note_column(table, name, database)
            self.expression(item.expression, reach)

    def changed_table(self, node: ast.TableName) -> Source:
        database, found = self.find(node.name, node.schema)
        self.note_table(node.name, node.name, database)
        if isinstance(found, View):
            return Source(node.alias or node.name, self.columns_of(found, database), None, database)
        return table_source(found, database, node.alias or node.name, named=node.alias is None)

    # ---- queries

    def select(self, node: ast.Select, parent: Reach | None) -> list[str]:
        """Resolve a query; return the names of its result columns."""
        if node.with_ is not None:
            self.enter_with(node.with_, parent)
        try:
            names: list[str] = []
            reaches: list[Reach] = []
            for core in node.cores:
                found, reach = self.core(core, parent)
                names = names or found
                reaches.append(reach)
            for term in node.order_by:
                self.order_term(term.expression, reaches, names)
            limits = Reach((), parent)
            self.expression(node.limit, limits)
            self.expression(node.offset, limits)
            return names
        finally:
            if node.with_ is not None:
                self.common.pop()

    def order_term(self, expression: Any, reaches: Sequence[Reach], names: Sequence[str]) -> None:
        """A term of a compound names a result column of any of its parts."""
        if len(reaches) == 1:
            self.expression(expression, reaches[0])
            return
        for reach in reaches:
            try:
                self.expression(expression, reach)
                return
            except OperationalError:
                continue
        if not isinstance(expression, ast.Name) or expression.column.lower() not in {name.lower() for name in names}:
            self.expression(expression, reaches[0])

    def enter_with(self, node: ast.With, parent: Reach | None) -> None:
        level: dict[str, list[str]] = {}
        self.common.append(level)
        for table in node.tables:
            level[table.name.lower()] = list(table.columns) or first_names(table.select)
            names = self.select(table.select, parent)
            level[table.name.lower()] = list(table.columns) or names

    def core(self, node: ast.SelectCore | ast.Values, parent: Reach | None) -> tuple[list[str], Reach]:
        reach = Reach((), parent)
        if isinstance(node, ast.Values):
            for row in node.rows:
                for item in row:
                    self.expression(item, reach)
            return [f"column{at + 1}" for at in range(len(node.rows[0]))], reach
        if node.source is not None:
            self.source(node.source, reach)
        names: list[str] = []
        for column in node.columns:
            names += self.result(column, reach)
        reach.aliases = {column.alias.lower() for column in node.columns if column.alias is not None}
        self.expression(node.where, reach)
        for item in node.group_by:
            self.expression(item, reach)
        self.expression(node.having, reach)
        for _, window in node.windows:
            self.parts(window, reach)
        return names, reach

    def result(self, column: ast.ResultColumn, reach: Reach) -> list[str]:
        if isinstance(column.expression, ast.Star):
            return self.star(column.expression, reach)
        self.expression(column.expression, reach)
        if column.alias is not None:
            return [column.alias]
        if isinstance(column.expression, ast.Name):
            return [str(column.expression.column)]
        return [column.text]

    def star(self, node: ast.Star, reach: Reach) -> list[str]:
        if node.table is None:
            if not reach.sources:
                raise fault("no tables specified")
            return [
                name for source in reach.sources for low, name in source.columns.items() if low not in source.hidden
            ]
        for source in reach.sources:
            if source.alias == node.table.lower():
                self.note_qualifier(source, node.table)
                return list(source.columns.values())
        raise fault(f"no such table: {node.table}")

    # ---- FROM

    def source(self, node: Any, reach: Reach) -> list[Source]:
        """Add what stands in FROM to the reach; return the sources added."""
        if isinstance(node, ast.Join):
            left = self.source(node.left, reach)
            right = self.source(node.right, reach)
            self.join(node, left, right)
            self.expression(node.on, reach)
            return left + right
        if isinstance(node, ast.SubquerySource):
            added = Source(node.alias or "", self.select(node.select, reach.parent))
        else:
            added = self.named_source(node, reach)
        reach.sources.append(added)
        return [added]

    def named_source(self, node: ast.TableSource, reach: Reach) -> Source:
        for item in node.arguments or ():
            self.expression(item, reach)
        lowered = node.name.lower()
        if node.schema is None:
            for level in reversed(self.common):
                if lowered in level:
                    return Source(node.alias or node.name, level[lowered])
        if node.arguments is not None or (self.is_function(lowered) and not self.is_table(lowered)):
            return Source(node.alias or node.name, function_columns(lowered))
        database, found = self.find(node.name, node.schema)
        self.note_table(node.name, node.name, database)
        if isinstance(found, View):
            return Source(node.alias or node.name, self.columns_of(found, database), None, database)
        return table_source(found, database, node.alias or node.name, named=node.alias is None)

    def is_function(self, lowered: str) -> bool:
        return lowered in ("json_each", "json_tree") or lowered.startswith("pragma_")

    def is_table(self, lowered: str) -> bool:
        return any(lowered in schema.tables for schema in self.visible.values())

    def join(self, node: ast.Join, left: list[Source], right: list[Source]) -> None:
        names = list(node.using or ())
        if node.natural:
            names = [name for item in right for name in item.columns if any(name in other.columns for other in left)]
        for name in names:
            lowered = name.lower()
            on_left = [item for item in left if lowered in item.columns]
            on_right = [item for item in right if lowered in item.columns]
            if not on_left or not on_right:
                raise fault(f"cannot join using column {name} - column not present in both tables")
            for item in (*on_left, *on_right):
                self.note_source_column(item, name)
            for item in on_right:
                item.hidden.add(lowered)

    # ---- expressions

    def expression(self, node: Any, reach: Reach) -> None:
        """Resolve every name below; a chain of operators is walked without recursion along its left side."""
        while isinstance(node, ast.Binary):
            self.expression(node.right, reach)
            node = node.left
        if node is None:
            return
        if isinstance(node, ast.Name):
            self.name(node, reach)
        elif isinstance(node, ast.Select):
            self.select(node, reach)
        else:
            self.parts(node, reach)

    def parts(self, node: Any, reach: Reach) -> None:
        if isinstance(node, (tuple, list)):
            for part in node:
                if isinstance(part, (tuple, list)):
                    self.expression(part, reach)

    def name(self, node: ast.Name, reach: Reach) -> None:
        level: Reach | None = reach
        lowered = node.column.lower()
        while level is not None:
            found = self.matches(node, lowered, level)
            if len(found) > 1 and node.table is None:
                raise fault(f"ambiguous column name: {node.column}")
            if found:
                self.note_source_column(found[0], node.column)
                if node.table is not None:
                    self.note_qualifier(found[0], node.table)
                return
            if node.table is None and lowered in level.aliases:
                return
            level = level.parent
        quoted = node.column.quoted if isinstance(node.column, Marked) else node.quoted
        if node.table is None and (quoted or lowered in ("true", "false")):
            return
        shown = ".".join(part for part in (node.schema, node.table, node.column) if part is not None)
        raise fault(f"no such column: {shown}")

    def matches(self, node: ast.Name, lowered: str, reach: Reach) -> list[Source]:
        """The sources of one reach that have the column, or else those whose rowid it may be."""
        sources = reach.sources
        if node.table is not None:
            sources = [source for source in sources if source.alias == node.table.lower()]
        else:
            sources = [source for source in sources if not source.only_qualified]
        found = [source for source in sources if lowered in source.columns and lowered not in source.hidden]
        if not found and node.table is not None:
            found = [source for source in sources if lowered in source.columns]
        if not found and lowered in ROWID_NAMES:
            found = [source for source in sources if source.table is not None and not source.table.without_rowid]
        return found

    # ---- look-ups

    def find(self, name: str, schema: str | None = None) -> tuple[str, Table | View]:
        """The table or view and its database, looked for in one database or in all that are visible."""
        lowered = name.lower()
        for database, visible in self.visible.items():
            if schema is not None and database != schema.lower():
                continue
            found: Table | View | None = visible.tables.get(lowered) or visible.views.get(lowered)
            if found is None and lowered in CATALOG_NAMES:
                found = catalog_table()
            if found is not None:
                return database, found
        if self.database == "temp" and schema is None:
            raise fault(f"no such table: {name}")
        raise fault(f"no such table: {schema or self.database}.{name}")

    def columns_of(self, found: Table | View, database: str) -> list[str]:
        """The columns of a table, or of a view's SELECT, in which nothing is looked for."""
        if isinstance(found, Table):
            return [column.name for column in found.columns]
        if found.columns:
            return list(found.columns)
        if found.name.lower() in self.views:
            raise fault(f"view {found.name} is circularly defined")
        visible = self.visible if database == self.database else {database: self.visible[database]}
        inner = Resolver(visible, database)
        inner.views = [*self.views, found.name.lower()]
        return inner.select(found.select, None)

    # ---- hits

    def note_table(self, name: str, mark: str, database: str) -> None:
        """Note the token if it names the table that is looked for."""
        target = self.target
        if target is not None and target.column is None and (database, name.lower()) == target[:2]:
            self.note(mark)

    def note_qualifier(self, source: Source, mark: str) -> None:
        if source.named and source.table is not None:
            self.note_table(source.table.name, mark, source.database)

    def note_column(self, table: str, mark: str, database: str) -> None:
        target = self.target
        if target is not None and (database, table.lower(), mark.lower()) == target:
            self.note(mark)

    def note_source_column(self, source: Source, mark: str) -> None:
        if source.table is not None and mark.lower() in source.columns:
            self.note_column(source.table.name, mark, source.database)

    def note(self, mark: str) -> None:
        if isinstance(mark, Marked):
            self.tokens.add(mark.token)


def table_source(table: Table, database: str, alias: str, *, named: bool) -> Source:
    return Source(alias, [column.name for column in table.columns], table, database, named=named)


def first_names(select: ast.Select) -> list[str]:
    """What a recursive common table without column names offers to itself: the names in its first part."""
    core = select.cores[0]
    if isinstance(core, ast.Values):
        return [f"column{at + 1}" for at in range(len(core.rows[0]))]
    return [
        column.alias or (column.expression.column if isinstance(column.expression, ast.Name) else column.text)
        for column in core.columns
    ]


def function_columns(lowered: str) -> list[str]:
    if lowered.startswith("pragma_"):
        from tandemdb.planner.pragma.pragma import pragma_columns

        found = pragma_columns(lowered)
        if found is not None:
            return [*found[0], *found[1]]
        raise fault(f"no such table: {lowered}")
    return ["key", "value", "type", "atom", "id", "parent", "fullkey", "path", "json", "root"]


def fault(message: str) -> OperationalError:
    return OperationalError(message, code="SQLITE_ERROR")
