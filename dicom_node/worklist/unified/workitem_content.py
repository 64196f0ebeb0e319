"""A Workitem as a data set: this node's own are written, pushed ones are read.

DICOM PS3.4 Table CC.2.5-3 and PS3.3 C.30. What others wrote is data nobody vouches for:
it is kept as JSON that every database takes, with the VRs of the data dictionary.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID

from dicom_node.dataset.quiet import UNREADABLE, quiet
from dicom_node.dataset.values import as_list
from dicom_node.worklist.unified.workitem_rules import Fault, refuse
from storage.records import (
    Cause,
    DeliveryState,
    Evidence,
    Instance,
    Job,
    ProcedureStepState,
    Reason,
    Stage,
)
from storage.worklist.pushed import PushedInput, PushedWorkitem

UPS_PUSH = UID("1.2.840.10008.5.1.4.34.6.1")
"""Every Workitem is of this SOP class, however it is asked about (PS3.4 CC.3.1)."""

_PRIORITIES: Mapping[str, int] = {"HIGH": 1, "MEDIUM": 0, "LOW": -1}
_LABEL = "Chest radiograph analysis"
_DETECTION = Code("110004", "DCM", "Computer Aided Detection")
_DISCONTINUED: Mapping[Cause, Code] = {
    Cause.IMAGE: Code("110522", "DCM", "Object Types not supported"),
    Cause.FAILURE: Code("110501", "DCM", "Equipment failure"),
    Cause.REQUEST: Code("110513", "DCM", "Discontinued for unspecified reason"),
}
"""CID 9300."""
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_LENGTH = 64
_MOST_INPUTS = 1000
_DEPTH = 12
_UNSTORABLE = dict.fromkeys([0, *range(0xD800, 0xE000)])
_DELIVERED = (DeliveryState.SENT, DeliveryState.COMMITTED)
_ANALYSED_PERCENT = 50.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """How this node appears in its Workitems.

    Parameters
    ----------
    ae_title
        Its AE title, which is also the name of its station.
    retrieve_url
        Base of its WADO-RS, or empty.
    worklist_label
        Of Workitems that do not name another.
    titles
        Destination -> its AE title: results can be had there, too.
    """

    ae_title: str
    retrieve_url: str = ""
    worklist_label: str = "CXR"
    titles: Mapping[str, str] = field(default_factory=dict)


def is_uid(text: str) -> bool:
    """Tell whether a text can be a UID (PS3.5 section 9)."""
    return len(text) <= _UID_LENGTH and _UID.fullmatch(text) is not None


def to_json(content: Dataset) -> Json:
    """Write a data set as JSON that databases take: no NUL, no lone surrogate."""
    with quiet():
        written: Json = content.to_json_dict()
    cleaned: Json = _storable(written)
    return cleaned


def from_json(content: Mapping[str, Any]) -> Dataset:
    """Read back what :func:`to_json` wrote."""
    with quiet():
        return Dataset.from_json(dict(content))


def read_json(content: Any) -> Dataset:
    """Read a data set that somebody sent as JSON (PS3.18 F.2).

    Raises
    ------
    WorkitemRefused
        It is none.
    """
    if isinstance(content, list) and len(content) == 1:
        (content,) = content
    if not isinstance(content, dict):
        raise refuse(Fault.INVALID_VALUE, "The body is no data set.")
    _check_depth(content, _DEPTH)
    try:
        with quiet():
            read = Dataset.from_json(_storable(content))
            return checked(read)
    except UNREADABLE:
        raise refuse(Fault.INVALID_VALUE, "The body is no data set.") from None


def checked(content: Dataset) -> Dataset:
    """Check a data set of somebody else, to its last item; give it as it is kept.

    Raises
    ------
    WorkitemRefused
        Something in it cannot be kept; the attribute is named, not its value.
    """
    try:
        with quiet():
            _check_vrs(content)
            kept = Dataset.from_json(to_json(content))
            kept.SpecificCharacterSet = "ISO_IR 192"  # JSON has none other
            for element in kept.iterall():
                if element.VR == "UI" and not element.is_empty:
                    _check_uids(element.keyword, element.value)
    except UNREADABLE:
        raise refuse(Fault.INVALID_VALUE, "A value is malformed.") from None
    return kept


def _check_uids(keyword: str, value: Any) -> None:
    uids = [value] if isinstance(value, str) else list(value)
    if not all(is_uid(str(uid)) for uid in uids):
        raise refuse(Fault.INVALID_VALUE, keyword)


def _check_vrs(content: Dataset) -> None:
    for element in content:
        known = element.tag.group % 2 == 0 and dictionary_has_tag(element.tag)
        if known and element.VR not in dictionary_VR(element.tag):
            raise refuse(Fault.INVALID_VALUE, element.keyword)
        if element.VR == "SQ":
            for item in element.value or ():
                _check_vrs(item)


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise refuse(Fault.INVALID_VALUE, "Sequences are nested too deep.")
    for element in value.values() if isinstance(value, dict) else ():
        items = element.get("Value") if isinstance(element, dict) else None
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                _check_depth(item, left - 1)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_UNSTORABLE)
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        # What is empty has no Value (PS3.18 F.2.5).
        full = (pair for pair in value.items() if pair != ("Value", []))
        return {str(key): _storable(one) for key, one in full}
    return value


@quiet()
def named_inputs(content: Dataset, workitem_uid: str) -> list[PushedInput]:
    """List the images that a data set's Input Information Sequence names.

    Raises
    ------
    WorkitemRefused
        One is not named completely, or there are too many.
    """
    found: list[PushedInput] = []
    for item in content.get("InputInformationSequence") or ():
        study = str(item.get("StudyInstanceUID") or "")
        series = str(item.get("SeriesInstanceUID") or "")
        for reference in item.get("ReferencedSOPSequence") or ():
            uid = str(reference.get("ReferencedSOPInstanceUID") or "")
            if not (study and series and uid):
                raise refuse(Fault.MISSING_VALUE, "InputInformationSequence")
            url = _retrieve_url(item, study, series, uid)
            place = len(found) + 1
            title = _retrieve_ae(item)
            found.append(
                PushedInput(workitem_uid, place, uid, study, series, url, title)
            )
    if len(found) > _MOST_INPUTS:
        raise refuse(Fault.INVALID_VALUE, "InputInformationSequence")
    return found


def _retrieve_url(item: Dataset, study: str, series: str, uid: str) -> str | None:
    """Say where an image can be had; the URL may be of its study or its series."""
    for place in item.get("WADORSRetrievalSequence") or ():
        url = str(place.get("RetrieveURL") or "").strip().rstrip("/")
        if not url:
            continue
        if url.endswith(f"/studies/{study}"):
            url = f"{url}/series/{series}"
        if url.endswith(f"/series/{series}"):
            url = f"{url}/instances/{uid}"
        return url
    return None


def _retrieve_ae(item: Dataset) -> str | None:
    """Say who has an image; of several the first."""
    for place in item.get("DICOMRetrievalSequence") or ():
        titles = as_list(place.get("RetrieveAETitle"))
        if titles and str(titles[0]).strip():
            return str(titles[0]).strip()
    return None


def is_for(content: Dataset, station: str) -> bool:
    """Tell whether a Workitem is for a station: it names it, or none."""
    names = [
        str(item.get("CodeValue") or "")
        for item in content.get("ScheduledStationNameCodeSequence") or ()
    ]
    return not names or station in names


@quiet()
def pushed_dataset(item: PushedWorkitem) -> Dataset:
    """Write a pushed Workitem as it stands; its Transaction UID is nobody's to see."""
    content = from_json(item.content)
    content.SOPClassUID = UPS_PUSH
    content.SOPInstanceUID = item.workitem_uid
    content.ProcedureStepState = str(item.state)
    content.ScheduledProcedureStepModificationDateTime = date_time(item.modified_at)
    return content


