"""Radiographs for tests: the product's own synthetic ones."""

from dicom_node.phantom.dataset import synthetic_dataset, synthetic_radiograph

__all__ = ["synthetic_dataset", "synthetic_radiograph"]
