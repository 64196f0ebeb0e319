"""The DICOMweb origin server (DICOM PS3.18): what the node holds, over HTTP."""
