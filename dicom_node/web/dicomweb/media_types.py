"""Media types of pixel data, and which transfer syntaxes they stand for.

DICOM PS3.18 tables 8.7.3-4 and 8.7.3-5. The first syntax of a type is its default.
"""

from collections.abc import Mapping, Sequence

from pydicom import uid

from dicom_node.dataset.pixels import jpeg_xl
from dicom_node.web.dicomweb.accept import OCTETS

SYNTAXES: Mapping[str, Sequence[str]] = {
    OCTETS: (uid.ExplicitVRLittleEndian,),
    "image/jpeg": (
        uid.JPEGLosslessSV1,
        uid.JPEGLossless,
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
    ),
    "image/jls": (uid.JPEGLSLossless, uid.JPEGLSNearLossless),
    "image/jp2": (uid.JPEG2000Lossless, uid.JPEG2000),
    "image/jphc": (uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K),
    "image/jxl": (
        jpeg_xl.JPEG_XL_LOSSLESS,
        jpeg_xl.JPEG_XL_JPEG_RECOMPRESSION,
        jpeg_xl.JPEG_XL,
    ),
    "image/dicom-rle": (uid.RLELossless,),
}

_ALIASES = {"image/x-jls": "image/jls", "image/x-dicom-rle": "image/dicom-rle"}


def media_type_of(transfer_syntax: str) -> str:
    """Name the media type of a frame that is encoded so."""
    for media_type, syntaxes in SYNTAXES.items():
        if transfer_syntax in syntaxes:
            return media_type
    return OCTETS


def canonical(media_type: str) -> str:
    """Give a type the name that the standard has for it."""
    return _ALIASES.get(media_type, media_type)
