"""Encapsulated PDF: the report page as an object of the archive (PS3.3 A.45.1)."""

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from dicom_node.dataset.character_sets import UNICODE
from dicom_node.dataset.normalise import normalise
from dicom_node.evidence.pictures.report_page import TITLE, page
from dicom_node.evidence.references import instance
from dicom_node.evidence.subject import (
    EvidenceContext,
    finish,
    instance_uid,
    local_time,
    series_number,
    series_uid,
)
from inference.findings import Analysis
from inference.frame import Frame

KIND = "pdf"


def encode(
    source: Dataset, frame: Frame, analysis: Analysis, context: EvidenceContext
) -> Dataset:
    """Encode the report page.

    Raises
    ------
    EvidenceInvalid
        The source cannot be referred to.
    """
    clean = normalise(source)
    content = page(clean, frame, analysis, context)
    moment = local_time(clean, context)
    result = Dataset()
    result.SpecificCharacterSet = UNICODE
    result.SOPClassUID = EncapsulatedPDFStorage
    result.SOPInstanceUID = instance_uid(context, clean, KIND)
    result.SeriesInstanceUID = series_uid(context, clean, KIND)
    result.SeriesNumber = series_number(context, KIND)
    result.InstanceNumber = 1
    result.Modality = "DOC"
    result.SeriesDescription = TITLE
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
    return finish(result, source, clean, context)


def _file_meta(result: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = result.SOPClassUID
    meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta
