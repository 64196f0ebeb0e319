"""Secondary Capture: the picture with everything burned in, for viewers of any age.

RGB, Modality OT so that no hanging protocol takes it for a film, made of and pointing
to the one source image (PS3.3 A.8.1, C.8.6.1).
"""

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset

from dicom_node.dataset.normalise import normalise
from dicom_node.evidence.pictures.overlay import draw
from dicom_node.evidence.references import source_image
from dicom_node.evidence.subject import (
    DISCLAIMER,
    EvidenceContext,
    finish,
    instance_uid,
    series_number,
    series_uid,
)
from inference.findings import Analysis
from inference.frame import Frame

KIND = "secondary-capture"
WIDTH_PX = 2000
_LOSSY = (
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)


def encode(
    source: Dataset, frame: Frame, analysis: Analysis, context: EvidenceContext
) -> Dataset:
    """Encode the overlay picture.

    Raises
    ------
    EvidenceInvalid
        The source cannot be referred to.
    """
    clean = normalise(source)
    picture = draw(frame, analysis, context=context, width_px=WIDTH_PX)
    image = SCImage(
        pixel_array=np.asarray(picture),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=clean.StudyInstanceUID,
        series_instance_uid=series_uid(context, clean, KIND),
        series_number=series_number(context, KIND),
        sop_instance_uid=instance_uid(context, clean, KIND),
        instance_number=1,
        manufacturer=context.manufacturer,
        # The film was turned upright: row to the patient's left, column to the feet.
        patient_orientation=("L", "F"),
        series_description="AI lung opacity overlay",
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
    return finish(image, source, clean, context)
