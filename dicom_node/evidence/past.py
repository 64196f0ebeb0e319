"""What came before an image's results, as far as these name it."""

from dataclasses import dataclass
from datetime import datetime

from inference.findings import Interval


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
    interval
        Of both lungs' percentage then, where it was stated.
    view
        How that film was taken, in words.
    """

    acquired_at: datetime
    total: float
    right: float
    left: float
    report: ObjectReference | None = None
    image: ObjectReference | None = None
    model: str = ""
    interval: Interval | None = None
    view: str = ""

    @property
    def references(self) -> tuple[ObjectReference, ...]:
        """What a report points to: the film, and what was said of it."""
        return tuple(one for one in (self.image, self.report) if one is not None)


@dataclass(frozen=True, slots=True)
class Superseded:
    """What is known of the report that is replaced.

    Parameters
    ----------
    made_at
        When it was made.
    model
        The model that it came from, in words.
    count
        How many reports of this film there were before.
    """

    made_at: datetime
    model: str = ""
    count: int = 1


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
    superseded
        When that was made, and by what.
    other_films
        Frontal films of the same study beside this one.
    """

    prior: Prior | None = None
    uncompared: Prior | None = None
    predecessor: ObjectReference | None = None
    superseded: Superseded | None = None
    other_films: int = 0

    @property
    def revision(self) -> int:
        """Number of this report among those of its film; 1 is the first."""
        if self.predecessor is None:
            return 1
        return 1 + (self.superseded.count if self.superseded else 1)

    @property
    def film(self) -> Prior | None:
        """The film before, compared or not."""
        return self.prior or self.uncompared

    @property
    def uids(self) -> frozenset[str]:
        """SOP Instance UIDs of everything that a result may name."""
        named = [*(self.film.references if self.film else ()), self.predecessor]
        return frozenset(one.sop_instance_uid for one in named if one is not None)
