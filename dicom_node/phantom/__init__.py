"""A drawn chest: a radiograph that never had a patient, with its truth.

The demonstration, the doctor's golden image and the tests need a film that a network
trained on real ones understands. Tissue is summed along the beam as attenuation and
shown bright = dense, upright, the patient's right at the picture's left.
"""

from dicom_node.phantom.film import Film, Truth, draw

__all__ = ["Film", "Truth", "draw"]
