"""Which results go to which receiver, and what may stand in for what."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dicom_node.evidence.kinds import REWRITTEN, EvidenceKind
from storage.records import Evidence, NewDelivery


@dataclass(frozen=True, slots=True)
class Route:
    """One receiver's wishes.

    Parameters
    ----------
    destination
        Its name in the configuration.
    evidence
        Kinds of result it gets.
    fallback
        For a kind whose SOP class it does not accept: what else to try, in order.
    required
        Whether a job is done only when this receiver has its results.
    not_analysable_report
        Whether it is told why an awaited result does not come.
    commitment
        Whether it is asked to commit itself to keep what it gets.
    """

    destination: str
    evidence: tuple[EvidenceKind, ...]
    fallback: Mapping[EvidenceKind, tuple[EvidenceKind, ...]]
    required: bool
    not_analysable_report: bool
    commitment: bool = False

    def deliveries(
        self, evidence: Sequence[Evidence], failed: Collection[EvidenceKind] = ()
    ) -> list[NewDelivery]:
        """Pick what goes out at once; stand-ins wait until they are needed.

        Parameters
        ----------
        evidence
            What was made.
        failed
            What could not be made: its stand-in goes at once.
        """
        made = {one.kind for one in evidence}
        chosen = dict.fromkeys(
            self._instead(kind, made) if kind in failed else kind
            for kind in self.evidence
        )
        return [
            self.delivery(item)
            for kind in chosen
            for item in evidence
            if item.kind == kind
        ]

    def delivery(self, evidence: Evidence) -> NewDelivery:
        """Address one object."""
        return NewDelivery(
            self.destination, evidence.sop_instance_uid, self.required, self.commitment
        )

    def _instead(
        self, kind: EvidenceKind, made: Collection[str]
    ) -> EvidenceKind | None:
        """Name the best stand-in that was made."""
        return next((other for other in self.stand_ins(kind) if other in made), None)

    def stand_ins(self, kind: EvidenceKind) -> Iterator[EvidenceKind]:
        """Name the kinds that may be sent instead of one, best first.

        A stand-in that is refused in turn is followed by what comes after it.
        """
        yield from self.fallback.get(kind, ())
        for chain in self.fallback.values():
            if kind in chain:
                yield from chain[chain.index(kind) + 1 :]


def kinds_of(routes: Iterable[Route]) -> tuple[EvidenceKind, ...]:
    """Every kind to encode, each once, in a stable order.

    A report under another class is made from the stored one when it is needed.
    """
    wanted: dict[EvidenceKind, None] = {}
    for route in routes:
        for kind in route.evidence:
            wanted[kind] = None
            others = route.fallback.get(kind, ())
            wanted |= dict.fromkeys(each for each in others if each not in REWRITTEN)
    return tuple(wanted)
