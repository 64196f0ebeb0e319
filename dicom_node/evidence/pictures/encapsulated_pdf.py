"""Encapsulated PDF: the report page as an object of the archive (PS3.3 A.45.1)."""

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from dicom_node.dataset.character_sets import UNICODE
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.pictures.report_page import TITLE, page
from dicom_node.evidence.references import instance
from dicom_node.evidence.subject import Subject
from inference.findings import Analysis
from inference.frame import Frame


def encode(subject: Subject, frame: Frame, analysis: Analysis) -> Dataset:
    """Encode the report page."""
    clean, moment = subject.clean, subject.local_time
    content = page(subject, frame, analysis)
    result = Dataset()
    result.SpecificCharacterSet = UNICODE
    result.SOPClassUID = EncapsulatedPDFStorage
    result.SOPInstanceUID = subject.uid(EvidenceKind.PDF)
    result.SeriesInstanceUID, result.SeriesNumber = subject.series(EvidenceKind.PDF)
    result.InstanceNumber = 1
    result.Modality = "DOC"
    result.SeriesDescription = subject.series_description(TITLE)
    result.ConversionType = "WSD"
    result.ContentDate, result.ContentTime = moment.strftime("%Y%m%d %H%M%S").split()
    result.AcquisitionDateTime = ""
    result.BurnedInAnnotation = "YES"
    result.SourceInstanceSequence = [instance(clean.SOPClassUID, clean.SOPInstanceUID)]
    result.DocumentTitle = TITLE
    result.ConceptNameCodeSequence = []
    result.MIMETypeOfEncapsulatedDocument = "application/pdf"
    result.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    result.EncapsulatedDocumentLength = len(content)
    result.file_meta = _file_meta(result)
    return subject.finish(result)


def _file_meta(result: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = result.SOPClassUID
    meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta
