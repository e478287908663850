"""Addresses of nodes, and what a link to one is secured by.

    tandemdb://HOST:PORT/NAME ? secret_file=F & tls_ca=CA.pem & tls_cert=CERT.pem & tls_key=KEY.pem
               '------------'   '-- both sides   '-- checks the other side   '-- shows who this side is
                where it listens    know the file's
                [::1]:7432 for IPv6 content

A secret alone proves who is there, it hides nothing; TLS (1.3) hides what is said. Where neither is given, a node
listens on loopback only.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tandemdb.errors import OperationalError, ProgrammingError

if TYPE_CHECKING:
    import ssl

SCHEME = "tandemdb"
DEFAULT_PORT = 7432
SECRET_BYTES_MIN = 8
OPTIONS = ("secret_file", "tls_ca", "tls_cert", "tls_key")


@dataclass(frozen=True)
class Security:
    """What a link is secured by; the fields are paths of files, "" for none."""

    secret_file: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""

    @cached_property
    def secret(self) -> bytes:
        """What both sides know; empty if there is no secret file.

        Raises:
            OperationalError: the file cannot be read, or holds too little.
        """
        if not self.secret_file:
            return b""
        try:
            with open(self.secret_file, "rb") as file:
                secret = file.read(4096).strip()
        except OSError as error:
            raise OperationalError(f"unable to read the secret file: {error.strerror}: {self.secret_file}") from error
        if len(secret) < SECRET_BYTES_MIN:
            raise OperationalError(
                f"the secret in {self.secret_file} is too short",
                detail=f"It has {len(secret)} bytes without the blanks around it, {SECRET_BYTES_MIN} are the least.",
                hint="Make one: python -c 'import secrets; print(secrets.token_hex(32))'",
            )
        return secret

    @property
    def is_encrypted(self) -> bool:
        return bool(self.tls_ca or self.tls_cert)

    @property
    def knows_the_other_side(self) -> bool:
        """Whether somebody who connects must prove who he is."""
        return bool(self.secret_file or (self.tls_cert and self.tls_ca))

    def server_context(self) -> ssl.SSLContext | None:
        """Make the context of a listener; with a `tls_ca`, clients must show a certificate of it."""
        if not self.is_encrypted:
            return None
        import ssl

        if not self.tls_cert:
            raise ProgrammingError("a node that listens with TLS needs a certificate", hint="Pass tls_cert, tls_key.")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._load(context)
        if self.tls_ca:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self) -> ssl.SSLContext | None:
        """Make the context of one who connects; the node's certificate must be of `tls_ca` and name its host."""
        if not self.is_encrypted:
            return None
        import ssl

        if not self.tls_ca:
            raise ProgrammingError("a link with TLS needs a tls_ca to know the node's certificate by")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        import ssl

        for path in filter(None, (self.tls_cert, self.tls_key, self.tls_ca)):
            check_readable(path)
        try:
            if self.tls_cert:
                context.load_cert_chain(self.tls_cert, self.tls_key or None)
        except (OSError, ssl.SSLError) as error:
            raise OperationalError(
                f"unable to use the TLS certificate {self.tls_cert}: {error.strerror or error}",
                hint="Both it and its key are PEM, and belong together.",
            ) from error
        try:
            if self.tls_ca:
                context.load_verify_locations(self.tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise OperationalError(
                f"unable to use the TLS authority {self.tls_ca}: {error.strerror or error}", hint="It is a PEM file."
            ) from error


def check_readable(path: str) -> None:
    """Name the file that cannot be read: `ssl` does not.

    Raises:
        OperationalError: it cannot.
    """
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise OperationalError(f"unable to read the TLS file: {error.strerror}: {path}") from error


@dataclass(frozen=True)
class Address:
    """Where a database is: host and port of its node, its name there, and the security of the link."""

    host: str
    port: int
    name: str
    security: Security = Security()

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def with_port(self, port: int) -> Address:
        return replace(self, port=port)

    def __str__(self) -> str:
        """Return it as a URL, without its security."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{host}:{self.port}/{quote(self.name, safe='')}"


def read_address(url: str, security: Security | None = None) -> Address:
    """Read a `tandemdb://HOST:PORT/NAME` URL; what its query says of security goes before `security`.

    Raises:
        ProgrammingError: it is not such a URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProgrammingError(f"not the address of a database: {url}", detail=str(error)) from None
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme != SCHEME or not parts.hostname or not name or "/" in name:
        raise ProgrammingError(
            f"not the address of a database: {url}", hint="It looks like tandemdb://HOST:PORT/NAME?secret_file=FILE"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ProgrammingError(
            f"unknown options in the address of a database: {', '.join(unknown)}",
            hint=f"Known are {', '.join(OPTIONS)}.",
        )
    return Address(
        parts.hostname, DEFAULT_PORT if port is None else port, name, replace(security or Security(), **options)
    )


def read_addresses(url: str, security: Security | None = None) -> list[Address]:
    """Read `tandemdb://HOST:PORT,HOST:PORT/NAME`: the nodes of one cluster, one of which leads.

    Raises:
        ProgrammingError: it is not such a URL.
    """
    scheme, colon, rest = url.partition("://")
    hosts, slash, tail = rest.partition("/")
    return [read_address(f"{scheme}{colon}{host}{slash}{tail}", security) for host in hosts.split(",")]


def read_listener(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`, of one's own or of another; port 0 lets the system choose a free one of its own.

    Raises:
        ProgrammingError: it is not that.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ProgrammingError(f"not a host and port: {text}", hint="It looks like 127.0.0.1:7432")
    return host, int(port)
