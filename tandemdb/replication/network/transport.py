"""Transport: frames over a TCP socket, with TLS or without. Blocking in the caller's thread; no event loop.

    send(frames)   --> wire.encode --> [ unsent ] --> socket        what the socket does not take at once stays here
    receive()      <-- wire.Decoder <---------------- socket        frames that are complete, without waiting
    wait(seconds)  poll: something came, or the rest can go out

Sockets do not block; whoever has nothing else to do calls `wait`. So a slow receiver holds up only its own link, and
the committing thread itself waits for its acknowledgement (a hop to another thread and back costs more than the
ping-pong). Every read is bounded in size by the decoder and in time: a frame that has begun must be whole within
FRAME_SECONDS.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice

from tandemdb.replication.core.messages import Frame
from tandemdb.replication.errors import LinkLost, ProtocolError
from tandemdb.replication.network import wire
from tandemdb.replication.network.address import Address
from tandemdb.replication.network.polling import READABLE, WRITABLE, make_poll
from tandemdb.replication.network.waiting import Waiting

CONNECT_SECONDS = 5.0
FRAME_SECONDS = 30.0
READ_BYTES_FIRST = 1 << 13
READ_BYTES = 1 << 18
READS_MAX = 8
UNSENT_BYTES_MAX = 1 << 20
KEEPALIVE_SECONDS = 5


class Channel:
    """A connected socket that carries frames. One thread at a time may use it."""

    def __init__(self, connected: socket.socket, decoder: wire.Decoder | None = None) -> None:
        self.socket = connected
        self.decoder = decoder if decoder is not None else wire.Decoder()
        self.arrived: deque[Frame] = deque()
        self.is_closed = False
        self.is_logging_in = False
        self.bytes_sent = 0
        self.bytes_received = 0
        self._unsent = bytearray()
        self._encrypted = isinstance(connected, ssl.SSLSocket)
        self._began_at = 0.0
        connected.setblocking(False)
        self._waiting = Waiting()
        self._waiting.register(connected.fileno())
        self._polls_out = False
        # Read into, for a fresh object of this size costs more than what is read mostly. It grows when it is filled.
        self._received = memoryview(bytearray(READ_BYTES_FIRST))

    @property
    def is_clogged(self) -> bool:
        """Whether so much waits to be sent that no more should be put in."""
        return len(self._unsent) > UNSENT_BYTES_MAX

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def send(self, frames: Iterable[Frame]) -> None:
        """Send frames, as far as the socket takes them; `flush` sends the rest.

        Raises:
            LinkLost: the link is gone.
        """
        self.send_bytes(b"".join(map(wire.encode, frames)))

    def send_bytes(self, data: bytes) -> None:
        """Send what `wire.encode` made."""
        if self._unsent:
            self._unsent += data
            self.flush()
            return
        sent = self._write(data)
        if sent < len(data):
            self._unsent += data[sent:]

    def flush(self) -> bool:
        """Send what is left. Returns whether all of it is out.

        Raises:
            LinkLost: the link is gone.
        """
        while self._unsent:
            sent = self._write(bytes(self._unsent[:READ_BYTES]))
            if not sent:
                return False
            del self._unsent[:sent]
        return True

    def receive(self) -> deque[Frame]:
        """Take what has come; whoever calls takes the frames out of the queue returned.

        Raises:
            LinkLost: the other side has closed the link, or it failed.
            ProtocolError: what came is no frame, or has been incomplete for too long.
        """
        arrived = self.arrived
        # So much at a time, that what has come is dealt with while more comes; what TLS holds back nobody can wait for.
        reads_left = READS_MAX
        while reads_left > 0 or self._encrypted:
            reads_left -= 1
            try:
                size = self.socket.recv_into(self._received)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except (OSError, ValueError) as error:
                if not arrived:
                    raise self._lost(error) from error
                break  # First what came before the end.
            if not size:
                if not arrived:
                    raise LinkLost("the other side has closed the link")
                break
            self.bytes_received += size
            data = self._received[:size].tobytes()
            if self.is_logging_in:
                # What follows the login in the same read is decoded when its limits hold: see `open_up`.
                arrived.extend(islice(self.decoder.feed(data), 1))
            elif (single := self.decoder.take_single(data)) is not None:
                arrived.append(single)
            else:
                arrived.extend(self.decoder.feed(data))
            if size < len(self._received):
                if not self._encrypted:
                    break
            elif size < READ_BYTES:
                self._received = memoryview(bytearray(min(READ_BYTES, 4 * size)))
        if self._began_at or self.decoder.waiting:
            self._watch_frame()
        return arrived

    def _watch_frame(self) -> None:
        """See to it that what has begun to come is whole in time."""
        if not self.decoder.waiting:
            self._began_at = 0.0
        elif not self._began_at or self.arrived:
            self._began_at = time.monotonic()
        elif time.monotonic() - self._began_at > FRAME_SECONDS:
            raise ProtocolError(f"a frame was not complete within {FRAME_SECONDS:.0f} s")

    def wait(self, seconds: float, looks: bool = False) -> bool:
        """Wait until something has come or, if something is left to send, can go out. Returns whether that is so.

        `looks`: awake, while what comes comes soon (see `waiting`).
        """
        if self.is_closed:
            raise LinkLost("the link is closed")
        if self.arrived:
            return True
        wants_out = bool(self._unsent)
        if wants_out != self._polls_out:
            events = READABLE | WRITABLE if wants_out else READABLE
            self._waiting.register(self.socket.fileno(), events)
            self._polls_out = wants_out
        try:
            return (self._waiting.wait if looks else self._waiting.sleep)(max(0.0, seconds))
        except (OSError, ValueError) as error:
            raise self._lost(error) from error

    def next_frame(self, seconds: float) -> Frame:
        """Wait for the next frame, sending what is left meanwhile.

        Raises:
            LinkLost: the link is gone, or nothing came in time.
        """
        if self.is_logging_in:
            self.arrived.extend(islice(self.decoder.feed(b""), 1))
        if self.arrived:
            return self.arrived.popleft()
        deadline = time.monotonic() + seconds
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise LinkLost(f"no answer within {seconds:.2g} s")
            if self.wait(min(remaining, FRAME_SECONDS)) or self.decoder.waiting:
                self.flush()
                if self.receive():
                    return self.arrived.popleft()

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        """Close the socket; closing twice does no harm."""
        self.is_closed = True
        close_socket(self.socket)

    def _write(self, data: bytes) -> int:
        try:
            sent = self.socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except (OSError, ValueError) as error:
            raise self._lost(error) from error
        self.bytes_sent += sent
        return sent

    def _lost(self, error: Exception) -> LinkLost:
        """Say why a call on the socket failed: it was closed here, by another thread, or broke."""
        return LinkLost("the link is closed" if self.is_closed else f"the link is gone: {reason_of(error)}")


def connect(address: Address, timeout_seconds: float = CONNECT_SECONDS) -> Channel:
    """Connect to a node; nothing is said yet.

    Raises:
        LinkLost: nobody listens there, or TLS could not be agreed on.
    """
    context = address.security.client_context()
    try:
        connected = socket.create_connection((address.host, address.port), timeout_seconds)
    except OSError as error:
        raise LinkLost(
            f"unable to connect to {address}: {reason_of(error)}", hint="Is the node running and reachable?"
        ) from error
    try:
        set_options(connected)
        if context is not None:
            connected = context.wrap_socket(connected, server_hostname=address.host)
    except (OSError, ssl.SSLError) as error:
        connected.close()
        raise LinkLost(f"unable to begin TLS with {address}: {error}") from error
    return Channel(connected, wire.Decoder())


def close_socket(connected: socket.socket) -> None:
    """Close a socket; the other side learns of it, and a thread that waits on it wakes up."""
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # It was not connected any more.
    connected.close()


def accept_tls(context: ssl.SSLContext, connected: socket.socket, seconds: float) -> ssl.SSLSocket:
    """Let the other side begin TLS, all of it within so many seconds, however it dribbles.

    Raises:
        LinkLost: it took too long. SSLError: it does not want to, or is not known. OSError: it is gone.
    """
    deadline = time.monotonic() + seconds
    wrapped = context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
    wrapped.setblocking(False)
    waiting = make_poll()
    while True:
        wanted = READABLE
        try:
            wrapped.do_handshake()
            return wrapped
        except ssl.SSLWantReadError:
            pass  # More is to come.
        except ssl.SSLWantWriteError:
            wanted = WRITABLE
        except BaseException:
            wrapped.close()
            raise
        waiting.register(wrapped, wanted)
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not waiting.poll(remaining * 1000):
            wrapped.close()
            raise LinkLost(f"TLS was not agreed on within {seconds:g} s")


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        LinkLost: the address is taken or not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise LinkLost(f"unable to listen on {host}:{port}: {reason_of(error)}") from error
    return listener


def reason_of(error: Exception) -> str:
    """Say what went wrong in the system's words, without the number and without what Python adds of its call."""
    return (getattr(error, "strerror", None) or str(error)).partition(" (while attempting")[0]


def set_options(connected: socket.socket) -> None:
    """Send small frames at once, and notice a machine that is gone."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_SECONDS),
        ("TCP_KEEPALIVE", KEEPALIVE_SECONDS),  # macOS
        ("TCP_KEEPINTVL", 1),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", KEEPALIVE_SECONDS * 1000),
    ):
        if hasattr(socket, option):  # They differ from system to system.
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
