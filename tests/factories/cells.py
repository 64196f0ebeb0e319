"""A tiny radiograph from given stored values, for tests of the grayscale pipeline."""

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset


def radiograph(stored, *, bits=12, signed=False, syntax=None, **attributes) -> Dataset:
    """Make a data set whose pixel cells hold ``stored``; attributes go on top."""
    array = np.atleast_2d(np.asarray(stored))
    allocated = 8 if bits <= 8 else 16
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.UID(syntax or uid.ExplicitVRLittleEndian)
    dataset.SOPClassUID = uid.ComputedRadiographyImageStorage
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = array.shape
    dataset.BitsAllocated, dataset.BitsStored = allocated, bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PatientOrientation = ["L", "F"]
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    cells = array.astype(np.int64) & ((1 << allocated) - 1)
    dataset.PixelData = cells.astype(f"<u{allocated // 8}").tobytes()
    dataset["PixelData"].VR = "OB" if allocated == 8 else "OW"
    return dataset
