"""The node: its services, in order.

HTTP starts first, so that health answers while the model loads, and what accepts images
starts last; the end goes the other way round, so that nothing is accepted that nobody
keeps.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import inf
from time import monotonic
from types import TracebackType
from typing import Self

from dicom_node.monitoring.audit import occasions
from dicom_node.monitoring.audit.message import AuditMessage
from dicom_node.monitoring.audit.occasions import Caller
from dicom_node.node.health import conditions, doubts
from dicom_node.node.parts import Parts
from dicom_node.node.reload import merged, try_out
from dicom_node.node.roles import Role
from dicom_node.node.service import Reloads, Service
from dicom_node.node.services.deliveries import DeliveryService
from dicom_node.node.services.listeners import DimseService, HttpService
from dicom_node.node.services.loops import Loops
from dicom_node.node.services.monitoring import monitoring_services
from dicom_node.node.services.outbox import outbox_services
from dicom_node.node.services.timers import TimerService
from dicom_node.node.services.work import WorkService
from dicom_node.node.services.worklist import worklist_services
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.delivery import destinations
from dicom_node.node.wiring.parts import open_parts
from storage.errors import StorageError
from storage.outbox import deliveries

logger = logging.getLogger(__name__)

REMIND_S = 86_400.0


class Node:
    """The running node.

    Parameters
    ----------
    settings
        Everything a site chose.
    role
        Which parts run in this process.
    open_parts
        Opens what the services work with.
    """

    def __init__(
        self,
        settings: Settings,
        role: Role = Role.ALL,
        open_parts: Callable[[Settings], Parts] = open_parts,
    ) -> None:
        self._settings = settings
        self._role = role
        self._open_parts = open_parts
        self._parts: Parts | None = None
        self._started: list[Service] = []
        self._ready = False
        self._told: dict[str, tuple[float, str]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start every service of the role, or none."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        self._ready = True
        self._audit(occasions.started(self._settings.node.ae_title))
        logger.info("The node is ready.", extra={"action": "start"})

    def reload(self, wanted: Settings) -> tuple[str, ...]:
        """Take over what may change while the node runs.

        Parameters
        ----------
        wanted
            The configuration of now.

        Returns
        -------
            The keys whose new values wait for a restart.

        Raises
        ------
        SettingsInvalid
            It cannot be used; nothing has changed.
        """
        if self._parts is None:
            return ()
        settings, waiting = merged(self._settings, wanted)
        try_out(settings)
        self._settings = settings
        self._parts = replace(self._parts, destinations=destinations(settings))
        for service in self._started:
            if isinstance(service, Reloads):
                service.reload(settings, self._parts)
        if self._includes(DeliveryService.role):
            _tell_abandoned(settings, self._parts)
        self._audit(
            occasions.configured(
                Caller("operator"), settings.node.ae_title, "configuration read again"
            )
        )
        return waiting

    def remind(self) -> None:
        """Log what somebody should look at, once a day and when it is new."""
        for name, doubt in doubts(self._started).items():
            told_at, said = self._told.get(name, (-inf, ""))
            if said != doubt or monotonic() - told_at > REMIND_S:
                self._told[name] = monotonic(), doubt
                logger.warning("%s: %s.", name, doubt, extra={"action": "remind"})

    def stop(self) -> None:
        """Finish what runs, within ``node.stop_s``, and stop in reverse order."""
        if self._ready:
            self._audit(occasions.stopped(self._settings.node.ae_title))
        self._ready = False
        deadline = monotonic() + self._settings.node.stop_s
        while self._started:
            self._started.pop().stop(deadline)
        if self._parts is not None:
            _let_go(self._parts)
            self._parts.database.close()
            self._parts = None

    @property
    def dimse_port(self) -> int | None:
        """Where DIMSE is spoken, if it is."""
        return self._port(DimseService)

    @property
    def http_port(self) -> int | None:
        """Where HTTP is spoken, if it is."""
        return self._port(HttpService)

    def _start(self) -> None:
        self._parts = parts = self._open_parts(self._settings)
        told = partial(self._conditions, parts)
        doubted = partial(doubts, self._started)
        for service in services(self._settings, parts, told, doubted):
            if self._runs(service):
                # First, so that health tells of a start that takes its time, and a
                # start that fails is ended.
                self._started.append(service)
                service.start()
        if self._includes(DeliveryService.role):
            _tell_abandoned(self._settings, parts)

    def _audit(self, message: AuditMessage) -> None:
        if self._parts is not None:
            self._parts.audit.record(message)

    def _conditions(self, parts: Parts) -> Mapping[str, str | None]:
        """Say what is wrong; a look that fails is an answer, too."""
        found = {} if self._ready else {"start": "the node is starting or stopping"}
        try:
            return conditions(parts, self._started) | found
        except Exception as error:  # noqa: BLE001  whoever asks wants to hear just that
            return {"health": f"it cannot be told ({type(error).__name__})"} | found

    def _runs(self, service: Service) -> bool:
        """Whether this process runs it; who delivers is woken by the clock, too."""
        by_clock = isinstance(service, TimerService) and self._role is Role.DELIVER
        return by_clock or self._includes(service.role)

    def _includes(self, part: Role) -> bool:
        apart = self._settings.delivery.separate
        return self._role.includes(part, delivers_apart=apart)

    def _port(self, kind: type[DimseService | HttpService]) -> int | None:
        ports = (one.port for one in self._started if isinstance(one, kind))
        return next(ports, None)


def services(
    settings: Settings,
    parts: Parts,
    conditions: Callable[[], Mapping[str, str | None]],
    doubts: Callable[[], Mapping[str, str]],
) -> tuple[Service, ...]:
    """List all services, in the order in which they start."""
    loops = Loops(parts.database)
    return (
        HttpService(settings, parts, conditions, doubts),
        WorkService(settings, parts, loops),
        DeliveryService(settings, parts, loops),
        *outbox_services(settings, parts, loops),
        *worklist_services(settings, parts, loops),
        *monitoring_services(settings, parts, loops),
        TimerService(settings, parts, loops.wake),
        DimseService(settings, parts),
    )


def _let_go(parts: Parts) -> None:
    """Raise the mark: a copy of the database taken until now is an older one."""
    try:
        parts.bond.keep_up()
    except StorageError as error:
        logger.warning(
            "The mark of the store was not raised: %s.", error, extra={"action": "stop"}
        )


def _tell_abandoned(settings: Settings, parts: Parts) -> None:
    with parts.database.transaction(read_only=True) as tx:
        waiting = deliveries.destinations_due(tx, parts.clock())
    for name in sorted(waiting - {section.name for section in settings.destinations}):
        logger.warning(
            "Results wait for a destination that is not configured any more.",
            extra={"action": "start", "destination": name},
        )
