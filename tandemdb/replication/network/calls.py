"""Calls: a method's name and plain values there, a value, rows or an error back. For clients and operators.

    Caller.call("run", ...) --CALL--> serve_calls --> handler.call("run", ...)     the handler looks it up in a table
                   <---REPLY or FAILURE---

An error comes back as what it was: class, text, result code and notes. Only classes listed here are ever made from
what was received.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tandemdb import errors
from tandemdb.replication import errors as replication_errors
from tandemdb.replication.core.messages import Call, Epoch, Failure, Frame, Message, Refuse, Reply
from tandemdb.replication.errors import CommitInDoubt, LinkLost, ProtocolError, Refused
from tandemdb.replication.network.wire import kinds
from tandemdb.storage import StorageError

if TYPE_CHECKING:
    from tandemdb.replication.network.transport import Channel

CALLS = kinds(Call)
ANSWERS = kinds(Reply, Failure, Refuse)
CALL_BYTES_MAX = 256 << 20
SEND_SECONDS = 30.0
IDLE_SECONDS = 1.0
Row = tuple[Any, ...]

ERRORS: dict[str, type[Exception]] = {
    name: kind
    for module in (errors, replication_errors)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, errors.Error | errors.Warning)
}
ERRORS |= {
    name: getattr(builtins, name)
    for name in ("ValueError", "TypeError", "OverflowError", "MemoryError", "RecursionError", "LookupError")
}


class Handler(Protocol):
    """What serves one link's calls."""

    def call(self, method: str, arguments: Row) -> tuple[Any, tuple[Row, ...]]: ...
    def state(self) -> Any:
        """What a FAILURE carries beside the error."""

    def interrupt(self) -> None: ...
    def close(self) -> None: ...


class Caller:
    """The calling side of a link; one thread at a time."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._number = 0

    def call(self, method: str, *arguments: Any, seconds: float = math.inf) -> Reply:
        """Call and wait for the answer.

        Raises:
            LinkLost: the link is gone, or no answer came in that time; what was asked may have been done.
            Exception: what the other side raised, with its state as `remote_state`.
        """
        self._number += 1
        try:
            self.channel.send([Frame(0, Epoch(0), self._number, Call(self._number, method, arguments))])
            message = self.channel.next_frame(seconds).message
            while isinstance(message, Reply | Failure) and message.number < self._number:
                message = self.channel.next_frame(seconds).message
        except (ProtocolError, LinkLost):
            self.channel.close()
            raise
        except BaseException:
            # A Ctrl-C between question and answer: the answer to come is not the next question's.
            if self.channel.decoder.waiting:
                self.channel.close()
            raise
        if isinstance(message, Failure):
            raise rebuild(message)
        if not isinstance(message, Reply):
            self.channel.close()
            if isinstance(message, Refuse):
                raise Refused(message.code, message.reason, message.epoch)
            raise ProtocolError(f"a {type(message).__name__} came where an answer belongs")
        return message

    def close(self) -> None:
        self.channel.close()


def serve_calls(channel: Channel, handler: Handler, is_running: Callable[[], bool]) -> None:
    """Answer calls until the link is lost or the node stops.

    Raises:
        LinkLost, ProtocolError: the end of the link, and why.
    """
    while is_running():
        if not channel.wait(IDLE_SECONDS) and not channel.decoder.waiting:
            continue
        arrived = channel.receive()
        while arrived:
            message = arrived.popleft().message
            if not isinstance(message, Call):
                raise ProtocolError(f"a {type(message).__name__} is no call")
            channel.send([Frame(0, Epoch(0), message.number, answer(handler, message))])
            send_rest(channel)


def answer(handler: Handler, call: Call) -> Message:
    """Do what a call asks; whatever goes wrong is the answer."""
    try:
        value, rows = handler.call(call.method, call.arguments)
    except Exception as error:
        return describe(error, call.number, handler.state())
    return Reply(call.number, value, rows)


def send_rest(channel: Channel) -> None:
    """Wait until an answer is out; who does not read it is dropped."""
    while channel.has_unsent:
        if not channel.wait(SEND_SECONDS):
            raise LinkLost(f"the client did not read its answer within {SEND_SECONDS:.0f} s")
        channel.flush()
        if channel.has_unsent:
            channel.receive()


def describe(error: Exception, number: int, state: Any) -> Failure:
    """Turn an error into its message; one of no known class becomes the nearest known one above it."""
    name = next((kind.__name__ for kind in type(error).__mro__ if ERRORS.get(kind.__name__) is kind), "")
    notes = tuple(str(note) for note in getattr(error, "__notes__", ()))
    text = str(error)
    if not name:
        name = "OperationalError" if isinstance(error, StorageError | OSError) else "InternalError"
        text = f"{type(error).__name__}: {text}"
    if isinstance(error, CommitInDoubt):
        state = [state, error.transaction]
    elif isinstance(error, Refused):
        state = [state, error.refusal, error.epoch]
    return Failure(number, name, text, getattr(error, "sqlite_errorname", ""), notes, state)


def rebuild(failure: Failure) -> Exception:
    """Make the error that a message describes."""
    kind = ERRORS.get(failure.kind, errors.InternalError)
    state = failure.value
    error: Exception
    if issubclass(kind, CommitInDoubt):
        error = kind(failure.text, int(state[1]))
        state = state[0]
    elif kind is Refused:
        error = Refused(str(state[1]), failure.text, int(state[2]))
        state = state[0]
    elif issubclass(kind, errors.Error):
        error = kind(failure.text, code=failure.code if failure.code in errors.RESULT_CODES else None)
    else:
        error = kind(failure.text)
    for note in failure.notes:
        error.add_note(note)
    error.remote_state = state  # type: ignore[attr-defined]
    return error