@quiet()
def job_dataset(job: Job, place: Place) -> Dataset:
    """Write a job of this node as a Workitem."""
    item, film = job.workitem, job.instance
    content = Dataset()
    content.SpecificCharacterSet = "ISO_IR 192"
    content.SOPClassUID = UPS_PUSH
    content.SOPInstanceUID = item.workitem_uid
    content.ScheduledProcedureStepPriority = priority_term(item.priority)
    content.ProcedureStepLabel = _LABEL
    content.WorklistLabel = place.worklist_label
    content.ScheduledProcedureStepStartDateTime = date_time(item.scheduled_at)
    moments = (item.scheduled_at, item.started_at, item.analyzed_at, item.ended_at)
    latest = max(moment for moment in moments if moment is not None)
    content.ScheduledProcedureStepModificationDateTime = date_time(latest)
    content.ScheduledWorkitemCodeSequence = [coded(_DETECTION)]
    content.ScheduledStationNameCodeSequence = [station(place.ae_title)]
    content.InputReadinessState = "READY"
    content.InputInformationSequence = [_input_item(film, place)]
    content.StudyInstanceUID = film.study_instance_uid
    content.PatientID = film.patient_id
    content.IssuerOfPatientID = film.issuer_of_patient_id
    content.ReferencedRequestSequence = [_request(film)]
    content.ProcedureStepState = str(item.state)
    content.ProcedureStepProgressInformationSequence = [_job_progress(job)]
    content.UnifiedProcedureStepPerformedProcedureSequence = _job_performed(job, place)
    for keyword in _EMPTY_IN_JOBS:
        setattr(content, keyword, [] if keyword.endswith("Sequence") else "")
    return content


