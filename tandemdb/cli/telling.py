"""What the commands say on standard error, and how an error reads there.

    tandemdb: unable to connect to tandemdb://127.0.0.1:7432/shop: Connection refused     fail(error), for an operator
    tandemdb:   Hint: Is the node running and reachable?
    load.sql:12: no such table: citty                                                     tell(...), for a script
      Hint: Did you mean "city"?
"""

from __future__ import annotations

import sys

FAILED = 1


def tell(text: str) -> None:
    """Print to standard error, after what was printed to standard output."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Print a line that says which program speaks."""
    tell(f"tandemdb: {text}")


def fail(error: Exception) -> int:
    """Print an error and its notes; returns the exit status."""
    complain(str(error))
    for note in getattr(error, "__notes__", ()):
        complain(f"  {note}")
    return FAILED


def place_of(error: BaseException) -> int | None:
    """Return where in its statement a syntax error is."""
    return getattr(error, "sql_offset", None)


def message_of(error: BaseException) -> str:
    """Return an error's text, and below it the detail and hint that travel with it; a place is shown, not told."""
    if place_of(error) is not None:
        return str(error)
    return "\n".join([str(error), *(f"  {note}" for note in getattr(error, "__notes__", ()))])
