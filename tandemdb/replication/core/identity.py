"""Who a system is: its cluster, its name, this start of its process, and the epochs its data went through.

    history:   epoch 1 from LSN 0    epoch 2 from LSN 870        epoch 4 from LSN 1200
               |---------------------|---------------------------|--------------------> now
    a former primary of epoch 1 that went on to LSN 880 forked at 870

Two systems stand on one line when the shorter history is the beginning of the longer, and the shorter one's LSN is
not past the point where its epoch ended on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tandemdb.replication.core.messages import LSN, Epoch, Term
from tandemdb.replication.core.outcomes import Outcomes


@dataclass
class Identity:
    """One database's identity. All of it is passed in: nothing here draws random numbers or reads a clock."""

    cluster: bytes
    node: str
    incarnation: bytes
    history: list[Term] = field(default_factory=list)
    outcomes: Outcomes = field(default_factory=Outcomes)
    # Where its node can be reached, if it is one.
    address: str = ""
    # Called when cluster and history were taken over from a primary: a store apart keeps them with the blocks.
    adopted: Callable[[], None] | None = None

    @property
    def epoch(self) -> Epoch:
        return self.history[-1].epoch if self.history else Epoch(0)


def common_end(ours: Sequence[Term], theirs: Sequence[Term], their_lsn: LSN) -> LSN | None:
    """Return the last LSN that their line shares with ours, or None when the two never met.

    Equal to `their_lsn` when all that they have lies on our history.
    """
    shared = 0
    for our_term, their_term in zip(ours, theirs, strict=False):
        if our_term != their_term:
            break
        shared += 1
    if shared == 0:
        return None
    end = their_lsn
    if shared < len(theirs):
        end = min(end, theirs[shared].lsn)
    if shared < len(ours):
        end = min(end, ours[shared].lsn)
    return LSN(end)
