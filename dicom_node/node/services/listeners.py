"""The node's two doors as services: DIMSE for peers, HTTP for people and programs."""

import errno
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dicom_node.errors import SettingsInvalid
from dicom_node.node import tls
from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.service import time_left
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.dimse import dimse_config, make_acceptor
from dicom_node.node.wiring.reception import explains
from dicom_node.node.wiring.remotes import certificates
from dicom_node.node.wiring.web import http_address, make_server

if TYPE_CHECKING:
    from datetime import datetime

    from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
    from dicom_node.web.server import HttpServer

logger = logging.getLogger(__name__)

NOT_LISTENING = "not listening"


class DimseService:
    """Accepts associations.

    Parameters
    ----------
    settings, parts
        Where and for whom; the door that images go through.
    """

    name = "dimse"
    role = Role.RECEIVE

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._settings = settings
        self._parts = parts
        self._entity: ApplicationEntity | None = None
        self._ends_at: datetime | None = None
        self.port: int | None = None

    def start(self) -> None:
        """Listen."""
        section = self._settings.dimse
        self._ends_at = tls.ends_at(certificates(section.tls))
        self._entity = make_acceptor(self._settings, self._parts)
        self.port = _bound("dimse", section.host, section.port, self._entity.start)
        _tell_listening(self._settings.node.ae_title, section.host, self.port)

    def reload(self, settings: Settings, parts: Parts) -> None:
        """Admit the peers of now, with the certificates of now."""
        self._settings = settings
        parts.reception.explains = explains(settings)
        self._ends_at = tls.ends_at(certificates(settings.dimse.tls))
        if self._entity is not None:
            self._entity.change(dimse_config(settings))

    def stop(self, deadline: float) -> None:
        """Refuse newcomers and let the others end.

        Half the time is for who is still sending, half for what is being analysed.
        """
        if self._entity is not None:
            self._entity.stop(time_left(deadline) / 2)

    def trouble(self) -> str | None:
        """Say that nobody can associate, if so."""
        well = self._entity is not None and self._entity.listening
        return None if well else NOT_LISTENING

    def doubt(self) -> str | None:
        """Say that the certificate that it shows ends soon, if so."""
        return tls.doubt(self._ends_at, self._parts.clock())


class HttpService:
    """Answers HTTP requests.

    Parameters
    ----------
    settings, parts
        Where; what requests are about.
    conditions
        What is wrong in this process, check by check.
    doubts
        What somebody should look at.
    """

    name = "http"
    role = Role.WEB

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        conditions: Callable[[], Mapping[str, str | None]],
        doubts: Callable[[], Mapping[str, str]],
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._conditions = conditions
        self._doubts = doubts
        self._ends_at: datetime | None = None
        self._server: HttpServer | None = None
        self.port: int | None = None

    def start(self) -> None:
        """Listen."""
        section = self._settings.http
        self._ends_at = tls.ends_at(certificates(section.tls))
        self._server = make_server(
            self._settings,
            self._parts,
            self._conditions,
            self._doubts,
            lambda: (self._settings, self._parts),
        )
        self.port = _bound("http", section.host, section.port, self._server.start)
        _tell_listening("HTTP", section.host, self.port)

    def reload(self, settings: Settings, parts: Parts) -> None:
        """Show the certificates and the destinations of now."""
        self._settings, self._parts = settings, parts
        self._ends_at = tls.ends_at(certificates(settings.http.tls))
        if self._server is not None:
            self._server.exchange(http_address(settings).tls)

    def stop(self, deadline: float) -> None:
        """Finish the requests under way."""
        if self._server is not None:
            self._server.stop(time_left(deadline))

    def trouble(self) -> str | None:
        """Say that nobody is answered, if so."""
        well = self._server is not None and self._server.listening
        return None if well else NOT_LISTENING

    def doubt(self) -> str | None:
        """Say that the certificate that it shows ends soon, if so."""
        return tls.doubt(self._ends_at, self._parts.clock())


def _bound(section: str, host: str, port: int, start: Callable[[], int]) -> int:
    try:
        return start()
    except OSError as error:
        raise unbound(f"{section}.port", host, port, error) from error


def unbound(key: str, host: str, port: int, error: OSError) -> SettingsInvalid:
    """Say why nobody can listen there."""
    why = error.strerror or str(error)
    if error.errno == errno.EACCES:
        why += ": ports below 1024 need CAP_NET_BIND_SERVICE"
    return SettingsInvalid(f"{key}: {host}:{port}: {why}")


def _tell_listening(what: str, host: str, port: int) -> None:
    logger.info(
        "Listening as %s on %s:%d.", what, host, port, extra={"action": "listen"}
    )
