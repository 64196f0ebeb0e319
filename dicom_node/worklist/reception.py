"""The one door for images, whether they come by C-STORE or STOW-RS.

When ``receive`` returns, the object is on disk and one commit holds its Instance
with a Workitem, or with the coded reason why there is none; only then may the
sender be told Success (DICOM PS3.4 B.2.3). The bytes stay as they were sent.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)

from dicom_node.dataset.acquisition import acquired_at
from dicom_node.dataset.forms.description import describe
from dicom_node.dataset.header import (
    DEFAULT_LIMITS,
    HeaderLimits,
    read_header,
    skip_file_meta,
)
from dicom_node.dataset.part10 import Arriving, read_file_meta
from dicom_node.dataset.quiet import UNREADABLE, quiet
from dicom_node.errors import DatasetInvalid, DatasetMismatch, NotEligible
from dicom_node.worklist import eligibility
from dicom_node.worklist.eligibility import EligibilityRules
from dicom_node.worklist.titles import FETCHED, NO_TITLES, Title, Titles
from storage.catalog import instances, quarantine
from storage.database import Database, Transaction
from storage.errors import DuplicateInstance, ObjectMissing
from storage.objects.protocol import Incoming, ObjectStore, StoredObject
from storage.records import (
    Cause,
    Instance,
    ProcedureStepState,
    Reason,
    Stage,
    Workitem,
)
from storage.worklist import fetches, history, prior_searches, workitems

logger = logging.getLogger(__name__)
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_LENGTH = 64
_RADIOGRAPHS = frozenset(
    {
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
    }
)
_COMPARE_BYTES = 1 << 20

OWN_RESULT = Reason("OWN_RESULT", "This object is a result of this node.", Cause.IMAGE)


class Custody(StrEnum):
    """What became of a received object."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The durable outcome of one object.

    Parameters
    ----------
    custody
        ``DUPLICATE``: the very same object is here already. ``QUARANTINED``: its
        UID is here already, with other bytes; the first stays, the second is kept
        aside for an administrator.
    not_eligible
        Why it will not be analysed, if so.
    study_instance_uid, series_instance_uid
        Where the object stands.
    """

    custody: Custody
    not_eligible: Reason | None = None
    study_instance_uid: str = field(default="", compare=False)
    series_instance_uid: str = field(default="", compare=False)


class Reception:
    """Takes objects in.

    Parameters
    ----------
    store
        Where the bytes go.
    database
        Where Instance and Workitem go.
    rules
        Which images are analysed.
    clock
        The time, aware UTC.
    new_uid
        Makes Workitem UIDs.
    explains
        Whether an awaited image that is not eligible is queued all the same: the
        worker then reports why it is not analysed.
    titles
        What holds in place of the rules, and how urgent an image is, by the title
        that it was sent to.
    prior_wait
        How long an image waits for the patient's earlier film, where none is here;
        ``None`` where nobody looks for one.
    """

    def __init__(  # noqa: PLR0913  the composition root passes all of them
        self,
        store: ObjectStore,
        database: Database,
        rules: EligibilityRules,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
        limits: HeaderLimits = DEFAULT_LIMITS,
        *,
        explains: bool = False,
        titles: Titles = NO_TITLES,
        prior_wait: timedelta | None = None,
    ) -> None:
        self._store = store
        self._database = database
        self._usual = Title(rules)
        self._titles = titles
        self._clock = clock
        self._new_uid = new_uid
        self._limits = limits
        self._prior_wait = prior_wait
        self.explains = explains

    def incoming(self) -> Incoming:
        """Open a writer for an object; its Part 10 header goes first.

        Raises
        ------
        StoreFull
            There is no room.
        """
        return self._store.incoming()

    def receive(self, incoming: Incoming, arriving: Arriving) -> Receipt:
        """Make an object durable and queue it, or say why it is not analysed.

        Parameters
        ----------
        incoming
            A complete Part 10 file; used up in any case.
        arriving
            What the request says of it.

        Raises
        ------
        DatasetInvalid
            The bytes are not a readable data set.
        DatasetMismatch
            The data set is of another class or instance than the request.
        StoreFull, DatabaseUnavailable
            Nothing was accepted; the sender may try again.
        """
        try:
            with incoming.open() as stream:
                skip_file_meta(stream)
                instance = self._examine(stream, arriving)
            own = self._own_result(incoming, instance, arriving)
            stored = own or incoming.commit()
        except BaseException:
            incoming.abort()
            raise
        if own is not None:
            incoming.abort()
            instance = replace(instance, not_eligible=OWN_RESULT)
        asked = self._title(arriving).priority
        priority = arriving.priority if asked is None else asked
        kept = _kept(instance, stored, self._clock())
        return replace(
            self._record(kept, stored, priority),
            study_instance_uid=instance.study_instance_uid,
            series_instance_uid=instance.series_instance_uid,
        )

    def adopt(
        self, stored: StoredObject, received_at: datetime, priority: int
    ) -> Receipt:
        """Record an object that lies in the store and that the database lost.

        The same way in as for what arrives, from the header on; File Meta Information
        says what the request said.

        Parameters
        ----------
        stored
            The object.
        received_at
            When it came.
        priority
            Of its Workitem, if it gets one.

        Raises
        ------
        DatasetInvalid, DatasetMismatch
            It is nothing that was received here.
        """
        with self._store.open(stored.key) as stream:
            arriving = read_file_meta(stream)
            instance = self._examine(stream, arriving)
        instance = _kept(instance, stored, received_at)
        return self._record(instance, stored, priority, is_new=False)

    def _examine(self, stream: BinaryIO, arriving: Arriving) -> Instance:
        """Read a header: what the catalogue holds of it, and why it is not analysed."""
        header = read_header(stream, arriving.transfer_syntax_uid, self._limits)
        with quiet():
            _check_identity(header, arriving)
            instance = _describe(header)
        return replace(
            instance,
            transfer_syntax_uid=arriving.transfer_syntax_uid,
            calling_ae=arriving.calling_ae,
            called_ae=arriving.called_ae,
            not_eligible=self._not_eligible(header, self._title(arriving).rules),
            description=describe(header, arriving.transfer_syntax_uid),
        )

    def _own_result(
        self, incoming: Incoming, instance: Instance, arriving: Arriving
    ) -> StoredObject | None:
        """Find a result of this node that has come back unchanged.

        Success may be answered for it without keeping a second copy: the data set
        was compared byte by byte with what is stored.
        """
        if instance.sop_class_uid in _RADIOGRAPHS:
            return None
        with self._database.transaction(read_only=True) as tx:
            made = instances.find_own_result(tx, instance.sop_instance_uid)
        if made is None:
            return None
        try:
            stored = self._store.open(made.key)
        except ObjectMissing:
            return None
        with stored, incoming.open() as arrived:
            if _transfer_syntax(stored) != arriving.transfer_syntax_uid:
                return None
            skip_file_meta(stored)
            skip_file_meta(arrived)
            return made if _same_rest(stored, arrived) else None

    def _title(self, arriving: Arriving) -> Title:
        return self._titles.get(arriving.called_ae, self._usual)

    def _not_eligible(self, header: Dataset, rules: EligibilityRules) -> Reason | None:
        try:
            eligibility.check(header, rules)
        except NotEligible as refusal:
            if self.explains and eligibility.is_awaited(header, rules):
                return None
            return Reason(refusal.code, refusal.text, Cause.IMAGE)
        except UNREADABLE as error:
            raise DatasetInvalid("a value in the header is malformed") from error
        return None

    def _record(
        self,
        instance: Instance,
        stored: StoredObject,
        priority: int = 0,
        *,
        is_new: bool = True,
    ) -> Receipt:
        try:
            with self._database.transaction() as tx:
                instance, is_added = self._enqueue(tx, instance, priority)
        except DuplicateInstance:
            return self._settle_duplicate(instance, stored, is_new=is_new)
        if not is_added:
            if is_new:
                _tell_duplicate(instance)
            return Receipt(Custody.DUPLICATE, instance.not_eligible)
        logger.info(
            "Received an image from %s." if is_new else "Adopted an image of %s.",
            instance.calling_ae,
            extra={
                "action": "receive" if is_new else "adopt",
                "instance": instance.sop_instance_uid,
            },
        )
        return Receipt(Custody.STORED, instance.not_eligible)

    def _enqueue(
        self, tx: Transaction, instance: Instance, priority: int
    ) -> tuple[Instance, bool]:
        # Whatever this node makes, it is no radiograph: one query less for those.
        if instance.sop_class_uid not in _RADIOGRAPHS and instances.is_own_result(
            tx, instance.sop_instance_uid
        ):
            instance = replace(instance, not_eligible=OWN_RESULT)
        fetch = fetches.under_way(tx, instance.study_instance_uid, instance.calling_ae)
        if fetch is not None:
            priority = fetches.BEHIND_ALL
            if not fetch.deliver:
                instance = replace(instance, called_ae=FETCHED)
        is_added = instances.add_instance(tx, instance)
        if is_added and instance.not_eligible is None:
            workitem = Workitem(
                workitem_uid=self._new_uid(),
                sop_instance_uid=instance.sop_instance_uid,
                state=ProcedureStepState.SCHEDULED,
                stage=Stage.QUEUED,
                scheduled_at=instance.received_at,
                priority=priority,
            )
            workitems.schedule(tx, workitem)
            if fetch is None and self._lacks_prior(tx, instance):
                until = instance.received_at + (self._prior_wait or timedelta())
                prior_searches.add(tx, workitem, until)
        return instance, is_added

    def _lacks_prior(self, tx: Transaction, film: Instance) -> bool:
        """Tell whether the patient's earlier film is to be looked for elsewhere."""
        if self._prior_wait is None or not film.patient_id:
            return False
        return not history.prior_jobs(tx, film)

    def _settle_duplicate(
        self, second: Instance, stored: StoredObject, *, is_new: bool
    ) -> Receipt:
        """Tell a second copy of the same data set from another object.

        Another sender, or another version of this node, writes another File Meta
        Information around the same bytes.
        """
        uid = second.sop_instance_uid
        with self._database.transaction(read_only=True) as tx:
            first = instances.get_instance(tx, uid)
        if self._same_dataset(first, second):
            # What is found is only reported: no guess of ours may cost the last copy.
            if is_new:
                with self._database.transaction() as tx:
                    instances.count_duplicate(tx, uid, second.received_at)
                self._store.delete(stored.key)
                _tell_duplicate(second)
            return Receipt(Custody.DUPLICATE, first.not_eligible)
        if first.not_eligible == OWN_RESULT and first.object_removed_at is not None:
            # Retention took our copy; nobody is in doubt about what this is.
            with self._database.transaction() as tx:
                instances.keep_anew(tx, second, stored)
            _tell_duplicate(second)
            return Receipt(Custody.DUPLICATE, OWN_RESULT)
        with self._database.transaction() as tx:
            quarantine.keep_apart(
                tx, uid, stored, second.calling_ae, second.received_at
            )
        logger.warning(
            "An object from %s has the UID of another one; it is in quarantine.",
            second.calling_ae,
            extra={"action": "quarantine", "instance": uid},
        )
        return Receipt(Custody.QUARANTINED)

    def _same_dataset(self, first: Instance, second: Instance) -> bool:
        if first.transfer_syntax_uid != second.transfer_syntax_uid:
            return False
        try:
            one = self._store.open(first.object_key)
        except ObjectMissing:  # retention took it; nobody can tell any more
            return False
        with one:
            try:
                other = self._store.open(second.object_key)
            except ObjectMissing:  # a twin, received meanwhile, was found the same
                return True
            with other:
                skip_file_meta(one)
                skip_file_meta(other)
                return _same_rest(one, other)


