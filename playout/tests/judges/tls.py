"""A test authority, its certificates right and wrong, and nginx ending TLS before an ingest."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from judges.nginx import Nginx, user_line
from judges.tools import free_port, nginx_module
from playout import clock

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class ServerCertificate:
    """Files in PEM, as nginx wants them."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that exists for one test run; trust it through `file`."""

    def __init__(self, directory: Path, name: str = "Test authority") -> None:
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = clock.utc_now()
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * _DAY)
            .not_valid_after(now + 30 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(self._identifier(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.file = directory / f"{name.lower().replace(' ', '-')}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _identifier(self) -> x509.SubjectKeyIdentifier:
        return x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())

    def issue(self, *names: str, expired: bool = False) -> ServerCertificate:
        """A server certificate for host names and addresses; `expired` ended yesterday."""
        names = names or ("localhost", "127.0.0.1")
        key = ec.generate_private_key(ec.SECP256R1())
        now = clock.utc_now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 20 * _DAY)
            .not_valid_after(now - _DAY if expired else now + 20 * _DAY)
            .add_extension(x509.SubjectAlternativeName([_name(n) for n in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        stem = f"server-{certificate.serial_number:x}"[:20]
        issued = ServerCertificate(self._directory / f"{stem}.pem", self._directory / f"{stem}.key")
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        issued.key.chmod(0o600)
        return issued


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs_certificates,
        crl_sign=signs_certificates, encipher_only=False, decipher_only=False,
    )  # fmt: skip


_STREAM = """
{load}
daemon off;
master_process off;
{user}
pid {prefix}/nginx.pid;
error_log {prefix}/error.log info;
events {{ worker_connections 4096; }}
stream {{
    log_format plain '$status $bytes_received $bytes_sent';
    access_log {prefix}/access.log plain;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols {protocols};
        proxy_pass 127.0.0.1:{behind};
        proxy_buffer_size 64k;
        tcp_nodelay on;
    }}
}}
"""


class TlsTerminator(Nginx):
    """nginx that ends TLS on `port` and passes the bytes on to `behind`."""

    def __init__(
        self, prefix: Path, certificate: ServerCertificate, behind: int,
        *, protocols: str = "TLSv1.2 TLSv1.3",
    ) -> None:  # fmt: skip
        port = free_port()
        text = _STREAM.format(
            load=f"load_module {nginx_module('ngx_stream_module.so')};", user=user_line(),
            prefix=prefix, port=port, certificate=certificate.certificate, key=certificate.key,
            behind=behind, protocols=protocols,
        )  # fmt: skip
        super().__init__(prefix, text, port)

    def url(self, key: str = "", *, host: str = "localhost", app: str = "live") -> str:
        return f"rtmps://{host}:{self.port}/{app}" + (f"/{key}" if key else "")

    @property
    def bytes_from_clients(self) -> list[int]:
        """Decrypted bytes that each finished connection sent; 0 when its handshake failed."""
        file = self.prefix / "access.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return [int(line.split()[1]) for line in lines]
