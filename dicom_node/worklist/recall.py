"""Calls the results of a model back: a rejection note to everyone who has them.

One Key Object Selection per study (IHE RAD IOCM; DICOM PS3.3 A.35.4), recorded and
queued in one transaction per study, beside a node that runs. What was recalled before
stays as it is, so the same command may run again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Literal

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.dataset.forms.description import describe
from dicom_node.dataset.header import read_header, skip_file_meta
from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import codes
from dicom_node.evidence.encode import encode_rejection_note
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.maker import Maker, ModelIdentity, Style
from dicom_node.evidence.past import ObjectReference
from dicom_node.evidence.subject import Subject
from dicom_node.worklist import recall_record
from storage.database import Database, Transaction
from storage.errors import ObjectMissing
from storage.objects.protocol import ObjectStore
from storage.outbox import recalls
from storage.records import DeliveryState, Evidence, Job
from storage.worklist.jobs import jobs_by_model, studies_by_model

Cause = Literal["quality", "safety"]
TITLES = {
    "quality": codes.REJECTED_FOR_QUALITY,
    "safety": codes.REJECTED_FOR_SAFETY,
}
"""Why, as the note's title (CID 7011)."""


@dataclass(frozen=True, slots=True)
class RecalledStudy:
    """What of a study was called back, or would be.

    Parameters
    ----------
    workitem_uids
        Jobs whose results these are.
    objects
        SOP Instance UIDs that somebody has or may have.
    rejection_note_uids
        The notes that name them; none where nobody has anything, or in a preview.
    destinations
        Who has them, and the state of the note's delivery there, if there is one.
    """

    study_instance_uid: str
    workitem_uids: tuple[str, ...]
    objects: tuple[str, ...]
    rejection_note_uids: tuple[str, ...]
    destinations: Mapping[str, DeliveryState | None]


class Recall:
    """Recalls a model's results.

    Parameters
    ----------
    database, store
        Where the results are.
    maker_of
        From a model to who makes the note about it.
    style
        How the site wants results.
    clock
        Aware UTC.
    """

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        maker_of: Callable[[ModelIdentity], Maker],
        style: Style,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._maker_of = maker_of
        self._style = style
        self._clock = clock

    def list(self, name: str, version: str) -> "list[RecalledStudy]":
        """List the studies with results of a model, and how their recall stands."""
        with self._database.transaction(read_only=True) as tx:
            return [
                _listed(study, jobs_by_model(tx, name, version, study))
                for study in studies_by_model(tx, name, version)
            ]

    def run(self, name: str, version: str, cause: Cause) -> None:
        """Call back what is not called back yet; send again notes that failed."""
        with self._database.transaction(read_only=True) as tx:
            studies = studies_by_model(tx, name, version)
        for study in studies:
            with self._database.transaction() as tx:
                recalls.lock(tx, name, version, study)
                self._recall(tx, jobs_by_model(tx, name, version, study), cause)

    def _recall(self, tx: Transaction, jobs: Sequence[Job], cause: Cause) -> None:
        now = self._clock()
        for uid in _notes(jobs):
            recalls.send_again(tx, uid, now)
        fresh = [job for job in jobs if job.workitem.recalled_at is None]
        if not fresh:
            return
        held = _held(fresh)
        note = self._note(fresh, held, cause, now) if held else None
        recall_record.record(tx, fresh, note, _holders(fresh), cause, now)

    def _note(
        self, jobs: Sequence[Job], held: Sequence[Evidence], cause: Cause, now: datetime
    ) -> Evidence:
        """Encode and store the note about objects of one study."""
        said = jobs[0].workitem.model
        if said is None:  # they were looked up by it
            raise EvidenceInvalid("nobody knows which model gave these results")
        model = ModelIdentity(said.name, said.version, said.sha256)
        references = [_reference(one) for one in held]
        # Patient and study come from any object; the note is named after the first.
        example = self._example(jobs)
        example.SOPClassUID = references[0].sop_class_uid
        example.SOPInstanceUID = references[0].sop_instance_uid
        example.SeriesInstanceUID = references[0].series_instance_uid
        study = Subject.of_study(
            example,
            sha256="",
            created_at=now,
            maker=self._maker_of(model),
            style=self._style,
        )
        reason = f"Model {model.name} {model.version} is recalled."
        note = encode_rejection_note(study, references, reason, TITLES[cause])
        stored, dataset = self._store.put(BytesIO(note.content)), note.dataset
        return Evidence(
            sop_instance_uid=str(dataset.SOPInstanceUID),
            sop_class_uid=str(dataset.SOPClassUID),
            series_instance_uid=str(dataset.SeriesInstanceUID),
            study_instance_uid=str(dataset.StudyInstanceUID),
            workitem_uid=jobs[0].workitem.workitem_uid,
            kind=note.kind,
            object_key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            created_at=now,
            description=describe(dataset, str(dataset.file_meta.TransferSyntaxUID)),
        )

    def _example(self, jobs: Sequence[Job]) -> Dataset:
        """Read a header of the study: of a result, of an image, or what is known.

        Retention may have removed every object long ago; a recall comes late.
        """
        for one in (result for job in jobs for result in job.evidence):
            if one.object_removed_at is None:
                try:
                    with self._store.open(one.object_key) as stream:
                        return dcmread(stream, stop_before_pixels=True)
                except ObjectMissing:
                    continue
        for job in jobs:
            film = job.instance
            if film.object_removed_at is None:
                with self._store.open(film.object_key) as stream:
                    skip_file_meta(stream)
                    return read_header(stream, film.transfer_syntax_uid)
        film = jobs[0].instance
        known = Dataset()
        known.StudyInstanceUID = film.study_instance_uid
        known.PatientID = film.patient_id
        known.IssuerOfPatientID = film.issuer_of_patient_id
        known.AccessionNumber = film.accession_number
        return known


def _held(jobs: Sequence[Job]) -> list[Evidence]:
    """Pick the objects that somebody has or may have, each once."""
    reached = {
        row.sop_instance_uid
        for job in jobs
        for row in job.deliveries
        if recalls.may_be_held(row)
    }
    found = {
        one.sop_instance_uid: one
        for job in jobs
        for one in job.evidence
        if one.sop_instance_uid in reached and one.kind != EvidenceKind.REJECTION_NOTE
    }
    return [found[uid] for uid in sorted(found)]


def _holders(jobs: Sequence[Job]) -> list[str]:
    return sorted(
        {
            row.destination
            for job in jobs
            for row in job.deliveries
            if recalls.may_be_held(row)
        }
    )


def _notes(jobs: Sequence[Job]) -> list[str]:
    named = {job.workitem.rejection_note_uid for job in jobs}
    return sorted(uid for uid in named if uid is not None)


def _listed(study: str, jobs: Sequence[Job]) -> RecalledStudy:
    notes = _notes(jobs)
    states: dict[str, DeliveryState | None] = dict.fromkeys(_holders(jobs))
    for job in jobs:
        for row in job.deliveries:
            if row.sop_instance_uid in notes:
                states[row.destination] = row.state
    return RecalledStudy(
        study_instance_uid=study,
        workitem_uids=tuple(job.workitem.workitem_uid for job in jobs),
        objects=tuple(one.sop_instance_uid for one in _held(jobs)),
        rejection_note_uids=tuple(notes),
        destinations=states,
    )


def _reference(one: Evidence) -> ObjectReference:
    return ObjectReference(
        one.sop_class_uid,
        one.sop_instance_uid,
        one.series_instance_uid,
        one.study_instance_uid,
    )