def _transfer_syntax(ours: BinaryIO) -> str:
    """Read how an object of our own is encoded, and go back to its beginning."""
    meta = dcmread(ours, stop_before_pixels=True, specific_tags=[]).file_meta
    ours.seek(0)
    return str(meta.TransferSyntaxUID)


def _tell_duplicate(instance: Instance) -> None:
    logger.info(
        "Received an image again from %s; the first is kept.",
        instance.calling_ae,
        extra={"action": "duplicate", "instance": instance.sop_instance_uid},
    )


def _same_rest(one: BinaryIO, other: BinaryIO) -> bool:
    while True:
        piece = one.read(_COMPARE_BYTES)
        if piece != other.read(_COMPARE_BYTES):
            return False
        if not piece:
            return True


def _kept(instance: Instance, stored: StoredObject, received_at: datetime) -> Instance:
    """Say of an Instance where its bytes lie, and since when."""
    return replace(
        instance,
        object_key=stored.key,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        received_at=received_at,
    )


def _check_identity(header: Dataset, arriving: Arriving) -> None:
    """Hold the data set against its request (PS3.4 B.2.3, status A900)."""
    if _uid(header, "SOPClassUID") != arriving.sop_class_uid:
        raise DatasetMismatch("the data set is of another SOP class than the request")
    if _uid(header, "SOPInstanceUID") != arriving.sop_instance_uid:
        raise DatasetMismatch("the data set is another instance than the request")
    if arriving.study_instance_uid not in {"", _uid(header, "StudyInstanceUID")}:
        raise DatasetMismatch("the data set is of another study than the request")


