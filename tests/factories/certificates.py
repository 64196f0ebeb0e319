"""Certificates of this machine: self-signed by OpenSSL, or by an authority."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 and its key; skips where OpenSSL is absent."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", *algorithm, *files, *subject],
        check=True,
        capture_output=True,
    )
    return certificate, key


class Authority:
    """Signs certificates, as a hospital's own does.

    Parameters
    ----------
    folder
        Where files go; ``ca`` is the authority's own certificate.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        extension = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._signed(self._name, self._key, extension)
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(_pem(certificate))

    def issue(self, name: str, days: float = 100.0) -> tuple[Path, Path]:
        """Sign a certificate of 127.0.0.1 for so many days; it and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        extension = x509.BasicConstraints(ca=False, path_length=None)
        certificate = self._signed(_named(name), key, extension, days)
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(_pem(certificate))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extension: x509.BasicConstraints,
        days: float = 100.0,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        address = x509.IPAddress(IPv4Address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=200))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(extension, critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
