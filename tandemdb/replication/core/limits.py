"""Limits: what bounds a primary's patience and memory, and when it does what costs something.

    log_bytes_max      the retained log; who lacks more than it holds gets blocks
    window_bytes       log on its way to one secondary, not yet acknowledged
    heartbeat_seconds  silence after which an answer is asked for      dead_seconds   and after which it is given up
    required           synchronous secondaries that must have a commit before it is shown
    update_batch       changes of a transaction gathered into one message, for GATHER_SECONDS at most
    acknowledge        what that means: see levels.py
    on_loss            what becomes of commits when too few synchronous secondaries are in step: see loss.py
    on_lag             when an asynchronous one is lag_bytes_max or lag_seconds_max behind: see lag.py
    min_sync           how many must remain for it to go on without a lost one

They are a primary's, the same for all its secondaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from tandemdb.errors import ProgrammingError, did_you_mean
from tandemdb.replication.core.levels import Level, level_of

LossPolicy = Literal["wait", "refuse", "shrink", "degrade", "stop"]
LagPolicy = Literal["detach", "throttle", "reject"]
GATHER_SECONDS = 0.001
# Whoever moves messages looks after its links at least this often.
LOOKS_SECONDS = 0.25
# Of the log, in one message.
BATCH_COMMITS_MAX = 1024
BATCH_BYTES_MAX = 1 << 18
# So few commits behind, a synchronous secondary is waited for to get into step.
JOIN_COMMITS_MAX = 256


@dataclass
class Limits:
    """A primary's settings; bytes are of encoded changes."""

    log_bytes_max: int = 64 << 20
    window_bytes: int = 16 << 20
    heartbeat_seconds: float = 0.25
    dead_seconds: float = 2.0
    required: int = 1
    # Commits from one digest to the next, 0 for none. None: each one while a secondary is synchronous, else none, for
    # keeping digests up costs a commit about 3 µs for each record it changes.
    digest_every: int | None = None
    update_batch: int = 32
    # How long after the last message a transaction's first change waits: most are complete by then, and go whole.
    gather_seconds: float = 0.0
    on_lag: LagPolicy = "detach"
    lag_bytes_max: int = 64 << 20
    lag_seconds_max: float = 10.0
    # What a commit waits for unless its thread says otherwise.
    acknowledge: Level = "applied"
    # None: shrink with a coordinator, refuse without.
    on_loss: LossPolicy | None = None
    min_sync: int = 0
    # So long a secondary may be away before shrink and degrade go on without it.
    loss_grace_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no policy, level or number of secondaries.

        Raises:
            ProgrammingError: it is none.
        """
        level_of(self.acknowledge)
        for name in ("required", "min_sync"):
            if getattr(self, name) < 0:
                raise ProgrammingError(f"{name} is a number of secondaries, not {getattr(self, name)}")
        if self.on_lag not in get_args(LagPolicy):
            raise ProgrammingError(
                f"unknown policy for a secondary that is behind: {self.on_lag!r}",
                hint=f"Known are {', '.join(get_args(LagPolicy))}.",
            )


def standstill(now: float, expected: float) -> float:
    """Tell for how long this side stood still that is here `now` and was expected earlier; 0.0: it is just busy.

    A process that was suspended, or got no processor, has heard nothing meanwhile, which tells nothing of others.
    """
    late = now - expected
    return late if late > LOOKS_SECONDS else 0.0


def read_limits(options: Mapping[str, Any]) -> Limits:
    """Make limits of the options that somebody gave with a secondary.

    Raises:
        ProgrammingError: there is no such option, or one has a value that it cannot have.
    """
    known = [field.name for field in fields(Limits)]
    for name in options:
        if name not in known:
            raise ProgrammingError(
                f"unknown option of mirroring: {name}",
                detail=f"There are {', '.join(known)}.",
                hint=did_you_mean(name, known),
            )
    return Limits(**options)
