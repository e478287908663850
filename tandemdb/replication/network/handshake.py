"""The login: both sides prove that they know the secret before either reads anything else.

    one who connects                                   node
       HELLO  protocol, who, nonce, database, purpose -->  |
       <--------------------- CHALLENGE  who, nonce        |
       AUTHENTICATE  HMAC(secret, "connects" + both) --->  |   wrong: REFUSE, closed
       <----- WELCOME  HMAC(secret, "listens" + all)       |   and only now: is there such a database?
       checks it: wrong, closed

HMAC-SHA256 over the messages as they were sent, nonces of 32 bytes from each side, so that nothing of an earlier login
serves again. The node proves itself last: it gives nothing to work on to somebody who does not know the secret. Where
no secret is set on either side the proofs are made with an empty one; a side that has one refuses a side that has none.

Up to the end of the login a frame has LOGIN_BYTES_MAX bytes at most and the whole takes LOGIN_SECONDS at most.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from typing import TypeVar

from tandemdb.replication.core.identity import Identity
from tandemdb.replication.core.messages import (
    Authenticate,
    Challenge,
    Epoch,
    Frame,
    Hello,
    Message,
    Refuse,
    Welcome,
)
from tandemdb.replication.errors import LinkLost, ProtocolError, Refused
from tandemdb.replication.network import wire
from tandemdb.replication.network.transport import Channel

Kind = TypeVar("Kind", Hello, Challenge, Authenticate, Welcome)

LOGIN_SECONDS = 5.0
LOGIN_BYTES_MAX = 4096
NONCE_BYTES = 32
# By the code of a refusal.
HINTS = {
    "secret": "Give both sides the same secret file (--secret-file FILE, in a URL ?secret_file=FILE), or neither one.",
}
PURPOSES = ("client", "operator", "secondary", "primary", "processing")
LOGIN_KINDS_IN = wire.kinds(Hello, Authenticate, Refuse)
LOGIN_KINDS_OUT = wire.kinds(Challenge, Welcome, Refuse)


def log_in(
    channel: Channel, identity: Identity, secret: bytes, database: str, purpose: str, mode: str = ""
) -> tuple[Challenge, Welcome]:
    """Log in at a node that was just connected to. Returns who it is, and what it calls this link.

    Raises:
        Refused: the node says no.
        ProtocolError: it is no node, or does not know the secret.
        LinkLost: it closed the link, or took too long.
    """
    deadline = time.monotonic() + LOGIN_SECONDS
    bound_login(channel, LOGIN_KINDS_OUT)
    hello = Hello(
        wire.PROTOCOL,
        identity.cluster,
        identity.node,
        identity.incarnation,
        os.urandom(NONCE_BYTES),
        database,
        purpose,
        mode,
        identity.epoch,
    )
    send(channel, 0, hello)
    challenge = take(channel, deadline, Challenge)
    check_nonce(challenge.nonce)
    transcript = wire.encode_body(hello) + wire.encode_body(challenge)
    proof = prove(secret, b"connects", transcript)
    send(channel, 1, Authenticate(proof))
    welcome = take(channel, deadline, Welcome)
    if not hmac.compare_digest(welcome.proof, prove(secret, b"listens", transcript + proof)):
        raise ProtocolError(
            "the node does not know the secret", hint="Is this the right node, and the same secret on both sides?"
        )
    return challenge, welcome


def admit(
    channel: Channel,
    identity: Identity,
    secret: bytes,
    check: Callable[[Hello], None],
    link: int,
    ticket: bytes,
) -> Hello:
    """Let somebody who has connected log in; `check` raises Refused if he may not do what he came for.

    Raises:
        Refused: he was told why, too.
        ProtocolError, LinkLost: he is no correct peer, is gone, or took too long.
    """
    deadline = time.monotonic() + LOGIN_SECONDS
    bound_login(channel, LOGIN_KINDS_IN)
    try:
        hello = take(channel, deadline, Hello)
        check_nonce(hello.nonce)
        if hello.protocol != wire.PROTOCOL:
            raise Refused("version", str(wire.other_version(hello.protocol)))
        challenge = Challenge(
            wire.PROTOCOL,
            identity.cluster,
            identity.node,
            identity.incarnation,
            os.urandom(NONCE_BYTES),
            identity.epoch,
        )
        send(channel, 0, challenge)
        transcript = wire.encode_body(hello) + wire.encode_body(challenge)
        proof = take(channel, deadline, Authenticate).proof
        if not hmac.compare_digest(proof, prove(secret, b"connects", transcript)):
            raise Refused("secret", "authentication failed: the secrets are not the same")
        if hello.purpose not in PURPOSES:
            raise Refused("purpose", f"unknown purpose of a link: {hello.purpose}")
        check(hello)
        send(channel, 1, Welcome(prove(secret, b"listens", transcript + proof), link, ticket))
    except Refused as refusal:
        refuse(channel, refusal.refusal, str(refusal), identity)
        raise
    except ProtocolError as error:
        refuse(channel, "protocol", str(error), identity)
        raise
    return hello


def refuse(channel: Channel, code: str, reason: str, identity: Identity) -> None:
    """Say why not, as well as can be done; the link is closed after it."""
    try:
        channel.send([Frame(0, identity.epoch, 1, Refuse(code, identity.epoch, reason))])
    except LinkLost:
        pass  # He will not hear it; the caller raises and logs the reason anyway.


def bound_login(channel: Channel, kinds: frozenset[int]) -> None:
    channel.is_logging_in = True
    decoder = channel.decoder
    decoder.kinds = kinds
    decoder.body_bytes_max = decoder.part_bytes_max = LOGIN_BYTES_MAX


def open_up(channel: Channel, kinds: frozenset[int] | None, body_bytes_max: int = wire.BODY_BYTES_MAX) -> None:
    """After the login: take these kinds of message (None: all), of this size."""
    decoder = channel.decoder
    decoder.kinds = kinds
    decoder.part_bytes_max = wire.PART_BYTES_MAX
    decoder.body_bytes_max = body_bytes_max
    channel.is_logging_in = False
    channel.arrived.extend(decoder.feed(b""))


def send(channel: Channel, sequence: int, message: Message) -> None:
    channel.send([Frame(0, Epoch(0), sequence, message)])


def take(channel: Channel, deadline: float, kind: type[Kind]) -> Kind:
    message = channel.next_frame(max(0.0, deadline - time.monotonic())).message
    if isinstance(message, Refuse):
        raise Refused(message.code, message.reason, message.epoch, hint=HINTS.get(message.code, ""))
    if not isinstance(message, kind):
        raise ProtocolError(f"a {type(message).__name__} came where a {kind.__name__} belongs")
    return message


def check_nonce(nonce: bytes) -> None:
    if len(nonce) != NONCE_BYTES:
        raise ProtocolError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")


def prove(secret: bytes, side: bytes, transcript: bytes) -> bytes:
    return hmac.new(secret, b"tandemdb " + side + b"\0" + transcript, hashlib.sha256).digest()
