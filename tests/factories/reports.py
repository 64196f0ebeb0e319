"""What a structured report says, for tests that read it."""

from pydicom.dataset import Dataset


def sentences_of(dataset: Dataset) -> list[str]:
    """Every sentence of a report, in order."""
    found = [dataset.TextValue] if dataset.get("ValueType") == "TEXT" else []
    for child in dataset.get("ContentSequence", ()):
        found += sentences_of(child)
    return found
