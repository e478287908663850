"""One foreign key, resolved: from a child's record to its parent's values, and whether parent and children are there.

    order (city, zip) REFERENCES place (town, code)          place: UNIQUE (code, town COLLATE NOCASE)
      child_values(record)  -> ('Oslo', '150')               as the child holds them
      parent_values(record) -> ('OSLO', 150)                 of a row of the parent
      has_parent(values)                                     a look-up in the parent's unique key, with its affinities
      has_child(values)                                      SELECT 1 FROM order WHERE ? = city AND ? = zip

A Check is what a statement leaves to be judged: a child's own values, or those of a parent that is gone.

NULL in any column means that there is no reference: the values are None then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tandemdb.errors import OperationalError
from tandemdb.planner.change.parent_key import ParentKey, find_parent_key
from tandemdb.planner.change.trigger_program import BodyStatement, RowColumn, RowLayout, body_namespace
from tandemdb.planner.runtime import values
from tandemdb.planner.schema.schema import Column, ForeignKey, Table
from tandemdb.planner.syntax import ast

if TYPE_CHECKING:
    from tandemdb.planner.namespace import Namespace
    from tandemdb.planner.session import Session

Values = tuple[Any, ...]


class Check(NamedTuple):
    """`values` want a parent: those of a child row, or (`gone`) those that children of a former parent row refer to."""

    reference: Reference
    values: Values
    gone: bool

    def is_violated(self, session: Session) -> bool:
        """Whether there are rows of the child with these values, and no parent."""
        reference = self.reference
        if self.gone:
            return not reference.has_values(session, self.values) and reference.has_child(session.context, self.values)
        if reference.has_parent(session, self.values):
            return False
        return reference.siblings.first(session.context, (None, *self.values))


class Reference:
    """A foreign key of `child` in one namespace; `parent` is None where its table is missing."""

    def __init__(
        self, namespace: Namespace, database: int, child: Table, key: ForeignKey, parent: ParentKey | None
    ) -> None:
        self.namespace = namespace
        self.database = database
        self.child = child
        self.key = key
        self.parent = parent
        self.child_values = values_function(key.columns)
        self.parent_values = values_function(() if parent is None else parent.positions)
        self.has_values = self.make_has_values()
        self.has_parent = self.make_has_parent()
        owner, positions = (child, key.columns) if parent is None else (parent.table, parent.positions)
        self.children = self.rows_of_child([owner.columns[position] for position in positions])
        self.siblings = self.rows_of_child([child.columns[position] for position in key.columns])

    # ---- values

    def make_has_parent(self) -> Callable[[Session, Values], bool]:
        """has_parent(session, values): a look-up of a child's values, given the affinity of the parent's columns."""
        parent, has_values = self.parent, self.has_values
        if parent is None:
            return has_values
        if parent.unique_index is None and self.child.columns[self.key.columns[0]].affinity == "REAL":
            # SQLite holds such a value in a form that it does not take for an integer.
            return lambda session, found: False
        affinities = [parent.table.columns[position].affinity for position in parent.positions]
        if all(
            affinity == "BLOB" or affinity == self.child.columns[position].affinity != "NUMERIC"
            for affinity, position in zip(affinities, self.key.columns, strict=True)
        ):
            return has_values
        functions = [values.AFFINITY_FUNCTIONS[affinity] for affinity in affinities]

        def has_converted(session: Session, found: Values) -> bool:
            return has_values(
                session, tuple([function(value) for function, value in zip(functions, found, strict=True)])
            )

        return has_converted

    # ---- the parent

    def make_has_values(self) -> Callable[[Session, Values], bool]:
        """has_values(session, values): whether the parent has a row of just these values."""
        parent, database = self.parent, self.database
        if parent is None:
            return lambda session, found: False
        table_id, index = parent.table.id, parent.unique_index
        if index is None:

            def has_rowid(session: Session, found: Values) -> bool:
                key = found[0]
                return type(key) is int and session.databases[database].root().tables[table_id].find(key) is not None

            return has_rowid
        order = [parent.positions.index(column.position) for column in index.columns]
        if index.id < 0:
            return self.make_has_primary(order)
        index_id = index.id

        def has_indexed(session: Session, found: Values) -> bool:
            keys = session.databases[database].root().tables[table_id].keys[index_id]
            return keys.first(*keys.stored(tuple([found[place] for place in order]))) is not None

        return has_indexed

    def make_has_primary(self, order: Sequence[int]) -> Callable[[Session, Values], bool]:
        """By the primary key of a WITHOUT ROWID table, which is the table's own key."""
        from tandemdb.planner.schema.build import key_columns
        from tandemdb.storage.definition import unique_key_function

        assert self.parent is not None
        columns = key_columns(self.parent.table.primary_key_columns)
        key_of = unique_key_function(tuple(column._replace(position=at) for at, column in enumerate(columns)))
        table_id, database = self.parent.table.id, self.database

        def has_primary(session: Session, found: Values) -> bool:
            table = session.databases[database].root().tables[table_id]
            return table.find(key_of(tuple([found[place] for place in order]))) is not None

        return has_primary

    # ---- the children

    def rows_of_child(self, columns: Sequence[Column]) -> BodyStatement:
        """SELECT 1 FROM child WHERE ? = a AND ? = b, the values as if they were of these columns."""
        layout = RowLayout(
            [RowColumn(f"c{at}", column.affinity, column.collation) for at, column in enumerate(columns)], "DELETE"
        )
        where: Any = None
        for at, position in enumerate(self.key.columns):
            equal = ast.Binary("=", ast.Name(f"c{at}", "OLD"), ast.Name(self.child.columns[position].name))
            where = equal if where is None else ast.Binary("AND", where, equal)
        one = ast.ResultColumn(ast.Literal(1), None, "1")
        core = ast.SelectCore([one], source=ast.TableSource(self.child.name), where=where)
        namespace = body_namespace(self.namespace, self.database)
        return BodyStatement(
            ast.Select([core], limit=ast.Literal(1)), namespace, layout, f"children in {self.child.name}"
        )

    def has_child(self, context: Any, found: Values) -> bool:
        return self.children.first(context, (None, *found))

    def as_of(self, namespace: Namespace) -> Reference | None:
        """The same foreign key after the schema has changed; None if it is gone."""
        if namespace is self.namespace:
            return self
        schema = namespace.schemas[self.database]
        child = None if schema is None else schema.tables.get(self.child.name.lower())
        if schema is None or child is None:
            return None
        for key in child.foreign_keys:
            if key.columns == self.key.columns and key.parent.lower() == self.key.parent.lower():
                try:
                    parent = find_parent_key(schema, child, key)
                except OperationalError:
                    parent = None
                return Reference(namespace, self.database, child, key, parent)
        return None


def values_function(positions: Sequence[int]) -> Callable[[Any], Values | None]:
    """The function that takes the values at these positions out of a record; None if one is NULL."""
    if len(positions) == 1:
        position = positions[0]

        def take_one(record: Any) -> Values | None:
            value = record[position]
            return None if value is None else (value,)

        return take_one

    def take(record: Any) -> Values | None:
        found = tuple([record[position] for position in positions])
        return None if None in found else found

    return take


def same_values(left: Values, right: Values | None, collations: Sequence[str]) -> bool:
    """Whether a parent's values are the same before and after, in its collations."""
    if right is None:
        return False
    for one, other, collation in zip(left, right, collations, strict=True):
        if one != other:
            if not (isinstance(one, str) and isinstance(other, str)):
                return False
            key = values.COLLATION_KEYS.get(collation.upper())
            if key is None or key(one) != key(other):
                return False
    return True
