"""The compressed transfer syntaxes that the node accepts: it must read each of them."""

from pydicom.uid import JPEGBaseline8Bit

from dicom_node.dataset.pixels.jpeg_xl import JPEG_XL_JPEG_RECOMPRESSION
from dicom_node.dimse.presentation import TRANSFER_SYNTAXES

COMPRESSED = sorted(syntax for syntax in TRANSFER_SYNTAXES if syntax.is_encapsulated)
OF_EIGHT_BITS = (JPEGBaseline8Bit, JPEG_XL_JPEG_RECOMPRESSION)
"""Those that hold samples of eight bits only."""
