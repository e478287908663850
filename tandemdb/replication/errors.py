"""The errors of replication, as classes of PEP 249, and what each tells the caller about a commit's fate.

    ReplicationError (OperationalError)
      |- SecondaryLost     the commit did not happen; no secondary can have it
      |- CommitInDoubt     the primary shows no trace of it, a secondary that is promoted may
      |- PrimaryFenced     a newer epoch exists: this system may no longer take writes
      |    '- FencedInDoubt  and what was sent before it was known may be part of it; a CommitInDoubt, too
      |- BaseAbandoned     the commit did not happen: it builds on another one that is in doubt
      |- StoreLost         the commit did not happen: the store that holds the blocks does not answer
      |- LeaseLost         the commit did not happen: this primary cannot renew its lease, another may lead soon
      |- ProtocolError     bytes or messages that no correct peer sends
      |- LinkLost          the other side is gone, or cannot be reached
      '- Refused           the other side has said no, and why

    ExposedWarning (UserWarning)  not raised: warned of where one connects to a primary that has lost its secondaries

A database that may not be written raises storage's own ReadOnly when the transaction begins, before any of these.
"""

from __future__ import annotations

from tandemdb.errors import OperationalError


class ReplicationError(OperationalError):
    """Raised when mirroring cannot do what it was asked; the base of the errors below."""


class SecondaryLost(ReplicationError):
    """Raised when a write is refused because too few synchronous secondaries are in step."""


class CommitInDoubt(ReplicationError):
    """Raised when a completion went out and no acknowledgement came back in time.

    The primary has rolled the transaction back and refuses writes until the secondary has answered: if it comes back,
    the transaction is undone there too; if it is promoted instead, the transaction is part of its history.
    `transaction` names it in both systems.
    """

    def __init__(self, message: str, transaction: int, *, detail: str = "", hint: str = "") -> None:
        super().__init__(message, detail=detail, hint=hint)
        self.transaction = transaction


class SecondaryBehind(ReplicationError):
    """Raised when a commit is refused because an asynchronous secondary is too far behind and the policy is reject."""


class PrimaryFenced(ReplicationError):
    """Raised when a write is refused because a secondary of this system has been promoted to a newer epoch."""


class FencedInDoubt(PrimaryFenced, CommitInDoubt):
    """Raised when a commit was sent, and a secondary promoted before it was acknowledged."""


class BaseAbandoned(ReplicationError):
    """Raised when a transaction began on a commit that waited for its acknowledgement, and that one was rolled back.

    Roll back and begin again.
    """


class LeaseLost(ReplicationError):
    """Raised when a write is refused because this primary cannot renew its lease with the coordinator."""


class StoreLost(ReplicationError):
    """Raised when a write is refused because the store apart, which holds the blocks, is lost."""


class ProtocolError(ReplicationError):
    """Raised when what came over a link is not a message of this protocol: torn, oversized, garbled or unknown."""


class OtherVersion(ProtocolError):
    """Raised when the other side of a link speaks another version of the protocol; neither listens to the other."""


class LinkLost(ReplicationError):
    """Raised when the other side of a link cannot be reached, has closed it, or does not answer in time."""


class Refused(ReplicationError):
    """Raised when the other side refuses: a wrong secret, an unknown database.

    `refusal` is its word for the reason, `epoch` the one it knows of.
    """

    def __init__(self, refusal: str, reason: str, epoch: int = 0, *, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.refusal = refusal
        self.epoch = epoch


class ExposedWarning(UserWarning):
    """Warns that commits of the primary connected to have fewer copies than they are meant to."""
