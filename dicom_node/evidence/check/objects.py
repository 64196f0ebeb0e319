"""Check of a result object before it may be sent.

Not a replacement for foreign validators (the tests run those) but for what must never
leave the house: absent required attributes, invalid UIDs, references that do not lead
to the source; what each kind must hold beyond that: ``own``.
"""

from collections.abc import Collection, Sequence

from pydicom.dataset import Dataset

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence.check.attributes import Defects, attribute_defects, places
from dicom_node.evidence.check.own import OwnCheck

_SHARED = ("StudyInstanceUID", "PatientID")
# These lead to what came before this image's results, or to what was ordered.
_LEAD_OUT = {
    "PredecessorDocumentsSequence",
    "ReferencedPerformedProcedureStepSequence",
    "ReferencedRequestSequence",
    "RequestAttributesSequence",
}


def check(
    dataset: Dataset,
    clean: Dataset,
    own: OwnCheck | None,
    known: Collection[str] = (),
) -> None:
    """Refuse an object that is not fit to send.

    Parameters
    ----------
    dataset
        The object, as it will be written.
    clean
        Header of the image that it speaks of, every value valid.
    own
        What its kind must hold beyond.
    known
        SOP Instance UIDs of other objects that it may refer to.

    Raises
    ------
    EvidenceInvalid
        With every defect found; no patient attribute.
    """
    defects = [*attribute_defects(dataset), *_file_meta(dataset)]
    defects += _belongs(dataset, clean, known)
    if own is not None and not defects:
        defects += own(dataset, clean)
    _refuse(dataset, defects)


def check_attributes(dataset: Dataset) -> None:
    """Refuse an object that is not valid by itself, whatever it speaks of.

    Raises
    ------
    EvidenceInvalid
        With every defect found; no patient attribute.
    """
    _refuse(dataset, [*attribute_defects(dataset), *_file_meta(dataset)])


def _refuse(dataset: Dataset, defects: Sequence[str]) -> None:
    if defects:
        raise EvidenceInvalid(
            f"{dataset.get('Modality', 'object')} is not fit to send: "
            + "; ".join(dict.fromkeys(defects))
        )


def check_set(datasets: Sequence[Dataset], clean: Dataset) -> None:
    """Refuse results of one image that are not one set.

    Raises
    ------
    EvidenceInvalid
        Two objects have one UID, or objects stand in one series that must not:
        beside the source, beside another modality's, or two SEGs (viewers show one).
    """
    series: dict[str, str] = {str(clean.SeriesInstanceUID): "source"}
    instances = {str(clean.SOPInstanceUID)}
    for dataset in datasets:
        modality, uid = str(dataset.Modality), str(dataset.SOPInstanceUID)
        beside = series.setdefault(str(dataset.SeriesInstanceUID), modality)
        if uid in instances:
            raise EvidenceInvalid("two objects have the same SOPInstanceUID")
        if beside != modality:
            raise EvidenceInvalid("objects of two kinds stand in one series")
        instances.add(uid)
    alone = [each.SeriesInstanceUID for each in datasets if each.Modality == "SEG"]
    if len(set(alone)) < len(alone):
        raise EvidenceInvalid("two segmentations stand in one series")


def _file_meta(dataset: Dataset) -> Defects:
    meta = dataset.file_meta
    if meta.get("MediaStorageSOPInstanceUID") != dataset.get("SOPInstanceUID"):
        yield "file meta information names another instance"
    if meta.get("MediaStorageSOPClassUID") != dataset.get("SOPClassUID"):
        yield "file meta information names another SOP class"


def _belongs(dataset: Dataset, clean: Dataset, known: Collection[str]) -> Defects:
    for keyword in _SHARED:
        ours, theirs = (str(each.get(keyword) or "") for each in (dataset, clean))
        if ours != theirs:
            yield f"{keyword} is not the source's"
    references = _references(dataset)
    if clean.SOPInstanceUID not in references:
        yield "nothing refers to the source image"
    for uid, sop_class in references.items():
        if uid == clean.SOPInstanceUID and sop_class != clean.SOPClassUID:
            yield "a reference gives the source image another SOP class"
        if uid not in {clean.SOPInstanceUID, *known}:
            yield "a reference leads to an unknown object"


def _references(dataset: Dataset) -> dict[str, str]:
    """SOP Instance UID -> SOP Class UID of everything that an object points to."""
    inner = Dataset()
    for element in dataset:
        if element.keyword not in _LEAD_OUT:
            inner.add(element)
    return {
        str(place.ReferencedSOPInstanceUID): str(place.get("ReferencedSOPClassUID"))
        for _, place in places(inner)
        if "ReferencedSOPInstanceUID" in place
    }
