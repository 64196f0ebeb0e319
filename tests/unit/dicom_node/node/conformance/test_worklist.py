from dicom_node.dimse.presentation import EVENT_CLASS, WORKLIST_CLASSES
from dicom_node.dimse.services import unified_procedure_step as dimse
from dicom_node.node.conformance import statement as conformance
from dicom_node.web.dicomweb.workitems import answers
from dicom_node.worklist.unified.workitem_rules import Fault, Notice


def test_the_statement_names_every_class_status_and_path():
    statement = conformance.write()
    for uid in (*WORKLIST_CLASSES, EVENT_CLASS):
        assert f"| {uid} |" in statement
    for fault in Fault:
        row = f"| {fault} | {dimse.STATUS[fault]:04X} | {answers.STATUS[fault].value}"
        assert row in statement
    for notice in Notice:
        assert f"| {notice} | {dimse.WARNINGS[notice]:04X} |" in statement
    for path in ("/state", "/cancelrequest", "/subscribers/{ae_title}"):
        assert f"/dicom-web/workitems/{{workitem_uid}}{path}" in statement
