"""Secondary Capture: the picture with everything burned in, for viewers of any age.

RGB, Modality OT so that no hanging protocol takes it for a film, made of and pointing
to the one source image (PS3.3 A.8.1, C.8.6.1).
"""

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset

from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.pictures.overlay import draw
from dicom_node.evidence.references import source_image
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording.disclaimer import DISCLAIMER
from inference.findings import Analysis
from inference.frame import Frame

WIDTH_PX = 2000
_LOSSY = (
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)


def encode(subject: Subject, frame: Frame, analysis: Analysis) -> Dataset:
    """Encode the overlay picture."""
    clean = subject.clean
    picture = draw(frame, analysis, subject=subject, width_px=WIDTH_PX)
    series_uid, series_number = subject.series(EvidenceKind.SECONDARY_CAPTURE)
    image = SCImage(
        pixel_array=np.asarray(picture),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=clean.StudyInstanceUID,
        series_instance_uid=series_uid,
        series_number=series_number,
        sop_instance_uid=subject.uid(EvidenceKind.SECONDARY_CAPTURE),
        instance_number=1,
        manufacturer=subject.maker.manufacturer,
        # The film was turned upright: row to the patient's left, column to the feet.
        patient_orientation=("L", "F"),
        series_description=subject.series_description("AI lung opacity overlay"),
    )
    image.Modality = "OT"
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.ConversionType = "WSD"
    image.BodyPartExamined = "CHEST"
    image.BurnedInAnnotation = "YES"
    image.DerivationDescription = f"Outlines and severity panel. {DISCLAIMER}"
    image.SourceImageSequence = [source_image(clean)]
    for keyword in _LOSSY:
        if clean.get("LossyImageCompression") == "01" and keyword in clean:
            setattr(image, keyword, clean[keyword].value)
    return subject.finish(image)
