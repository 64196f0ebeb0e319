"""Which results go to which receiver, and what may stand in for what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    """

    destination: str
    evidence: tuple[str, ...]
    fallback: Mapping[str, tuple[str, ...]]
    required: bool = True

    def deliveries(self, evidence: Sequence[Evidence]) -> list[NewDelivery]:
        """Pick what goes out at once; stand-ins wait until they are needed."""
        return [
            NewDelivery(self.destination, item.sop_instance_uid, self.required)
            for kind in self.evidence
            for item in evidence
            if item.kind == kind
        ]

    def stand_ins(self, kind: str, evidence: Sequence[Evidence]) -> list[Evidence]:
        """List what may be sent instead of a kind, best first."""
        chain = self.fallback.get(kind, ())
        # A stand-in that is refused in turn is followed by what comes after it.
        for kinds in self.fallback.values():
            if kind in kinds:
                chain = kinds[kinds.index(kind) + 1 :]
        return [item for wanted in chain for item in evidence if item.kind == wanted]


def kinds_of(routes: Iterable[Route]) -> tuple[str, ...]:
    """Every kind that some receiver may get, each once, in a stable order."""
    wanted: dict[str, None] = {}
    for route in routes:
        for kind in route.evidence:
            wanted[kind] = None
            wanted |= dict.fromkeys(route.fallback.get(kind, ()))
    return tuple(wanted)
