"""Synthetic radiographs as complete DICOM objects: no patient, real behaviour.

Used by the demonstration, the doctor's golden image and the tests. Each object is
valid for its IOD: CR (PS3.3 A.2), DX (A.26), Secondary Capture (A.8).
"""

import uuid
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items

from dicom_node import phantom
from dicom_node.dataset.pixels import codecs, jpeg_xl

KINDS: Mapping[str, str] = {
    "CR": uid.ComputedRadiographyImageStorage,
    "DX": uid.DigitalXRayImageStorageForPresentation,
    "DX-PROCESSING": uid.DigitalXRayImageStorageForProcessing,
    "SC": uid.SecondaryCaptureImageStorage,
}
"""The kinds of object that can be made, and their SOP class."""

SIDE_PX = 1024
PIXEL_SPACING_MM = 0.35
_METHODS: Mapping[str, str] = {
    uid.JPEGBaseline8Bit: "ISO_10918_1",
    uid.JPEGExtended12Bit: "ISO_10918_1",
    uid.JPEGLSNearLossless: "ISO_14495_1",
    uid.JPEG2000: "ISO_15444_1",
    uid.HTJ2K: "ISO_15444_15",
    jpeg_xl.JPEG_XL: "ISO_18181_1",
    jpeg_xl.JPEG_XL_JPEG_RECOMPRESSION: "ISO_10918_1",
}
"""Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1)."""
_MOST_BITS: Mapping[str, int] = {
    uid.JPEGBaseline8Bit: 8,
    uid.JPEGExtended12Bit: 12,
    jpeg_xl.JPEG_XL_JPEG_RECOMPRESSION: 8,
}
_NAMESPACE = uuid.UUID("5a0d3f6e-7a2c-4d39-9a55-9d8a4c1f7b10")


def synthetic_radiograph(
    seed: int = 0,
    rows: int = SIDE_PX,
    columns: int = SIDE_PX,
    *,
    opacities: int = 2,
    bits_stored: int = 12,
) -> tuple[NDArray[np.uint16], phantom.Truth]:
    """Draw a frontal chest film and say what was drawn.

    Parameters
    ----------
    seed
        Which patient; the same seed always gives the same film.
    rows, columns
        Size in pixels.
    opacities
        How many airspace opacities to paint, 0 to 6.
    bits_stored
        8 to 16.

    Returns
    -------
        uint16 (rows, columns) in [0, 2**bits_stored - 1], bright = dense; the truth.
    """
    film = phantom.draw(seed, rows, columns, opacities)
    top = 2**bits_stored - 1
    return np.rint(film.pixels * top).astype(np.uint16), film.truth


def synthetic_dataset(  # noqa: PLR0913  the film's own properties, all with defaults
    kind: str = "CR",
    seed: int = 0,
    *,
    rows: int = SIDE_PX,
    columns: int = SIDE_PX,
    transfer_syntax: str = uid.ExplicitVRLittleEndian,
    photometric: str = "MONOCHROME2",
    bits_stored: int = 12,
    opacities: int = 2,
    **overrides: object,
) -> Dataset:
    """Make a synthetic chest radiograph as a DICOM object, file meta included.

    Parameters
    ----------
    kind
        A key of ``KINDS``.
    seed
        Which patient, study and film; other seeds give other UIDs.
    rows, columns, bits_stored, opacities
        As for ``synthetic_radiograph``.
    transfer_syntax
        UID of the encoding of the pixel data.
    photometric
        ``MONOCHROME1`` or ``MONOCHROME2``.
    overrides
        Attributes by keyword, applied last; ``None`` removes the attribute.
    """
    bits_stored = min(bits_stored, _MOST_BITS.get(transfer_syntax, 16))
    pixels, _ = synthetic_radiograph(
        seed, rows, columns, opacities=opacities, bits_stored=bits_stored
    )
    dataset = _patient_and_study(kind, seed)
    _MODULES[kind](dataset)
    _pixel_module(dataset, pixels, photometric, bits_stored)
    _pixel_data(dataset, pixels, transfer_syntax)
    _override(dataset, overrides)
    dataset.file_meta = _file_meta(dataset, transfer_syntax)
    return dataset


def _uid(*name: object) -> str:
    """Name-based UID (PS3.5 B.2)."""
    text = "|".join(str(part) for part in name)
    return f"2.25.{uuid.uuid5(_NAMESPACE, text).int}"


def _patient_and_study(kind: str, seed: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = KINDS[kind]
    dataset.SOPInstanceUID = _uid("instance", kind, seed)
    dataset.StudyInstanceUID = _uid("study", seed)
    dataset.SeriesInstanceUID = _uid("series", kind, seed)
    dataset.PatientName = f"Phantom^Chest^{seed}"
    dataset.PatientID = f"PHANTOM-{seed:04d}"
    dataset.PatientBirthDate = "19600101"
    dataset.PatientSex = "O"
    dataset.PatientAge = "066Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20260102"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "101500"
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20260102", "101500"
    dataset.StudyID = f"S{seed}"
    dataset.AccessionNumber = f"A{seed:06d}"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Chest radiograph"
    dataset.SeriesDescription = "Chest PA, synthetic"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.Manufacturer = "Synthetic"
    dataset.InstitutionName = "Synthetic"
    dataset.BodyPartExamined = "CHEST"
    return dataset


def _radiograph(dataset: Dataset) -> None:
    """Set what CR and DX have in common, and an SC may carry too."""
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PatientOrientation = ["L", "F"]
    dataset.ViewPosition = "PA"
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"


def _computed_radiography(dataset: Dataset) -> None:
    _radiograph(dataset)
    dataset.Modality = "CR"
    dataset.ImagerPixelSpacing = [PIXEL_SPACING_MM, PIXEL_SPACING_MM]


def _digital_radiography(dataset: Dataset) -> None:
    _radiograph(dataset)
    dataset.Modality = "DX"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = Items([_code("51185008", "Chest")])
    view = _code("399348003", "antero-posterior")
    view.CodeValue, view.CodeMeaning = "272479007", "postero-anterior"
    view.ViewModifierCodeSequence = Items()
    dataset.ViewCodeSequence = Items([view])
    dataset.PositionerType = "NONE"
    dataset.DetectorType = "SCINTILLATOR"
    dataset.ImagerPixelSpacing = [PIXEL_SPACING_MM, PIXEL_SPACING_MM]
    dataset.PixelSpacing = [PIXEL_SPACING_MM, PIXEL_SPACING_MM]
    dataset.PixelSpacingCalibrationType = "GEOMETRY"
    dataset.PixelSpacingCalibrationDescription = "Synthetic"
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.RescaleType = "US"
    dataset.AcquisitionContextSequence = Items()


def _for_processing(dataset: Dataset) -> None:
    _digital_radiography(dataset)
    dataset.PresentationIntentType = "FOR PROCESSING"


def _secondary_capture(dataset: Dataset) -> None:
    _radiograph(dataset)
    dataset.Modality = "CR"  # as digitised film comes
    dataset.ConversionType = "DI"


_MODULES: Mapping[str, Callable[[Dataset], None]] = {
    "CR": _computed_radiography,
    "DX": _digital_radiography,
    "DX-PROCESSING": _for_processing,
    "SC": _secondary_capture,
}


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, "SCT"
    item.CodeMeaning = meaning
    return item


def _pixel_module(
    dataset: Dataset, pixels: NDArray[np.uint16], photometric: str, bits_stored: int
) -> None:
    """Set the Image Pixel, VOI and presentation attributes (PS3.3 C.7.6.3, C.11.2)."""
    inverted = photometric == "MONOCHROME1"
    if inverted:
        np.subtract(2**bits_stored - 1, pixels, out=pixels)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 8 * ((bits_stored + 7) // 8)
    dataset.BitsStored, dataset.HighBit = bits_stored, bits_stored - 1
    dataset.PixelRepresentation = 0
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    if dataset.SOPClassUID == uid.DigitalXRayImageStorageForProcessing:
        return
    dataset.WindowCenter = 2 ** (bits_stored - 1)
    dataset.WindowWidth = 2**bits_stored


def _pixel_data(
    dataset: Dataset, pixels: NDArray[np.uint16], transfer_syntax: str
) -> None:
    width = dataset.BitsAllocated // 8
    samples = pixels.astype(f"<u{width}")
    if uid.UID(transfer_syntax).is_encapsulated:
        geometry = codecs.Geometry(
            dataset.Rows, dataset.Columns, dataset.BitsAllocated, dataset.BitsStored
        )
        stream = codecs.encode(samples, transfer_syntax, geometry)
        dataset.PixelData = encapsulate([stream])
        dataset["PixelData"].VR = "OB"
        if transfer_syntax in codecs.LOSSY:
            dataset.LossyImageCompression = "01"
            dataset.LossyImageCompressionRatio = round(samples.nbytes / len(stream), 2)
            dataset.LossyImageCompressionMethod = _METHODS[transfer_syntax]
        return
    data = samples.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if width == 1 else "OW"


def _override(dataset: Dataset, overrides: Mapping[str, object]) -> None:
    for keyword, value in overrides.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)


def _file_meta(dataset: Dataset, transfer_syntax: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = uid.UID(transfer_syntax)
    return meta
