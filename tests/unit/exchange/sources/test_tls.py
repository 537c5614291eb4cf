"""Sources over real TLS: a number is asked, and the certificate must be the host's and from an authority we trust."""

import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mithaq.exchange import authorities
from mithaq.exchange.sources.errors import SourceUnreachable
from mithaq.exchange.sources.web import Budget, Web

HOST = "localhost"


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


class Authority:
    """A certificate authority that signs for any name."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        ca = x509.BasicConstraints(ca=True, path_length=None)
        made = self._of(name, self.key).add_extension(ca, critical=True).sign(self.key, hashes.SHA256())
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def sign(self, host: str) -> Path:
        """Return a file with a key and a certificate for a host name or a numeric address."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            known: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            known = x509.DNSName(host)
        names = x509.SubjectAlternativeName([known])
        made = self._of(host, key).add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        place = self.folder / f"{self.name}-{host.replace(':', '_')}.pem"
        place.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
        return place

    def _of(self, subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
        )


class Handler(BaseHTTPRequestHandler):
    """Answer everything, and remember with which credential it was asked."""

    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def https(certificate: Path) -> Iterator[tuple[str, list[str | None], list[str | None]]]:
    """Serve over TLS; yield the address, the credentials that came, and the names that were asked for (SNI)."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []  # type: ignore[attr-defined]
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"https://{HOST}:{server.server_port}/x", server.asked, names  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """The one authority that is trusted, instead of those of the world."""
    made = Authority(tmp_path, "trusted")
    monkeypatch.setattr("certifi.where", lambda: str(made.file))
    authorities.trusted.cache_clear()
    yield made
    authorities.trusted.cache_clear()


def ask(address: str) -> bytes:
    with Web(address, {"Authorization": "secret"}, Budget(time.monotonic, seconds=20), may_be_private=True) as web:
        return web.get(address, max_bytes=100).body


def test_the_certificate_of_the_host_is_taken_though_its_numeric_address_is_asked(trusted: Authority) -> None:
    with https(trusted.sign(HOST)) as (address, asked, names):
        assert ask(address) == b"ok"
    assert (asked, names) == (["secret"], [HOST])


@pytest.mark.parametrize("other", ["other.example", "127.0.0.1"])
def test_a_certificate_for_another_name_or_for_the_number_alone_is_refused_before_anything_is_said(
    trusted: Authority, other: str
) -> None:
    with https(trusted.sign(other)) as (address, asked, _):
        with pytest.raises(SourceUnreachable):
            ask(address)
        assert asked == []


def test_a_certificate_of_an_authority_that_nobody_trusts_is_refused(trusted: Authority, tmp_path: Path) -> None:
    with https(Authority(tmp_path, "unknown").sign(HOST)) as (address, asked, _):
        with pytest.raises(SourceUnreachable):
            ask(address)
        assert asked == []
