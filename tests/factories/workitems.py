"""Workitems to push: complete and small, as a data set and as JSON."""

from typing import Any

from pydicom.dataset import Dataset

from dicom_node.dataset.quiet import quiet
from dicom_node.worklist.unified.subscription import Wish
from dicom_node.worklist.unified.unified_worklist import UnifiedWorklist
from dicom_node.worklist.unified.workitem_content import Place
from dicom_node.worklist.unified.workitem_rules import MAY_BE_EMPTY
from storage.database import Database
from storage.worklist.subscriptions import Channel
from tests.factories.rows import after, new_uid, steps_at

STATION = "CXR_NODE"
WATCHER = "WATCHER"


@quiet()
def a_step(**changes: Any) -> Dataset:
    """A Workitem as somebody would push it."""
    step = Dataset()
    for keyword in MAY_BE_EMPTY:
        setattr(step, keyword, [] if keyword.endswith("Sequence") else "")
    step.ScheduledProcedureStepPriority = "MEDIUM"
    step.ProcedureStepLabel = "Analyse"
    step.ScheduledProcedureStepStartDateTime = "20260314150926"
    step.InputReadinessState = "READY"
    step.ProcedureStepState = "SCHEDULED"
    step.WorklistLabel = "AI"
    step.PatientID = "P1"
    for keyword, value in changes.items():
        if value is None:
            delattr(step, keyword)
        else:
            setattr(step, keyword, value)
    return step


def an_input(study: str, series: str, *uids: str, url: str = "") -> Dataset:
    """An item of the Input Information Sequence."""
    item = Dataset()
    item.TypeOfInstances = "DICOM"
    item.StudyInstanceUID = study
    item.SeriesInstanceUID = series
    item.ReferencedSOPSequence = []
    for uid in uids:
        reference = Dataset()
        reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        reference.ReferencedSOPInstanceUID = uid
        item.ReferencedSOPSequence.append(reference)
    if url:
        there = Dataset()
        there.RetrieveURL = url
        item.WADORSRetrievalSequence = [there]
    return item


def what_was_done() -> Dataset:
    """An update that lets a Workitem be COMPLETED."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "110005", "DCM"
    code.CodeMeaning = "Interpretation"
    done = Dataset()
    done.PerformedStationNameCodeSequence = [code]
    done.PerformedWorkitemCodeSequence = [code]
    done.PerformedProcedureStepStartDateTime = "20260314150926"
    done.PerformedProcedureStepEndDateTime = "20260314151000"
    done.OutputInformationSequence = []
    changes = Dataset()
    changes.UnifiedProcedureStepPerformedProcedureSequence = [done]
    return changes


def how_far(percent: int) -> Dataset:
    """An update that tells progress."""
    item = Dataset()
    item.ProcedureStepProgress = str(percent)
    changes = Dataset()
    changes.ProcedureStepProgressInformationSequence = [item]
    return changes


def worklist_at(
    database: Database, seconds: float = 0, **options: Any
) -> UnifiedWorklist:
    """The worklist as others see it at that time."""
    return UnifiedWorklist(
        database,
        steps_at(database, seconds),
        Place(STATION),
        clock=lambda: after(seconds),
        new_uid=new_uid,
        may_be_called=lambda title: title != "STRANGER",
        **options,
    )


def a_wish(scope: str, **changes: Any) -> Wish:
    """Somebody wants to hear of it."""
    wanted = {"ae_title": WATCHER, "channel": Channel.WEB_SOCKET} | changes
    return Wish(scope=scope, **wanted)
