"""Asks the node that runs with this configuration, if one does, how it is."""

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

from dicom_node.node import tls
from dicom_node.node.doctor.verdicts import Checked, Verdict
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.remotes import certificates

_PATIENCE_S = 10.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  called, not listened on
_MAXIMUM_BYTES = 1 << 20


def near(host: str) -> str:
    """Tell by which address a listener of this machine is called from this machine."""
    return _ANYWHERE.get(host, host)


@dataclass(frozen=True, slots=True)
class RunningNode:
    """What a running node tells of itself.

    Parameters
    ----------
    checks
        Each with "ok" or what is wrong: the ``trouble()`` of its services.
    warnings
        What somebody should look at.
    """

    checks: Mapping[str, str]
    warnings: Mapping[str, str]

    def told(self) -> Iterator[Checked]:
        """Say it as lines of the table."""
        for name, text in self.checks.items():
            verdict = Verdict.GOOD if text == "ok" else Verdict.BAD
            yield Checked(f"node: {name}", verdict, text)
        for name, text in self.warnings.items():
            yield Checked(f"node: {name}", Verdict.DOUBTFUL, text)


def find_running(settings: Settings) -> RunningNode | None:
    """Ask by HTTP; ``None`` where no node answers there."""
    if not settings.http.port:
        return None
    try:
        told = _ask(settings)
        checks, warnings = told["checks"], told.get("warnings", {})
        return RunningNode(dict(checks), dict(warnings))
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None


def _ask(settings: Settings) -> Any:
    host, port = near(settings.http.host), settings.http.port
    connection = HTTPConnection(host, port, timeout=_PATIENCE_S)
    if settings.http.tls.on:
        context = _context(settings)
        connection = HTTPSConnection(host, port, timeout=_PATIENCE_S, context=context)
    try:
        connection.request("GET", "/health/ready")
        return json.loads(connection.getresponse().read(_MAXIMUM_BYTES))
    finally:
        connection.close()


def _context(settings: Settings) -> ssl.SSLContext:
    """Ask without a look at the certificate: nothing secret is said or heard."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    files = certificates(settings.http.tls)
    if files is not None:
        tls.show(context, files)
    return context
