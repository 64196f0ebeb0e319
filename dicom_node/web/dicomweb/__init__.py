"""DICOMweb (PS3.18), one folder or file for each of its services."""
