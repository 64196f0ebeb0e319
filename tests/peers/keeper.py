"""The other side of Storage Commitment, by pynetdicom, with a will of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import _config, build_role, evt
from pynetdicom.ae import ApplicationEntity

CLASS, INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
Reference = tuple[str, str]


def request_of(transaction_uid: str, objects: list[Reference]) -> Dataset:
    dataset = Dataset()
    dataset.TransactionUID = transaction_uid
    dataset.ReferencedSOPSequence = [_item(one) for one in objects]
    return dataset


def report_of(
    transaction_uid: str,
    committed: list[Reference] = (),  # type: ignore[assignment]
    failed: dict[Reference, int] | None = None,
) -> Dataset:
    dataset = request_of(transaction_uid, list(committed))
    if failed:
        dataset.FailedSOPSequence = [_item(*one) for one in failed.items()]
    return dataset


class Keeper:
    """An archive that is asked, or a modality that asks.

    Parameters
    ----------
    status
        Of the answer to a request.
    at_once
        From a request to the report that follows on the same association, if any.
    offers
        Whether it takes the class at all.
    answer
        Status with which it answers reports.
    """

    def __init__(
        self,
        ae_title: str = "PACS",
        status: int = 0x0000,
        at_once: Callable[[Dataset], Dataset | None] = lambda _: None,
        *,
        offers: bool = True,
        answer: int = 0x0000,
    ) -> None:
        self.ae_title, self.status, self.at_once = ae_title, status, at_once
        self.offers, self.answer = offers, answer
        self.asked: list[Dataset] = []
        self.reports: list[tuple[int, Dataset, bool]] = []
        self.statuses: list[int | None] = []
        self._changed = threading.Condition()
        self.port = 0

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Listen on loopback for the length of a block."""
        _config.LOG_HANDLER_LEVEL = "none"
        entity = ApplicationEntity(ae_title=self.ae_title)
        entity.add_supported_context("1.2.840.10008.1.1")
        if self.offers:
            entity.add_supported_context(CLASS, scu_role=True, scp_role=True)
        handlers: Any = [
            (evt.EVT_N_ACTION, self._act),
            (evt.EVT_N_EVENT_REPORT, self._take),
        ]
        server: Any = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=handlers
        )
        self.port = int(server.socket.getsockname()[1])
        try:
            yield self.port
        finally:
            server.shutdown()

    def ask(
        self,
        port: int,
        dataset: Dataset,
        *,
        called: str = "CXR_NODE",
        stay: Callable[[], bool] = lambda: True,
    ) -> int | None:
        """Ask a node, stay until a condition holds, and tell its answer."""
        with self._associated(port, called) as association:
            status, _ = association.send_n_action(dataset, 1, CLASS, INSTANCE)
            with self._changed:
                self._changed.wait_for(stay, 60)
        return getattr(status, "Status", None)

    def report(
        self,
        port: int,
        dataset: Dataset,
        event_type: int = 1,
        *,
        calling: str | None = None,
        role: bool = True,
    ) -> int | None:
        """Report to a node on a new association, and tell its answer."""
        with self._associated(port, "CXR_NODE", calling, role=role) as association:
            status, _ = association.send_n_event_report(
                dataset, event_type, CLASS, INSTANCE
            )
        self.statuses.append(getattr(status, "Status", None))
        return self.statuses[-1]

    def wait_for_reports(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.reports) >= count, 60)

    @contextmanager
    def _associated(
        self, port: int, called: str, calling: str | None = None, *, role: bool = False
    ) -> Iterator[Any]:
        entity = ApplicationEntity(ae_title=calling or self.ae_title)
        entity.add_requested_context(CLASS)
        roles = [build_role(CLASS, scu_role=False, scp_role=True)] if role else []
        association: Any = entity.associate(
            "127.0.0.1",
            port,
            ae_title=called,
            ext_neg=roles,
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._take)],
        )
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def _act(self, event: evt.Event) -> tuple[int, None]:
        asked = event.action_information
        with self._changed:
            self.asked.append(asked)
            self._changed.notify_all()
        report = self.at_once(asked)
        if report is not None:
            threading.Thread(target=self._say, args=(event.assoc, report)).start()
        return self.status, None

    def _say(self, association: Any, report: Dataset) -> None:
        kind = 2 if "FailedSOPSequence" in report else 1
        status, _ = association.send_n_event_report(report, kind, CLASS, INSTANCE)
        self.statuses.append(getattr(status, "Status", None))

    def _take(self, event: evt.Event) -> tuple[int, None]:
        event_type: Any = event.request
        with self._changed:
            self.reports.append(
                (
                    event_type.EventTypeID,
                    event.event_information,
                    bool(event.assoc.is_requestor),
                )
            )
            self._changed.notify_all()
        return self.answer, None


def _item(one: Reference, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one
    if reason is not None:
        item.FailureReason = reason
    return item
