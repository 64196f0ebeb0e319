"""What may be done to a Workitem, as tables (DICOM PS3.4 CC.1.1 and CC.2).

The rules know neither DIMSE nor HTTP: each way in has a table of its own that turns a
``Fault`` or a ``Notice`` into its status code.
"""

from collections.abc import Mapping
from enum import StrEnum

from pydicom.dataset import Dataset

from dicom_node.dataset.matching import instant
from dicom_node.errors import WorkitemRefused
from storage.records import ProcedureStepState

_PS = ProcedureStepState


class Fault(StrEnum):
    """Why the worklist refuses, in a sentence."""

    NO_SUCH_WORKITEM = "There is no such Workitem."
    ALREADY_EXISTS = "There is a Workitem of this UID."
    NOT_SCHEDULED = "A Workitem is created SCHEDULED."
    MISSING_ATTRIBUTE = "An attribute is missing that a Workitem needs."
    MISSING_VALUE = "An attribute is empty that a Workitem needs."
    INVALID_VALUE = "An attribute has a value that it cannot have."
    NOT_ALLOWED = "An attribute is not the asker's to set."
    INVALID_UID = "That is not a UID."
    MISSING_TRANSACTION = "The Transaction UID is missing."
    WRONG_TRANSACTION = "The Transaction UID is incorrect."
    ALREADY_IN_PROGRESS = "The Workitem is IN PROGRESS already."
    NOT_IN_PROGRESS = "The Workitem is not yet IN PROGRESS."
    SCHEDULED_BY_CREATION = "A Workitem becomes SCHEDULED by its creation alone."
    ENDED = "The Workitem has ended and may not be updated any more."
    FINAL_STATE_UNMET = "What the final state requires is not there."
    ALREADY_COMPLETED = "The Workitem is COMPLETED already."
    PERFORMER_UNREACHABLE = "Who performs the Workitem cannot be told."
    UNKNOWN_RECEIVER = "The receiving AE title is not known here."
    NOT_APPROPRIATE = "That cannot be done to this Workitem."
    NO_SUCH_ACTION = "There is no such action."
    NOT_AUTHORISED = "The Workitem is this node's own."
    NO_SUBSCRIPTION = "There is no such subscription."
    INVALID_KEYS = "A matching key cannot be understood."
    TOO_BROAD = "Too many Workitems would have to be looked at; say more of them."


class Notice(StrEnum):
    """What is worth saying beside success."""

    CREATED_WITH_MODIFICATIONS = "The Workitem was created with modifications."
    OPTIONAL_NOT_SUPPORTED = "Requested optional Attributes are not supported."
    ALREADY_CANCELED = "The UPS is already in the requested state of CANCELED."
    ALREADY_COMPLETED = "The UPS is already in the requested state of COMPLETED."


REQUIRED = (
    "ScheduledProcedureStepPriority",
    "ProcedureStepLabel",
    "ScheduledProcedureStepStartDateTime",
    "InputReadinessState",
    "ProcedureStepState",
)
"""Type 1 for who creates a Workitem (PS3.4 Table CC.2.5-3)."""

MAY_BE_EMPTY = (
    "WorklistLabel",
    "ScheduledProcessingParametersSequence",
    "ScheduledStationNameCodeSequence",
    "ScheduledStationClassCodeSequence",
    "ScheduledStationGeographicLocationCodeSequence",
    "ScheduledWorkitemCodeSequence",
    "CommentsOnTheScheduledProcedureStep",
    "InputInformationSequence",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
    "AdmittingDiagnosesDescription",
    "AdmittingDiagnosesCodeSequence",
    "ReferencedRequestSequence",
    "ProcedureStepProgressInformationSequence",
    "UnifiedProcedureStepPerformedProcedureSequence",
)
"""Type 2: one that is missing is added empty, and the asker is told."""

EMPTY_AT_FIRST = (
    "TransactionUID",
    "ProcedureStepProgressInformationSequence",
    "UnifiedProcedureStepPerformedProcedureSequence",
)
"""What who performs a Workitem writes, and nobody before."""

