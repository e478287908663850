"""What tandemdb offers, in the words of SQLAlchemy's compliance suite for dialects.

    suite test ── needs ──► requirement (a property of this name) ──► open:   the test runs, and must pass
                                                                      fails:  the test runs, and must not pass
                                                                      closed: it is skipped

The lists name what differs from the suite's defaults, as SQLAlchemy's own tests have it for its SQLite dialect (their
`test/requirements.py`). OPEN is what they open for it, FAILS and CLOSED hold nothing that they do not except for it;
BEYOND is what they close for it, and what tandemdb offers. Some names exist in SQLAlchemy 2.1 only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

OPEN = """
    autocommit boolean_col_expressions check_constraint_reflection computed_columns
    computed_columns_reflect_persisted computed_columns_stored computed_columns_virtual create_table_as
    create_temp_table_as ctes ctes_on_dml ctes_with_update_delete ctes_with_values date_historic datetime_historic
    datetime_literals dbapi_lastrowid emulated_lastrowid emulated_lastrowid_even_with_sequences except_
    expression_server_defaults fetch_expression fetch_offset_with_options
    fk_constraint_option_reflection_ondelete_noaction fk_constraint_option_reflection_ondelete_restrict
    fk_constraint_option_reflection_onupdate_restrict float_or_double_precision_behaves_generically
    foreign_key_constraint_name_reflection foreign_key_constraint_option_reflection_ondelete
    foreign_key_constraint_option_reflection_onupdate has_temp_table index_ddl_if_exists indexes_check_column_order
    indexes_with_expressions infinity_floats inline_check_constraint_reflection intersect isolation_level
    json_array_indexes json_type legacy_unconditional_json_extract mod_operator_as_percent_sign non_updating_cascade
    nullsordering nvarchar_types order_by_collation order_by_label_with_expression percent_schema_names
    precision_numerics_enotation_large precision_numerics_enotation_small precision_numerics_general
    precision_numerics_retains_significant_digits reflect_table_options reflects_pk_names regexp_match
    repeated_column_foreign_keys repeated_remote_col_foreign_keys schema_reflection schemas server_defaults
    skip_autocommit_rollback supports_bitwise_and supports_bitwise_not supports_bitwise_or supports_bitwise_shift
    supports_bitwise_xor table_ddl_if_exists temp_table_names temp_table_reflection temporary_views
    timestamp_microseconds tuple_in tuple_in_w_empty unicode_ddl update_from view_column_reflection view_reflection
    views window_functions window_range window_range_numeric
""".split()
BEYOND = ["aggregate_order_by", "independent_connections", "independent_readonly_connections", "savepoints"]
FAILS = [
    "cast_precision_numerics_many_significant_digits",  # SQLite's numbers are floats
    "numeric_received_as_decimal_untyped",
    "parens_in_union_contained_select_w_limit_offset",  # SQLite's grammar has no parentheses round parts of a compound
    "parens_in_union_contained_select_wo_limit_offset",
    "precision_numerics_many_significant_digits",
]
CLOSED = ["implicitly_named_constraints"]  # what has no name in CREATE TABLE has none


class Requirements(SuiteRequirements):
    """The requirements that tandemdb fulfils, as SQLAlchemy's own SQLite dialect does."""

    def get_isolation_levels(self, config: Any) -> dict[str, Any]:
        """Name the isolation levels that the suite shall try."""
        return {"default": "SERIALIZABLE", "supported": list(config.db.dialect._isolation_lookup)}

    def get_order_by_collation(self, config: Any) -> str:
        """Name a collation that ORDER BY may use."""
        return "NOCASE"


def _only_on_tandemdb() -> Any:
    return exclusions.only_on(["+tandemdb", "+aiotandemdb"])  # type: ignore[no-untyped-call]  # SQLAlchemy's, untyped


def _always(answer: Any) -> property:
    return property(lambda _self: answer())


for _name in OPEN:
    setattr(Requirements, _name, _always(exclusions.open))
for _name in BEYOND:
    setattr(Requirements, _name, _always(_only_on_tandemdb))
for _name in FAILS:
    setattr(Requirements, _name, _always(exclusions.fails))
for _name in CLOSED:
    setattr(Requirements, _name, _always(exclusions.closed))
