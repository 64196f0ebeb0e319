import pytest

from dicom_node.dimse.presentation import SERVICE_CLASSES
from dicom_node.evidence.kinds import KINDS
from dicom_node.evidence.report.classes import CLASSES
from dicom_node.node import conformance


@pytest.fixture(scope="module")
def statement():
    return conformance.write()


def test_it_names_every_accepted_class_and_transfer_syntax(statement):
    for classes, syntaxes in SERVICE_CLASSES.values():
        for uid in (*classes, *syntaxes):
            assert f"| {uid} |" in statement


def test_it_names_the_class_of_every_kind_of_result(statement):
    assert set(conformance.EVIDENCE_CLASSES) == set(KINDS)
    for kind, uid in conformance.EVIDENCE_CLASSES.items():
        assert any(kind in line and str(uid) in line for line in statement.splitlines())


def test_a_report_under_another_class_is_of_the_class_that_is_stated():
    for kind, uid in CLASSES.items():
        assert conformance.EVIDENCE_CLASSES[kind] == uid


def test_it_tells_the_statuses_that_are_sent_and_understood(statement):
    for status in ("A700", "A900", "C000", "0110", "0111", "0122", "B007"):
        assert f"| {status}" in statement or f", {status}" in statement


def test_it_claims_no_class_twice(statement):
    overview = statement.split("## Associations")[0]
    rows = [line for line in overview.splitlines() if line.startswith("| ")]
    assert len(rows) == len(set(rows))