TERMS: Mapping[str, frozenset[str]] = {
    "ScheduledProcedureStepPriority": frozenset({"HIGH", "MEDIUM", "LOW"}),
    "InputReadinessState": frozenset({"READY", "INCOMPLETE", "UNAVAILABLE"}),
}

NOT_TO_BE_SET = (
    "ProcedureStepState",
    "SOPClassUID",
    "SOPInstanceUID",
    "ScheduledProcedureStepModificationDateTime",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "ReplacedProcedureStepSequence",
)
"""What an update does not change: the state is changed by its own transaction."""

PERFORMED = (
    "PerformedStationNameCodeSequence",
    "PerformedProcedureStepStartDateTime",
    "PerformedWorkitemCodeSequence",
    "PerformedProcedureStepEndDateTime",
)
"""Needed in the performed procedure to be COMPLETED (code P of PS3.4 CC.2.5.1.1)."""

_F, _N = Fault, Notice
_ALL_WRONG: Mapping[ProcedureStepState, Fault | Notice | None] = dict.fromkeys(
    _PS, _F.WRONG_TRANSACTION
)
CHANGES: Mapping[
    tuple[ProcedureStepState, bool], Mapping[ProcedureStepState, Fault | Notice | None]
] = {
    (_PS.IN_PROGRESS, True): {
        _PS.SCHEDULED: None,
        _PS.IN_PROGRESS: _F.ALREADY_IN_PROGRESS,
        _PS.COMPLETED: _F.ENDED,
        _PS.CANCELED: _F.ENDED,
    },
    (_PS.COMPLETED, True): {
        _PS.SCHEDULED: _F.NOT_IN_PROGRESS,
        _PS.IN_PROGRESS: None,
        _PS.COMPLETED: _N.ALREADY_COMPLETED,
        _PS.CANCELED: _F.ENDED,
    },
    (_PS.CANCELED, True): {
        _PS.SCHEDULED: _F.NOT_IN_PROGRESS,
        _PS.IN_PROGRESS: None,
        _PS.COMPLETED: _F.ENDED,
        _PS.CANCELED: _N.ALREADY_CANCELED,
    },
    **{(wanted, False): _ALL_WRONG for wanted in _PS if wanted != _PS.SCHEDULED},
    **{
        (_PS.SCHEDULED, given): dict.fromkeys(_PS, _F.SCHEDULED_BY_CREATION)
        for given in (True, False)
    },
}
"""PS3.4 Table CC.1.1-2: (wanted, is the Transaction UID right) -> state -> answer.

``None`` is the change itself.
"""

CANCEL_REQUESTS: Mapping[ProcedureStepState, Fault | Notice | None] = {
    _PS.SCHEDULED: None,
    _PS.IN_PROGRESS: None,
    _PS.COMPLETED: _F.ALREADY_COMPLETED,
    _PS.CANCELED: _N.ALREADY_CANCELED,
}
"""What a request to cancel meets (PS3.4 CC.2.2.3)."""


def refuse(fault: Fault, text: str = "") -> WorkitemRefused:
    """Make the error of a fault."""
    return WorkitemRefused(fault, f"{fault} {text}".strip())


def wanted_state(text: str) -> ProcedureStepState:
    """Read a Procedure Step State; PS3.18 spells one of them in two ways."""
    term = "CANCELED" if text == "CANCELLED" else text
    try:
        return ProcedureStepState(term)
    except ValueError:
        raise refuse(Fault.INVALID_VALUE, "ProcedureStepState") from None


def judge_change(
    state: ProcedureStepState,
    wanted: ProcedureStepState,
    given: str | None,
    owner: str | None,
) -> Notice | None:
    """Judge a change of state.

    Parameters
    ----------
    given, owner
        The Transaction UID of the request, and the one that holds the Workitem.

    Returns
    -------
    Notice or None
        ``None``: change it. A notice: there is nothing to change.

    Raises
    ------
    WorkitemRefused
        It may not be changed so.
    """
    claims = state is _PS.SCHEDULED or given == owner
    verdict = CHANGES[wanted, bool(given) and claims][state]
    return _judged(verdict, given)


