"""QIDO-RS: queries read, answers written."""
