"""What generated code runs on: values and their comparison, reals as text, patterns, windows, recursive tables.

    values.py: casts, affinities, arithmetic, truth       helpers.py: sorting, grouping, membership
    reals.py, patterns.py       window.py <- window_frame.py, window_sums.py       recursion.py, deep_calls.py
"""
