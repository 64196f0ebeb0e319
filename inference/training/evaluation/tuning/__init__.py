"""Fixing thresholds and calibration on validation films."""
