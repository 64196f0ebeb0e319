"""Everything that can go wrong between a Frame and its findings.

Inner errors know no DIMSE, HTTP or retry semantics; the tables at the edges of
``dicom_node`` translate them.
"""


class InferenceError(Exception):
    """Base of every error raised by this package."""


class ManifestInvalid(InferenceError):
    """A model folder whose manifest is missing, malformed or contradictory."""


class ModelNotFound(InferenceError):
    """No model folder of that name."""


class DigestMismatch(InferenceError):
    """The model file is not the one its manifest describes."""


class ModelFailed(InferenceError):
    """The network could not be loaded or run."""


class OutOfMemory(ModelFailed):
    """The device could not hold the batch; a smaller one may fit."""


class ModelUnreachable(InferenceError):
    """The engine does not answer; the same batch may be answered later.

    Not a ModelFailed: no image of the batch is to blame, and a smaller one would fare
    no better.
    """


class UnsuitableImage(InferenceError):
    """The pixels are not an analysable frontal chest radiograph.

    Parameters
    ----------
    code
        A short stable identifier, such as ``NO_LUNGS``.
    text
        One sentence for an administrator.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class TrainingError(InferenceError):
    """Bad input to training, evaluation or export; the message names the place."""
