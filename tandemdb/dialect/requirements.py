"""What tandemdb offers, in the words of SQLAlchemy's compliance suite for dialects.

    suite test ── needs ──► requirement (a property of this name) ──► open:   the test runs
                                                                      closed: it is skipped

OPEN names the requirements that SQLAlchemy leaves closed by default and that SQLite's language fulfils. Some exist
in SQLAlchemy 2.1 only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

OPEN = """
    aggregate_order_by autocommit cast_precision_numerics_many_significant_digits check_constraint_reflection
    computed_columns computed_columns_reflect_persisted computed_columns_stored computed_columns_virtual
    create_table_as create_temp_table_as ctes ctes_on_dml ctes_with_update_delete date_historic datetime_historic
    datetime_literals dbapi_lastrowid emulated_lastrowid except_ fk_constraint_option_reflection_ondelete_noaction
    fk_constraint_option_reflection_ondelete_restrict fk_constraint_option_reflection_onupdate_restrict
    foreign_key_constraint_name_reflection foreign_key_constraint_option_reflection_ondelete
    foreign_key_constraint_option_reflection_onupdate has_temp_table indexes_with_expressions
    inline_check_constraint_reflection intersect isolation_level json_type non_updating_cascade
    order_by_label_with_expression precision_numerics_enotation_large precision_numerics_general reflects_pk_names
    regexp_match savepoints supports_bitwise_and supports_bitwise_not supports_bitwise_or supports_bitwise_shift
    temp_table_names temp_table_reflection temporary_views timestamp_microseconds tuple_in unicode_ddl update_from
    view_column_reflection view_reflection views window_functions window_range window_range_numeric
""".split()
CLOSED = [
    "implicitly_named_constraints",
    "on_update_cascade",  # SQLite enforces foreign keys only after PRAGMA foreign_keys = ON
    "parens_in_union_contained_select_w_limit_offset",  # SQLite's grammar has no parentheses round parts of a compound
    "parens_in_union_contained_select_wo_limit_offset",
    "schemas",  # needs an attached database named test_schema in each connection
]


class Requirements(SuiteRequirements):
    """The requirements that tandemdb fulfils, as SQLAlchemy's own SQLite dialect does."""

    def get_isolation_levels(self, config: Any) -> dict[str, Any]:
        """Name the isolation levels that the suite shall try."""
        return {"default": "SERIALIZABLE", "supported": list(config.db.dialect._isolation_lookup)}


def _always(answer: Any) -> property:
    return property(lambda _self: answer())


for _name in OPEN:
    setattr(Requirements, _name, _always(exclusions.open))
for _name in CLOSED:
    setattr(Requirements, _name, _always(exclusions.closed))
