"""What came before an image's results, as far as these name it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """One object in the archive, as other objects point to it (PS3.3 C.17.2.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Prior:
    """What the node said about an earlier film of the same patient.

    Parameters
    ----------
    acquired_at
        When that film was taken, or received when the film does not say.
    total, right, left
        Severity percentages then.
    report, image
        Its measurement report, where it is known, and the film itself.
    model
        Name and version of the model that said so.
    """

    acquired_at: datetime
    total: float
    right: float
    left: float
    report: ObjectReference | None = None
    image: ObjectReference | None = None
    model: str = ""

    @property
    def references(self) -> tuple[ObjectReference, ...]:
        """What a report points to: the film, and what was said of it."""
        return tuple(one for one in (self.image, self.report) if one is not None)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was said earlier, of the patient and of this image.

    Parameters
    ----------
    prior
        The same patient's result before this one, for comparison.
    uncompared
        That result instead, when another model gave it: two models' percentages
        differ by more than the lungs do.
    predecessor
        The report of this same image that this one replaces.
    """

    prior: Prior | None = None
    uncompared: Prior | None = None
    predecessor: ObjectReference | None = None

    @property
    def film(self) -> Prior | None:
        """The film before, compared or not."""
        return self.prior or self.uncompared

    @property
    def uids(self) -> frozenset[str]:
        """SOP Instance UIDs of everything that a result may name."""
        named = [*(self.film.references if self.film else ()), self.predecessor]
        return frozenset(one.sop_instance_uid for one in named if one is not None)
