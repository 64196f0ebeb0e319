"""The worklist as others see it (DICOM PS3.4 CC), over whatever protocol."""
