"""The command `tandemdb`: `main(arguments)` returns the exit status.

    command.py    arguments; one function a sub-command, imported when it is called
    run.py        tandemdb run: scripts, results, errors with file and line
    shell.py      tandemdb shell: statements and dot commands typed in
    demo.py       tandemdb demo: a primary, its standby, a death, a promotion
    serve.py      tandemdb serve, promote, follow, status, verify; their arguments in node_arguments.py
    script.py     a script's statements and where each stands
    output.py     results as table, csv, json or line
    progress.py   a bar on standard error, for long scripts at a terminal
    engine.py     the one place that opens databases
"""

from tandemdb.cli.command import main

__all__ = ["main"]
