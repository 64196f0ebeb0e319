"""TLS contexts as DICOM's BCP 195 profile asks: TLS 1.2 or newer, AES-GCM, no fallback.

References
----------
DICOM PS3.15 Annex B, BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from dicom_node.errors import SettingsInvalid

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


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
