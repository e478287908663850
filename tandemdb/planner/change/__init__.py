"""INSERT, UPDATE and DELETE: compiled like queries, run inside a storage transaction.

    dml.py <- insert.py <- upsert.py, row_batch.py           views.py: changes of views, by their triggers
           <- update_delete.py <- updated_row.py             triggers.py <- trigger_program.py
           <- row.py: one record's checks and keys           foreign_keys.py <- reference.py <- parent_key.py
    row_errors.py, row_keys.py, row_changes.py, row_functions.py: what the generated code calls
"""
