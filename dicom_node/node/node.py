"""Composition root: settings become objects, which start and stop in order.

Nothing else happens here. Start: store, database, model, worker, deliverers, timers,
listeners; stop: the other way round, so that nothing is accepted that nobody keeps.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Self

from dicom_node.analysis.process import Analyzer
from dicom_node.analysis.worker import Worker
from dicom_node.delivery.deliverer import Deliverer
from dicom_node.delivery.destination import Destination
from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.errors import SettingsInvalid
from dicom_node.injected import clock, new_uid
from dicom_node.node import maintenance
from dicom_node.node.maintenance import Maintenance, Timer
from dicom_node.node.roles import Role
from dicom_node.node.settings.destinations import DestinationSection
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.analysis import evidence_kinds, worker_options
from dicom_node.node.wiring.delivery import dimse_destination, patience, routes
from dicom_node.node.wiring.dimse import dimse_config
from dicom_node.node.wiring.evidence import evidence_context
from dicom_node.node.wiring.model import make_runner
from dicom_node.node.wiring.reception import eligibility_rules, explains
from dicom_node.node.wiring.storage import make_database, retention
from dicom_node.node.wiring.web import http_address
from dicom_node.web.api.app import AdminServices, create_app
from dicom_node.web.server import HttpServer
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.reception import Reception
from inference.runners.runner import ModelRunner
from storage.database import Database
from storage.errors import StorageError
from storage.objects.files import FileObjectStore, ObjectStore
from storage.outbox import deliveries
from storage.signals import Topic, Watch
from storage.worklist import workitems

logger = logging.getLogger(__name__)


class Node:
    """The running node.

    Parameters
    ----------
    settings
        Everything a site chose.
    role
        Which parts run in this process.
    """

    def __init__(self, settings: Settings, role: Role = Role.ALL) -> None:
        self._settings = settings
        self._role = role
        self._stop = threading.Event()
        self._watches: list[Watch] = []
        self._threads: list[threading.Thread] = []
        self._undo: list[Callable[[], None]] = []
        self._checks: dict[str, Callable[[], str | None]] = {}
        self._deadline = 0.0
        self.dimse_port: int | None = None
        self.http_port: int | None = None

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
        """Start every part of the role, or none."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        logger.info("The node is ready.", extra={"action": "start"})

    def stop(self) -> None:
        """Finish what runs, within ``node.stop_s``, and stop in reverse order."""
        self._deadline = monotonic() + self._settings.node.stop_s
        while self._undo:
            self._undo.pop()()

    def open_store(self) -> ObjectStore:
        """Open the object store, and clear away what a crash left half-written."""
        section = self._settings.node
        store = FileObjectStore(
            section.data_dir, watermark_bytes=section.minimum_free_bytes
        )
        store.sweep()
        return store

    def open_database(self) -> Database:
        """Open the database; the embedded one is brought to the current schema."""
        database = make_database(self._settings)
        if database.dialect == "sqlite":
            database.migrate()
        else:
            database.check_schema()
        return database

    def open_steps(self, database: Database) -> ProcedureSteps:
        """Open the worklist."""
        return ProcedureSteps(database, clock=clock, new_uid=new_uid)

    def open_reception(self, store: ObjectStore, database: Database) -> Reception:
        """Open the door for images."""
        return Reception(
            store,
            database,
            eligibility_rules(self._settings),
            clock,
            new_uid,
            explains=explains(self._settings),
        )

    def open_runner(self) -> ModelRunner:
        """Load the model."""
        runner = make_runner(self._settings)
        runner.load()
        return runner

    def open_destination(self, section: DestinationSection) -> Destination:
        """Make the way to a receiver; one line for each kind."""
        return dimse_destination(self._settings, section)

    def _start(self) -> None:
        self._store = self.open_store()
        self._database = self.open_database()
        self._undo.append(self._database.close)
        self._steps = self.open_steps(self._database)
        self._checks |= {"database": self._check_database, "disk": self._check_disk}
        if self._role.includes(Role.WEB):
            self._start_http()
        if self._role.includes(Role.WORK):
            self._start_work()
        if self._role.includes(Role.RECEIVE):
            self._start_dimse()

    def _start_work(self) -> None:
        settings = self._settings
        self._checks["worker"] = lambda: "the model is being loaded"
        runner = self.open_runner()
        self._undo.append(runner.close)
        wanted = routes(settings)
        context = evidence_context(settings, runner.manifest)
        rules = eligibility_rules(settings)
        analyzer = Analyzer(runner, rules, context, evidence_kinds(settings))
        options = worker_options(settings)
        worker = Worker(self._steps, self._store, analyzer, wanted, options)
        self._undo.append(self._join)
        thread = self._run("worker", worker.run, Topic.WORK)
        self._checks["worker"] = lambda: None if thread.is_alive() else "it ended"
        self._start_delivery()
        timers = Maintenance(self._timers(), clock)
        timers.start()
        self._undo.append(timers.stop)

    def _start_delivery(self) -> None:
        sections = self._settings.destinations
        for route, section in zip(routes(self._settings), sections, strict=True):
            deliverer = Deliverer(
                route,
                self.open_destination(section),
                self._database,
                self._store,
                patience=patience(self._settings),
                clock=clock,
            )
            self._run(f"deliver-{route.destination}", deliverer.run, Topic.DELIVERY)
        with self._database.transaction(read_only=True) as tx:
            waiting = deliveries.destinations_due(tx, clock())
        for name in sorted(waiting - {section.name for section in sections}):
            logger.warning(
                "Results wait for a destination that is not configured any more.",
                extra={"action": "start", "destination": name},
            )

    def _run(
        self,
        name: str,
        target: Callable[[threading.Event, Watch], None],
        topic: Topic,
    ) -> threading.Thread:
        watch = self._database.watch(topic)
        thread = threading.Thread(
            target=target, args=(self._stop, watch), name=name, daemon=True
        )
        self._watches.append(watch)
        self._threads.append(thread)
        thread.start()
        return thread

    def _join(self) -> None:
        """Let worker and deliverers finish; what does not is tried again later."""
        self._stop.set()
        self._wake()
        for thread in self._threads:
            thread.join(self._time_left())
            if thread.is_alive():
                logger.warning(
                    "The %s did not finish in time; its work starts again later.",
                    thread.name,
                    extra={"action": "stop"},
                )

    def _time_left(self) -> float:
        return max(0.1, self._deadline - monotonic())

    def _wake(self) -> None:
        for watch in self._watches:
            watch.notify()

    def _timers(self) -> list[Timer]:
        database, store = self._database, self._store
        section = self._settings.worker
        periods = retention(self._settings)

        def retain() -> None:
            maintenance.retain(database, store, periods, clock)

        def sweep() -> None:
            maintenance.sweep(database, store, clock)

        return [
            Timer("poll", section.poll_s, self._wake),
            Timer(
                "reap",
                min(section.poll_s, section.lease_s / 2),
                partial(maintenance.reap, database, clock),
            ),
            Timer(
                "deliver",
                section.poll_s,
                partial(maintenance.complete, database, clock),
            ),
            Timer("retain", maintenance.RETENTION_EVERY_S, retain),
            Timer("sweep", maintenance.SWEEP_EVERY_S, sweep),
        ]

    def _start_dimse(self) -> None:
        section = self._settings.dimse
        reception = self.open_reception(self._store, self._database)
        entity = ApplicationEntity(dimse_config(self._settings), reception)
        self.dimse_port = _bound("dimse", section.host, section.port, entity.start)
        # Half the time is for who is still sending, half for what is being analysed.
        self._undo.append(lambda: entity.stop(self._time_left() / 2))
        self._checks["dimse"] = lambda: None if entity.listening else "not listening"
        _tell_listening(self._settings.node.ae_title, section.host, self.dimse_port)

    def _start_http(self) -> None:
        section = self._settings.http
        keys = [key.get_secret_value() for key in section.auth.api_keys]
        services = AdminServices(self._database, self._steps, self._checks, keys)
        server = HttpServer(create_app(services, clock), http_address(self._settings))
        self._undo.append(lambda: server.stop(self._time_left()))
        self.http_port = _bound("http", section.host, section.port, server.start)
        _tell_listening("HTTP", section.host, self.http_port)

    def _check_database(self) -> str | None:
        try:
            with self._database.transaction(read_only=True) as tx:
                workitems.counts(tx)
        except StorageError as error:
            return str(error)
        return None

    def _check_disk(self) -> str | None:
        free = self._store.free_bytes()
        return None if free > 0 else "free space is below node.minimum_free_bytes"


def _bound(section: str, host: str, port: int, start: Callable[[], int]) -> int:
    try:
        return start()
    except OSError as error:
        place = f"{section}.port: {host}:{port}"
        raise SettingsInvalid(f"{place}: {error.strerror or error}") from error


def _tell_listening(what: str, host: str, port: int) -> None:
    logger.info(
        "Listening as %s on %s:%d.", what, host, port, extra={"action": "listen"}
    )
