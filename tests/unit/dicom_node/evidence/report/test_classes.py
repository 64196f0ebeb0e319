from functools import cache
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage, EnhancedSRStorage

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import encode as evidence
from dicom_node.evidence.kinds import REWRITTEN, EvidenceKind
from dicom_node.evidence.report.classes import under_class
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset


@cache
def made() -> bytes:
    frame = a_frame(64, 64)
    source = synthetic_dataset("CR", rows=64, columns=64)
    kinds = [EvidenceKind.MEASUREMENT_REPORT]
    (item,) = evidence.encode_all(kinds, a_subject(source), frame, an_analysis(frame))
    return item.content


def report(uid="2.25.1234", **changes):
    dataset = dcmread(BytesIO(made()))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    for name, value in changes.items():
        setattr(dataset, name, value)
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    return stream


def test_only_the_identity_changes():
    uid, content = under_class(report(), EvidenceKind.ENHANCED_REPORT)
    before, after = dcmread(report()), dcmread(BytesIO(content))
    assert (after.SOPClassUID, after.SOPInstanceUID) == (EnhancedSRStorage, uid)
    assert after.file_meta.MediaStorageSOPClassUID == EnhancedSRStorage
    assert after.file_meta.MediaStorageSOPInstanceUID == uid
    for name in ("SOPClassUID", "SOPInstanceUID"):
        setattr(after, name, before[name].value)
    assert after == before


def test_the_new_name_follows_from_the_old_one_and_the_class():
    names = {under_class(report(), kind)[0] for kind in REWRITTEN for _ in range(2)}
    assert len(names) == len(REWRITTEN)
    other = under_class(report("2.25.1235"), EvidenceKind.COMPREHENSIVE_REPORT)[0]
    assert other not in names


@pytest.mark.parametrize("root", ["2.25", "1.2.826.0.1.3680043.8.498.12345678"])
def test_the_new_name_keeps_the_root_and_the_length_that_a_uid_may_have(root):
    uid, content = under_class(report(f"{root}.99"), EvidenceKind.COMPREHENSIVE_REPORT)
    assert uid.startswith(f"{root}.")
    assert len(uid) <= 64
    assert dcmread(BytesIO(content)).SOPClassUID == ComprehensiveSRStorage


def test_only_a_report_is_written_so():
    with pytest.raises(EvidenceInvalid):
        under_class(report(Modality="SEG"), EvidenceKind.ENHANCED_REPORT)