_EMPTY_IN_JOBS = (
    "ScheduledProcessingParametersSequence",
    "ScheduledStationClassCodeSequence",
    "ScheduledStationGeographicLocationCodeSequence",
    "CommentsOnTheScheduledProcedureStep",
    # The catalogue of images holds no more of a patient than the Patient ID.
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
    "AdmittingDiagnosesDescription",
    "AdmittingDiagnosesCodeSequence",
)


def job_percent(job: Job) -> float:
    """Say how far a job has come: analysed is half of it, delivered the rest."""
    if job.workitem.state is ProcedureStepState.COMPLETED:
        return 100.0
    if job.workitem.stage is not Stage.DELIVERING or not job.deliveries:
        return _ANALYSED_PERCENT if job.workitem.analyzed_at else 0.0
    sent = sum(one.state in _DELIVERED for one in job.deliveries)
    return _ANALYSED_PERCENT * (1 + sent / len(job.deliveries))


def progress(percent: float, text: str) -> Dataset:
    """Write an item of the Progress Information Sequence."""
    item = Dataset()
    item.ProcedureStepProgress = f"{percent:.0f}"
    item.ProcedureStepProgressDescription = text
    return item


@quiet()
def add_discontinuation(item: Dataset, reason: Reason, at: datetime) -> None:
    """Say in a Progress Information item why, and since when, nobody goes on."""
    item.ProcedureStepCancellationDateTime = date_time(at)
    item.ReasonForCancellation = f"{reason.code}: {reason.text}"
    item.ProcedureStepDiscontinuationReasonCodeSequence = [
        coded(_DISCONTINUED[reason.cause])
    ]


@quiet()
def performed(
    place: Place, started: datetime, ended: datetime | None, outputs: Sequence[Dataset]
) -> Dataset:
    """Write what this node did, as an item of the Performed Procedure Sequence."""
    item = Dataset()
    item.ActualHumanPerformersSequence = []
    item.PerformedStationNameCodeSequence = [station(place.ae_title)]
    item.PerformedStationClassCodeSequence = []
    item.PerformedStationGeographicLocationCodeSequence = []
    item.PerformedProcedureStepStartDateTime = date_time(started)
    item.PerformedWorkitemCodeSequence = [coded(_DETECTION)]
    if ended is not None:
        item.PerformedProcedureStepEndDateTime = date_time(ended)
    item.OutputInformationSequence = list(outputs)
    return item


