"""DICOM data sets that nobody vouches for: read, decoded, mended, copied."""
