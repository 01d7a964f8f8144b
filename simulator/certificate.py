"""The ingest's own certificate: who trusts the file trusts this simulator, and nothing else."""

from __future__ import annotations

import ipaddress
import os
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from playout import clock

_LIFE = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)


def make(folder: Path) -> tuple[Path, Path]:
    """Certificate and key of `localhost`, as PEM in `folder`; made anew when they end soon."""
    file, key_file = folder / "ingest-certificate.pem", folder / "ingest-certificate.key"
    if _is_good(file) and key_file.is_file():
        return file, key_file
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "YouTube simulator")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = clock.utc_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key_file.unlink(missing_ok=True)
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(secret)
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return file, key_file


def _is_good(file: Path) -> bool:
    try:
        ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return False
    return ends > clock.utc_now() + _RENEW_BEFORE
