"""The same report under another SOP class, for an archive that does not know ours.

The tree holds nothing that only Comprehensive 3D SR may hold (no SCOORD3D, no
reference by position), so it is valid under all three classes (PS3.3 A.35.2,
A.35.3, A.35.13); only the object's identity changes.
"""

import uuid
from io import BytesIO
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence.check.objects import check_attributes
from dicom_node.evidence.kinds import KINDS, EvidenceKind

_NAMESPACE = uuid.UUID("0f0c5a2e-5a6b-53c1-9f7e-1f4f0d8a6c35")
_UID_LENGTH = 64  # PS3.5 9.1


def turn_into(report: Dataset, kind: EvidenceKind) -> Dataset:
    """Make a report another kind.

    Parameters
    ----------
    report
        A measurement report; changed in place and returned. Its own UID determines
        the new one.
    kind
        One of ``REWRITTEN``.

    Raises
    ------
    EvidenceInvalid
        It is not a report.
    """
    if report.get("Modality") != "SR":
        raise EvidenceInvalid("only a report can be written under another SR class")
    sop_class = KINDS[kind].sop_class
    uid = UID(_uid(str(report.SOPInstanceUID), sop_class))
    report.SOPClassUID, report.SOPInstanceUID = sop_class, uid
    report.file_meta.MediaStorageSOPClassUID = sop_class
    report.file_meta.MediaStorageSOPInstanceUID = uid
    return report


def under_class(report: BinaryIO, kind: EvidenceKind) -> tuple[str, bytes]:
    """Write a stored report as another kind.

    Parameters
    ----------
    report
        A measurement report, Part 10.
    kind
        One of ``REWRITTEN``.

    Returns
    -------
        SOP Instance UID of the new object, and its Part 10 bytes.

    Raises
    ------
    EvidenceInvalid
        It is not a report, or not fit to send.
    """
    dataset = turn_into(dcmread(report), kind)
    check_attributes(dataset)
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return str(dataset.SOPInstanceUID), stream.getvalue()


def _uid(original: str, sop_class: str) -> str:
    """Name the new object under the original's root."""
    stem = original.rpartition(".")[0] + "."
    number = str(uuid.uuid5(_NAMESPACE, f"{original}|{sop_class}").int)
    return stem + number[: _UID_LENGTH - len(stem)]
