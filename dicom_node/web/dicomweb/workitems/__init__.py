"""The Worklist Service, UPS-RS (DICOM PS3.18 section 11)."""
