"""DICOM data sets that nobody vouches for: read, decoded, mended, copied."""

# Whoever reads a data set meets transfer syntaxes that pydicom has yet to be told.
from dicom_node.dataset.pixels import jpeg_xl as jpeg_xl