def _describe(header: Dataset) -> Instance:
    """Take from a header what the catalogue holds."""
    return Instance(
        sop_instance_uid=_uid(header, "SOPInstanceUID"),
        sop_class_uid=_uid(header, "SOPClassUID"),
        transfer_syntax_uid="",
        study_instance_uid=_uid(header, "StudyInstanceUID"),
        series_instance_uid=_uid(header, "SeriesInstanceUID"),
        object_key="",
        size_bytes=0,
        sha256="",
        received_at=datetime.min,  # noqa: DTZ901  replaced once the object is stored
        patient_id=_text(header, "PatientID"),
        accession_number=_text(header, "AccessionNumber"),
        modality=_text(header, "Modality"),
        issuer_of_patient_id=_text(header, "IssuerOfPatientID"),
        acquired_at=acquired_at(header),
    )


def _uid(header: Dataset, keyword: str) -> str:
    uid = _text(header, keyword)
    if len(uid) > _UID_LENGTH or not _UID.fullmatch(uid):
        raise DatasetInvalid(f"{keyword} is missing or not a UID")
    return uid


def _text(header: Dataset, keyword: str) -> str:
    try:
        value = header.get(keyword)
        # NUL is how some senders pad; a database may refuse it in a text.
        text = "" if value is None else str(value)
    except UNREADABLE as error:
        raise DatasetInvalid(f"{keyword} is malformed") from error
    return text.replace("\0", "").strip()