@quiet()
def output_items(job: Job, place: Place) -> list[Dataset]:
    """Refer to the results of a job, series by series."""
    series: dict[str, list[Evidence]] = {}
    for one in job.evidence:
        series.setdefault(one.series_instance_uid, []).append(one)
    titles = {
        place.titles[one.destination]: None
        for one in job.deliveries
        if one.state in _DELIVERED and one.destination in place.titles
    }
    return [
        _reference(
            place,
            (found[0].study_instance_uid, uid),
            [(one.sop_class_uid, one.sop_instance_uid) for one in found],
            (place.ae_title, *titles),
        )
        for uid, found in series.items()
    ]


def priority_term(priority: int) -> str:
    """Say a priority of the queue in DICOM's word."""
    if priority == 0:
        return "MEDIUM"
    return "HIGH" if priority > 0 else "LOW"


def priority_of(content: Dataset) -> int:
    """Say DICOM's word in the number of the queue."""
    return _PRIORITIES.get(str(content.get("ScheduledProcedureStepPriority")), 0)


def date_time(at: datetime) -> str:
    """Write an instant as a DT value in UTC."""
    return at.strftime("%Y%m%d%H%M%S.%f+0000")


def coded(code: Code) -> Dataset:
    """Write a code as an item."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def station(ae_title: str) -> Dataset:
    """Write a station's name as a coded item."""
    return coded(Code(ae_title, "L", ae_title))


def _job_progress(job: Job) -> Dataset:
    item = job.workitem
    told = progress(job_percent(job), str(job.visible_state))
    if item.reason is not None and item.ended_at is not None:
        add_discontinuation(told, item.reason, item.ended_at)
    return told


def _job_performed(job: Job, place: Place) -> list[Dataset]:
    item = job.workitem
    if item.started_at is None:
        return []
    return [performed(place, item.started_at, item.ended_at, output_items(job, place))]


def _input_item(film: Instance, place: Place) -> Dataset:
    return _reference(
        place,
        (film.study_instance_uid, film.series_instance_uid),
        [(film.sop_class_uid, film.sop_instance_uid)],
        (place.ae_title,),
    )


def _reference(
    place: Place,
    whose: tuple[str, str],
    objects: Sequence[tuple[str, str]],
    titles: Sequence[str],
) -> Dataset:
    """Write an item of an Input or Output Information Sequence (PS3.3 10.19)."""
    study, series = whose
    item = Dataset()
    item.TypeOfInstances = "DICOM"
    item.StudyInstanceUID = study
    item.SeriesInstanceUID = series
    item.ReferencedSOPSequence = [_sop(*one) for one in objects]
    item.DICOMRetrievalSequence = list(_titles(titles))
    if place.retrieve_url:
        there = Dataset()
        base = place.retrieve_url.rstrip("/")
        there.RetrieveURL = f"{base}/studies/{study}/series/{series}"
        item.WADORSRetrievalSequence = [there]
    return item


def _titles(titles: Sequence[str]) -> Iterator[Dataset]:
    for title in titles:
        there = Dataset()
        there.RetrieveAETitle = title
        yield there


def _sop(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = uid
    return item


def _request(film: Instance) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = film.study_instance_uid
    item.AccessionNumber = film.accession_number
    item.IssuerOfAccessionNumberSequence = []
    item.RequestedProcedureID = ""
    item.RequestedProcedureDescription = ""
    item.RequestedProcedureCodeSequence = []
    item.ReasonForTheRequestedProcedure = ""
    item.RequestingService = ""
    return item
