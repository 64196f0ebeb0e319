"""What the Conformance Statement says of Query/Retrieve (PS3.4 Annex C)."""

from collections.abc import Iterable, Sequence

from pydicom.uid import UID

from dicom_node.dimse.presentation import PATIENT_ROOT_CLASSES, STUDY_ROOT_CLASSES
from dicom_node.dimse.retrieval.identifier import (
    PATIENT_ROOT,
    STUDY_ROOT,
    UNIQUE_KEYS,
    Step,
)
from dicom_node.dimse.retrieval.matches import answered_at
from dicom_node.dimse.services.query_retrieve import (
    MOST_MATCHES,
    RETRIEVED_CLASSES,
    STATUSES,
)

_MODELS = (
    ("Patient Root", PATIENT_ROOT_CLASSES, PATIENT_ROOT),
    ("Study Root", STUDY_ROOT_CLASSES, STUDY_ROOT),
)


def retrieval_section() -> str:
    """Tell of C-FIND, C-MOVE and C-GET."""
    models = [
        (name, ", ".join(_name(uid) for uid in classes), ", ".join(levels))
        for name, classes, levels in _MODELS
    ]
    answered = [
        (step, UNIQUE_KEYS[step], ", ".join(answered_at(step))) for step in Step
    ]
    results = [(_name(uid), uid) for uid in RETRIEVED_CLASSES]
    statuses = [(f"{status:04X}", when, why) for status, when, why in STATUSES]
    return (
        "## Query/Retrieve (SCP)\n\nOver what the node holds: images within retention,"
        " and results. Whoever may associate may ask.\n\n"
        + _table(("Information model", "SOP classes", "Levels"), models)
        + "\n\nRequests are hierarchical; there is no extended negotiation. Keys are"
        " matched as the table of matched attributes says. Answered, where asked for:"
        "\n\n"
        + _table(("Level", "Unique key", "Attributes"), answered)
        + "\n\nRetrieve AE Title, Instance Availability and the level are always"
        " answered; those of upper levels may be asked for. Where a key is not known"
        " here, the status of the answers is FF01. Text that is not ASCII comes as"
        f" ISO_IR 192. More than {MOST_MATCHES} matches end with A700.\n\n"
        "C-MOVE sends to configured peers with a port, under the node's AE title, and"
        " names the Move Originator. C-GET sends in the contexts whose SCP the caller"
        " proposed to be (role selection): images, and these results, which are"
        " accepted in that role alone:\n\n"
        + _table(("SOP class", "UID"), results)
        + "\n\nWhat is stored compressed is sent decompressed where the receiver takes"
        " no other form. A pending response follows each sub-operation but the last."
        " C-CANCEL ends the operation after the sub-operation under way. Status"
        " codes:\n\n" + _table(("Status", "Operations", "When"), statuses)
    )


def _name(uid: str) -> str:
    return UID(uid).name


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in lines)
