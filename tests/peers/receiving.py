"""The receiving half of the node for tests: real store, database and sockets."""

import struct
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.dataset.part10 import Arriving
from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.services.storage import StorageSCP
from dicom_node.dimse.services.storage_commitment import StorageCommitmentService
from dicom_node.dimse.services.verification import VerificationSCP
from dicom_node.phantom.dataset import synthetic_dataset
from dicom_node.worklist.commitment import CommitmentPatience, Commitments
from dicom_node.worklist.commitment_requests import (
    CalledBack,
    CommitmentRequests,
    ReportingPatience,
)
from dicom_node.worklist.eligibility import EligibilityRules
from dicom_node.worklist.reception import Reception
from dicom_node.worklist.retry import BackOff
from storage.catalog import instances, quarantine
from storage.database import Database
from storage.errors import UnknownRecord
from storage.objects.files import FileObjectStore
from storage.records import Instance, ProcedureStepState, Workitem
from storage.worklist import jobs, workitems
from tests.factories.choices import dimse_config
from tests.factories.choices import rules as eligibility_rules

NODE = "CXR_NODE"
MODALITY = "MODALITY1"
# Longer than anything takes on the busiest machine: only a defect waits so long.
PATIENT = Timeouts(connection_s=180, association_s=180, message_s=180, network_s=180)
MAXIMUM_OBJECT_BYTES = 1 << 29
RULES = eligibility_rules(minimum_size_px=16)


@dataclass
class Receiver:
    """A reception and what stands behind it."""

    store: FileObjectStore
    database: Database
    reception: Reception
    folder: Path

    def instance(self, sop_instance_uid: str) -> Instance:
        with self.database.transaction() as tx:
            return instances.get_instance(tx, sop_instance_uid)

    def knows(self, sop_instance_uid: str) -> bool:
        try:
            self.instance(sop_instance_uid)
        except UnknownRecord:
            return False
        return True

    def workitem(self, sop_instance_uid: str) -> Workitem | None:
        with self.database.transaction() as tx:
            return workitems.find(tx, sop_instance_uid)

    def queued(self) -> int:
        """Count the Workitems that wait."""
        with self.database.transaction() as tx:
            return jobs.counts(tx)[ProcedureStepState.SCHEDULED]

    def quarantined(self) -> list[Any]:
        with self.database.transaction() as tx:
            return quarantine.list_quarantined(tx)

    def stored(self, sop_instance_uid: str) -> bytes:
        with self.store.open(self.instance(sop_instance_uid).object_key) as stream:
            return stream.read()

    def half_written(self) -> list[Path]:
        return list((self.folder / "objects" / "incoming").iterdir())


@dataclass
class Listening:
    """A receiver that listens."""

    receiver: Receiver
    entity: ApplicationEntity
    port: int

    @property
    def remote(self) -> RemoteAE:
        return RemoteAE(NODE, "127.0.0.1", self.port)


@contextmanager
def receiver(
    folder: Path, *, rules: EligibilityRules = RULES, watermark_bytes: int = 0
) -> Iterator[Receiver]:
    (folder / "node.db").write_bytes(_migrated())
    database = Database(f"sqlite:///{folder / 'node.db'}")
    store = FileObjectStore(folder / "objects", watermark_bytes=watermark_bytes)
    reception = Reception(store, database, rules, _now, _new_uid)
    try:
        yield Receiver(store, database, reception, folder)
    finally:
        database.close()


def commitment_service(
    behind: Receiver,
    modality_port: int | None = None,
    clock: Callable[[], datetime] | None = None,
) -> StorageCommitmentService:
    """Storage Commitment over what a receiver holds; the modality may have a port."""
    return StorageCommitmentService(
        commitment_requests(behind, modality_port, clock),
        Commitments(
            behind.database,
            {},
            CommitmentPatience(BackOff(), report_s=60, tries=1, listen_s=0),
            clock or _now,
            _new_uid,
        ),
    )


def commitment_requests(
    behind: Receiver,
    modality_port: int | None = None,
    clock: Callable[[], datetime] | None = None,
) -> CommitmentRequests:
    """What takes a modality's requests, and reports to it on its port."""
    remotes = {}
    if modality_port is not None:
        remotes[MODALITY] = lambda host: RemoteAE(MODALITY, host, modality_port)
    patience = ReportingPatience(60.0, BackOff(30, 1800, lambda: 0.5), 7 * 86_400.0)
    called = CalledBack(remotes, PATIENT)
    return CommitmentRequests(
        behind.database, behind.store, called, patience, clock or _now
    )


@contextmanager
def listening(
    folder: Path,
    *,
    watermark_bytes: int = 0,
    maximum_object_bytes: int = MAXIMUM_OBJECT_BYTES,
    **config: Any,
) -> Iterator[Listening]:
    config.setdefault("accept_unknown_peers", True)
    with receiver(folder, watermark_bytes=watermark_bytes) as behind:
        storage = StorageSCP(behind.reception, maximum_object_bytes)
        entity = ApplicationEntity(
            dimse_config(NODE, **config), [VerificationSCP(), storage]
        )
        port = entity.start()
        try:
            yield Listening(behind, entity, port)
        finally:
            entity.stop(drain_s=0)


def radiograph(
    number: int = 1,
    kind: str = "CR",
    transfer_syntax: str = ExplicitVRLittleEndian,
    **overrides: object,
) -> Dataset:
    """Make a small eligible radiograph; compressed pixel data are only framed."""
    dataset = synthetic_dataset(kind, number, rows=32, columns=32, **overrides)
    if UID(transfer_syntax).is_encapsulated:
        frame = bytes(range(256)) * 4
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    return dataset


def arriving_of(dataset: Dataset, calling_ae: str = MODALITY) -> Arriving:
    """Say of a data set what a request says."""
    return Arriving(
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
        calling_ae=calling_ae,
        called_ae=NODE,
    )


def encoded(dataset: Dataset) -> bytes:
    """Encode a data set as it goes over an association."""
    file = written(dataset)
    (length,) = struct.unpack("<I", file[140:144])
    return file[144 + length :]


def written(dataset: Dataset) -> bytes:
    """Encode a data set as a Part 10 file."""
    out = BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


@cache
def _migrated() -> bytes:
    """Migrate an empty database once; it takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "node.db"
        database = Database(f"sqlite:///{file}")
        database.migrate()
        database.close()
        return file.read_bytes()


def _now() -> datetime:
    return datetime.now(UTC)


def _new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"
