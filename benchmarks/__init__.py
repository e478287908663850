"""Speed, side by side with sqlite3 in one process.

    python -m benchmarks.run [--set first|all] [--only TEXT]     the table of workloads, results/*.json and results/*.svg
    python -m benchmarks.load_script FILE.sql                    executescript of a whole script, each time in a new process
    python -m benchmarks.cold                                    a statement's first run, by phase

Ratios only: both engines do the same in alternate rounds, medians are compared, and every workload checks that both
engines answer the same.
"""
