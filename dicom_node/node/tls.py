"""TLS contexts as DICOM's BCP 195 profile asks: TLS 1.2 or newer, AES-GCM, no fallback.

References
----------
DICOM PS3.15 Annex B, BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile.
"""

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from dicom_node.errors import SettingsInvalid

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
TOLD_BEFORE = timedelta(days=30)
"""How long before its end a certificate is spoken of."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: ours, and who signs the others'."""

    certificate: Path
    key: Path
    ca: Path | None = None


def server_context(files: Certificates, *, require_client: bool) -> ssl.SSLContext:
    """Build the context of a listener.

    Raises
    ------
    SettingsInvalid
        A file cannot be read or does not belong to the others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, files)
    if require_client:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(files: Certificates) -> ssl.SSLContext:
    """Build the context of a requestor; peers are known by their authority.

    Host names are not compared: DICOM peers are configured by address, and their
    certificates seldom carry one (PS3.15 B.1 leaves it to the site).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    _load(context, files)
    if files.ca is None:
        context.load_default_certs()
    return context


def show(context: ssl.SSLContext, files: Certificates) -> None:
    """Let a client show our certificate, where it is asked for one."""
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsInvalid(f"TLS files ({files.certificate}): {error}") from error


def ends_at(files: Certificates | None) -> datetime | None:
    """Tell when the first certificate of our chain ends; ``None`` without TLS.

    Raises
    ------
    SettingsInvalid
        The file holds no certificate.
    """
    if files is None:
        return None
    try:
        chain = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"TLS files ({files.certificate}): {error}") from error
    return min(certificate.not_valid_after_utc for certificate in chain)


def doubt(ends_at: datetime | None, now: datetime) -> str | None:
    """Say that a certificate has ended, or will soon."""
    if ends_at is None or ends_at - now > TOLD_BEFORE:
        return None
    if ends_at <= now:
        return f"the certificate ended on {ends_at:%Y-%m-%d}: peers refuse it"
    days = (ends_at - now).days
    return f"the certificate ends on {ends_at:%Y-%m-%d}, in {days} days: renew it"


def web_client_context(
    certificate: Path | None, key: Path | None, ca: Path | None
) -> ssl.SSLContext:
    """Build the context of an HTTPS client, which compares host names.

    Raises
    ------
    SettingsInvalid
        A file cannot be read or does not belong to the others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate is not None and key is not None:
        _load(context, Certificates(certificate, key, ca))
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca is not None:
            context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsInvalid(f"TLS file ({ca}): {error}") from error
    if ca is None:
        context.load_default_certs()
    return context


def _load(context: ssl.SSLContext, files: Certificates) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    try:
        context.load_cert_chain(files.certificate, files.key)
        if files.ca is not None:
            context.load_verify_locations(files.ca)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(
            str(path) for path in (files.certificate, files.key, files.ca)
        )
        raise SettingsInvalid(f"TLS files ({names}): {error}") from error
