"""The command `tandemdb`: `main(arguments)` returns the exit status.

    command.py    arguments; one function a sub-command, imported when it is called
    run.py        tandemdb run: scripts, results, errors with file and line
    shell.py      tandemdb shell: statements typed in, and the commands of dot_commands.py
    demo.py       tandemdb demo: a primary, its standby, a death, a promotion
    serve.py      tandemdb serve, store, relay, promote, status ...; their arguments in node_arguments.py
    stopping.py   Ctrl-C and SIGTERM while a node starts, and when it runs
    script.py     a script's statements and where each stands
    output.py     results as table, csv, json, line ...
    progress.py   a bar on standard error, for long scripts at a terminal
    telling.py    what is said on standard error
    engine.py     the one place that opens databases
"""

from tandemdb.cli.command import main

__all__ = ["main"]
