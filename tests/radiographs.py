"""Radiographs for tests: the product's own synthetic ones."""

from dicom_node.synthetic import synthetic_dataset, synthetic_radiograph

__all__ = ["synthetic_dataset", "synthetic_radiograph"]
