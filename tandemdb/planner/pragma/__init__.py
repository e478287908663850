"""PRAGMA: settings (pragma.py, values.py), descriptions of the schema (tables.py), checks of the data (checks.py)."""
