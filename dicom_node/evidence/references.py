"""How one object points to another: by study, series and instance (PS3.3 C.17.2)."""

from collections.abc import Sequence

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from dicom_node.evidence import codes
from dicom_node.evidence.past import ObjectReference


def hierarchical(references: Sequence[ObjectReference]) -> list[Dataset]:
    """Build Hierarchical SOP Instance Reference items (table C.17-3)."""
    studies: dict[str, dict[str, list[ObjectReference]]] = {}
    for reference in references:
        series = studies.setdefault(reference.study_instance_uid, {})
        series.setdefault(reference.series_instance_uid, []).append(reference)
    return [_study(uid, series) for uid, series in studies.items()]


def _study(uid: str, series: dict[str, list[ObjectReference]]) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = uid
    item.ReferencedSeriesSequence = [_series(*pair) for pair in series.items()]
    return item


def _series(uid: str, instances: Sequence[ObjectReference]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = uid
    item.ReferencedSOPSequence = [
        instance(each.sop_class_uid, each.sop_instance_uid) for each in instances
    ]
    return item


def instance(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """Build a SOP Instance Reference item (table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def source_image(clean: Dataset) -> Dataset:
    """Build a Source Image item: what a derived picture was made of (C.12.4.1)."""
    item = instance(clean.SOPClassUID, clean.SOPInstanceUID)
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.SOURCE_IMAGE)]
    return item


def procedures(clean: Dataset) -> list[Code]:
    """Codes of what was asked for and done, the request's first; each once."""
    requests = [
        *(clean.get("ReferencedRequestSequence") or ()),
        *(clean.get("RequestAttributesSequence") or ()),
    ]
    items = [
        item
        for request in requests
        for item in request.get("RequestedProcedureCodeSequence") or ()
    ]
    items += clean.get("ProcedureCodeSequence") or ()
    found = [
        Code(item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)
        for item in items
    ]
    return list(dict.fromkeys(found))


def request_references(clean: Dataset) -> list[Dataset]:
    """Build Referenced Request items from the source's requests (table C.17-2).

    An image names its request in Request Attributes, a document in Referenced Request;
    each of the latter's attributes is Type 2, so an unknown one stays empty.
    """
    requests = clean.get("ReferencedRequestSequence") or clean.get(
        "RequestAttributesSequence"
    )
    return [_request(request, clean) for request in requests or ()]


def _request(request: Dataset, clean: Dataset) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = request.get("StudyInstanceUID") or clean.StudyInstanceUID
    item.ReferencedStudySequence = request.get("ReferencedStudySequence") or []
    item.AccessionNumber = request.get("AccessionNumber") or clean.AccessionNumber
    for keyword in (
        "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest",
        "RequestedProcedureID",
        "RequestedProcedureDescription",
    ):
        setattr(item, keyword, request.get(keyword) or "")
    item.RequestedProcedureCodeSequence = (
        request.get("RequestedProcedureCodeSequence") or []
    )
    if issuer := request.get("IssuerOfAccessionNumberSequence"):
        item.IssuerOfAccessionNumberSequence = issuer
    return item
