"""Our AE titles: under which one an image was sent decides how it is treated.

The queue's order is one rule. A Workitem that was pushed has the priority it was
pushed with; an image has that of the title it was sent to, or else what its C-STORE
request says. HIGH goes before MEDIUM before LOW, and of two alike the one that waits
longer; one place in eight is for whoever waits longest, so that nobody waits for ever.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dicom_node.worklist.eligibility import EligibilityRules
from storage.records import Priority


@dataclass(frozen=True, slots=True)
class Title:
    """How what is sent to a title is treated.

    Parameters
    ----------
    rules
        Which images are analysed.
    priority
        Of its images; ``None`` leaves it to the sender.
    destinations
        Who gets results; ``None`` for all.
    """

    rules: EligibilityRules
    priority: Priority | None = None
    destinations: Collection[str] | None = None

    def sends_to(self, destination: str) -> bool:
        """Tell whether a destination gets results of its images."""
        return self.destinations is None or destination in self.destinations


Titles = Mapping[str, Title]
"""AE title -> how what is sent to it is treated; others are treated as usual."""

FETCHED = "(fetched)"
"""In place of the title called: an old image that this node asked for, whose results
stay here. No caller can set it."""

NO_TITLES: Titles = MappingProxyType({})
