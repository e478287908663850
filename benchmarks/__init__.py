"""Speed, side by side with sqlite3 in one process.

    python -m benchmarks.run [--set first|all] [--only TEXT]   a table, and JSON and a plot in results/
    python -m benchmarks.load_script FILE.sql                  executescript of a whole script, first run in a process
    python -m benchmarks.cold                                  a statement's first run, by phase

Ratios only: both engines do the same in alternate rounds, medians are compared, and every workload checks that both
engines answer the same.
"""
