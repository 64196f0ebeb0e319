"""A small PACS over real DIMSE that keeps what it gets and answers as told."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity

from dicom_node.node.conformance.statement import SENT_CLASSES

VERIFICATION = "1.2.840.10008.1.1"


class PACS:
    """Receives objects; a test may take classes or statuses away.

    Parameters
    ----------
    classes
        SOP classes that it accepts.
    status
        From a SOP Instance UID to the status of its C-STORE response.
    """

    def __init__(
        self,
        classes: Sequence[str] = SENT_CLASSES,
        status: Callable[[str], int] = lambda _: 0x0000,
    ) -> None:
        self._classes = classes
        self._status = status
        self._changed = threading.Condition()
        self.stores: list[tuple[str, bytes]] = []
        self.port = 0

    @contextmanager
    def listening(self, port: int = 0) -> Iterator[int]:
        """Listen on loopback for the length of a block."""
        _config.LOG_HANDLER_LEVEL = "none"
        entity = ApplicationEntity(ae_title="PACS")
        for sop_class in self._classes:
            entity.add_supported_context(
                sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
            )
        entity.add_supported_context(VERIFICATION)
        server: Any = entity.start_server(
            ("127.0.0.1", port),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, self._store)],
        )
        self.port = int(server.socket.getsockname()[1])
        try:
            yield self.port
        finally:
            server.shutdown()

    def _store(self, event: evt.Event) -> int:
        request: Any = event.request
        uid = str(request.AffectedSOPInstanceUID)
        status = self._status(uid)
        if status == 0x0000 or status >> 12 == 0xB:  # Success or Warning, PS3.7 C
            with self._changed:
                self.stores.append((uid, event.encoded_dataset()))
                self._changed.notify_all()
        return status

    def wait_for(self, count: int, timeout_s: float = 180.0) -> bool:
        """Wait until so many different objects are here."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.held) >= count, timeout_s)

    @property
    def held(self) -> dict[str, bytes]:
        """SOP Instance UID -> Part 10 bytes, as last stored."""
        return dict(self.stores)

    def datasets(self) -> list[Dataset]:
        return [dcmread(BytesIO(content)) for content in self.held.values()]
