"""The worklist's part of the Conformance Statement, from the tables that it runs on.

PS3.4 Annex CC over DIMSE, PS3.18 section 11 over HTTP.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from fastapi.routing import APIRoute
from pydicom.uid import UID

from dicom_node.dimse.services import unified_procedure_step as dimse
from dicom_node.node.settings.worklist import WorklistSection
from dicom_node.web.dicomweb.workitems import answers, requests
from dicom_node.web.dicomweb.workitems.router import workitems
from dicom_node.worklist.unified.subscription import EventType
from dicom_node.worklist.unified.workitem_rules import (
    EMPTY_AT_FIRST,
    MAY_BE_EMPTY,
    NOT_TO_BE_SET,
    PERFORMED,
    REQUIRED,
    Fault,
    Notice,
)

if TYPE_CHECKING:
    from dicom_node.worklist.unified.unified_worklist import UnifiedWorklist

_ACTIONS = {
    dimse.CHANGE_STATE: "Change UPS State",
    dimse.REQUEST_CANCEL: "Request UPS Cancel",
    dimse.SUBSCRIBE: "Subscribe to Receive UPS Event Reports",
    dimse.UNSUBSCRIBE: "Unsubscribe from Receiving UPS Event Reports",
    dimse.SUSPEND: "Suspend Global Subscription",
}


def worklist_section() -> str:
    """Write the section as Markdown."""
    parts = (_behaviour, _operations, _transactions, _statuses)
    return "\n\n".join(part() for part in parts)


def _behaviour() -> str:
    section = WorklistSection()
    return (
        "## Worklist (Unified Procedure Step)\n\n"
        "* The worklist holds the node's own jobs and the Workitems that others push."
        " The node alone performs its own jobs: others may retrieve, search, watch and"
        " ask for their cancellation; a claim or an update is refused.\n"
        "* The node performs a pushed Workitem that names images in its Input"
        " Information Sequence and either its station (Scheduled Station Name Code"
        " Sequence, code value = AE title) or none, once its Input Readiness State is"
        " READY. It does not wait for the scheduled start. Images that are not here are"
        " fetched by WADO-RS from configured servers, or by C-MOVE (Study Root, IMAGE"
        " level) from configured peers; redirects are not followed."
        " Any other Workitem is left to whoever claims it.\n"
        f"* Required of who creates a Workitem: {', '.join(REQUIRED)}. Added empty"
        f" where missing, with a warning: {', '.join(MAY_BE_EMPTY)}. Empty at first:"
        f" {', '.join(EMPTY_AT_FIRST)}. An empty Worklist Label gets the node's.\n"
        f"* An update never sets: {', '.join(NOT_TO_BE_SET)}.\n"
        "* To be COMPLETED a Workitem has in its Performed Procedure Sequence:"
        f" {', '.join(PERFORMED)}, OutputInformationSequence. CANCELED requires"
        " nothing of the performer.\n"
        "* A request to cancel ends a SCHEDULED Workitem at once, by way of IN"
        " PROGRESS; the node ends what it performs itself. Another performer is told"
        " if anybody is subscribed to the Workitem; else the request is refused.\n"
        "* Subscriptions are accepted for one Workitem, the worklist, and the filtered"
        " worklist. Initial reports of the worklist cover Workitems that have not"
        " ended. Deletion locks are always granted; a pushed Workitem without one is"
        f" removed {section.keep_days:g} days after its end (default), the node's own"
        " jobs never.\n"
        "* Event reports wait in the database until their subscriber took them, for"
        f" {section.give_up_after_s / 86400:g} days and"
        f" {section.reports_per_subscriber} for each subscriber at most (defaults)."
        " A subscriber over DIMSE is a configured peer with address and port, or a"
        " destination. At its start the node reports RESTARTED with WARM START to"
        " every subscriber.\n\n"
        + _table(
            ("Event Type ID", "Event"),
            [(str(int(one)), one.name.replace("_", " ").lower()) for one in EventType],
        )
    )


def _operations() -> str:
    operations = [
        (name, ", ".join(sorted(map(_name, classes))))
        for name, classes in dimse.OPERATIONS.items()
    ]
    actions = [
        (str(number), _ACTIONS[number], ", ".join(sorted(map(_name, classes))))
        for number, classes in dimse.ACTIONS.items()
    ]
    return (
        "### DIMSE\n\n"
        + _table(("Operation", "SOP classes"), operations)
        + "\n\n"
        + _table(("Action Type ID", "Action", "SOP classes"), actions)
    )


def _transactions() -> str:
    router = workitems(cast("UnifiedWorklist", None))
    rows = [
        (" ".join(sorted(route.methods or ())), route.path, route.description)
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    spellings = ", ".join(sorted(requests.TRANSACTION))
    return (
        "### UPS-RS\n\n"
        + _table(("Method", "Path", "What"), rows)
        + "\n\nEvent reports: WebSocket at `/dicom-web/subscribers/{ae_title}`. Media"
        f" type: {answers.JSON}. The Transaction UID is understood as a query parameter"
        f" ({spellings}; upper and lower case alike), alone, and in the body."
    )


def _statuses() -> str:
    faults = [
        (
            str(fault),
            f"{dimse.STATUS[fault]:04X}",
            _http(fault),
        )
        for fault in Fault
    ]
    notices = [
        (str(one), f"{dimse.WARNINGS[one]:04X}", "2xx, Warning") for one in Notice
    ]
    head = ("When", "DIMSE", "HTTP")
    return "### Status codes of the worklist\n\n" + _table(head, [*faults, *notices])


def _http(fault: Fault) -> str:
    usual = answers.STATUS[fault].value
    of_update = answers.OF_UPDATES.get(fault)
    return str(usual) if of_update is None else f"{usual}; {of_update.value} of updates"


def _name(uid: UID) -> str:
    return UID(uid).name


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in lines)