def judge_update(
    state: ProcedureStepState, given: str | None, owner: str | None
) -> None:
    """Judge an update (PS3.4 CC.2.6.3).

    Raises
    ------
    WorkitemRefused
        It may not be updated, or not by who asks.
    """
    if state in (_PS.COMPLETED, _PS.CANCELED):
        raise refuse(Fault.ENDED)
    if state is _PS.SCHEDULED:
        if given:
            raise refuse(Fault.NOT_IN_PROGRESS)
    elif given != owner:
        _judged(Fault.WRONG_TRANSACTION, given)


def judge_cancel_request(state: ProcedureStepState) -> Notice | None:
    """Judge a request to cancel; see :func:`judge_change`."""
    return _judged(CANCEL_REQUESTS[state], None)


def _judged(verdict: Fault | Notice | None, given: str | None) -> Notice | None:
    if verdict is Fault.WRONG_TRANSACTION and not given:
        raise refuse(Fault.MISSING_TRANSACTION)
    if isinstance(verdict, Fault):
        raise refuse(verdict)
    return verdict


def check_new(content: Dataset) -> list[Notice]:
    """Check a data set that shall become a Workitem; what it may lack is added.

    Raises
    ------
    WorkitemRefused
        It cannot become one; the attribute is named, never its value.
    """
    for keyword in REQUIRED:
        if keyword not in content:
            raise refuse(Fault.MISSING_ATTRIBUTE, keyword)
        if content[keyword].is_empty:
            raise refuse(Fault.MISSING_VALUE, keyword)
    if content.ProcedureStepState != _PS.SCHEDULED:
        raise refuse(Fault.NOT_SCHEDULED)
    for keyword in EMPTY_AT_FIRST:
        if content.get(keyword):
            raise refuse(Fault.NOT_ALLOWED, keyword)
    check_values(content)
    missing = [keyword for keyword in MAY_BE_EMPTY if keyword not in content]
    for keyword in missing:
        setattr(content, keyword, [] if keyword.endswith("Sequence") else "")
    return [Notice.CREATED_WITH_MODIFICATIONS] if missing else []


def check_update(changes: Dataset, uid: str) -> None:
    """Check what an update would set.

    Raises
    ------
    WorkitemRefused
        Something is not to be set, or not to that value.
    """
    for keyword in NOT_TO_BE_SET:
        if keyword == "SOPInstanceUID" and changes.get(keyword) == uid:
            continue
        if keyword in changes:
            raise refuse(Fault.NOT_ALLOWED, keyword)
    for keyword in REQUIRED:
        if keyword in changes and changes[keyword].is_empty:
            raise refuse(Fault.MISSING_VALUE, keyword)
    check_values(changes)


def check_values(content: Dataset) -> None:
    """Check enumerated values and the start."""
    for keyword, terms in TERMS.items():
        if keyword in content and content[keyword].value not in terms:
            raise refuse(Fault.INVALID_VALUE, keyword)
    if start := content.get("ScheduledProcedureStepStartDateTime"):
        try:
            instant(str(start))
        except (ValueError, OverflowError):
            text = "ScheduledProcedureStepStartDateTime"
            raise refuse(Fault.INVALID_VALUE, text) from None


def check_final(content: Dataset, wanted: ProcedureStepState) -> None:
    """Check what a final state requires (PS3.4 CC.2.5.1.1).

    CANCELED requires nothing that this node does not fill in itself.

    Raises
    ------
    WorkitemRefused
        It is not there.
    """
    if wanted is not _PS.COMPLETED:
        return
    performed = content.get("UnifiedProcedureStepPerformedProcedureSequence")
    if not performed:
        text = "UnifiedProcedureStepPerformedProcedureSequence"
        raise refuse(Fault.FINAL_STATE_UNMET, text)
    for keyword in PERFORMED:
        if keyword not in performed[0] or performed[0][keyword].is_empty:
            raise refuse(Fault.FINAL_STATE_UNMET, keyword)
    if "OutputInformationSequence" not in performed[0]:
        raise refuse(Fault.FINAL_STATE_UNMET, "OutputInformationSequence")
